"""The pooled record of all pairs, `serving/pairs.json`, which needs less time than one pair's to be significant.

Outcomes of different pairs on the same day are correlated, those of EURUSD and GBPUSD most of all. So a day counts as
one observation: its forecasts are averaged over the pairs, and the standard error is that of the days. Twenty-eight
pairs are more evidence than one, but far less than twenty-eight times as much; the confidence intervals show how much.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION, ContractError
from lambda_fn.record import scoring
from lambda_fn.record.official_forecast import BENCHMARKS, Official
from lambda_fn.record.scoring import INTERVALS, Score
from lambda_fn.record.statistics import estimate_coverage, estimate_skill
from lambda_fn.record.summary_checks import one_day_summary, parse_pairs, parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store

KINDS = ("live", "backtest")
Json = dict[str, Any]
_log = logging.getLogger(__name__)


class PooledScores:
    """Scored forecasts of several pairs, summed by horizon and day."""

    def __init__(self) -> None:
        self._days: dict[int, dict[date, _Day]] = defaultdict(lambda: defaultdict(_Day.empty))
        self.pairs = 0

    def add(self, scores: Iterable[Score]) -> None:
        """Add the scores of one pair.

        Losses are divided by the benchmark's mean loss, so that a volatile pair has no larger weight than a calm one.
        """
        rows = list(scores)
        self.pairs += bool(rows)
        losses: dict[tuple[int, int], list[float]] = defaultdict(list)
        for row in rows:
            for position, loss in enumerate(row.benchmarks):
                if loss is not None:
                    losses[row.horizon, position].append(loss)
        means = {key: sum(values) / len(values) for key, values in losses.items()}
        for row in rows:
            day = self._days[row.horizon][row.as_of]
            day.rows[0] += 1
            for position, covered in enumerate(row.inside):
                if covered is not None:
                    day.covered[position] += covered
                    day.intervals[position] += 1
            for position, loss in enumerate(row.benchmarks):
                if loss is not None and (mean := means[row.horizon, position]):
                    day.losses[position] += row.pinball / mean
                    day.benchmark_losses[position] += loss / mean
                    day.comparisons[position] += 1

    def summary(self) -> Json | None:
        """Return a summary like that of one pair's record, without reliability; None if nothing was added."""
        if not self._days:
            return None
        dates = sorted({day for days in self._days.values() for day in days})
        return {
            "pairs": self.pairs,
            "days": len(dates),
            "from": dates[0].isoformat(),
            "through": dates[-1].isoformat(),
            "horizons": [self._summarise_horizon(horizon) for horizon in sorted(self._days)],
        }

    def _summarise_horizon(self, horizon: int) -> Json:
        days = [day for _, day in sorted(self._days[horizon].items())]
        coverage, skill = {}, {}
        for i, level in enumerate(INTERVALS):
            if shares := [day.covered[i] / day.intervals[i] for day in days if day.intervals[i]]:
                coverage[str(level)] = estimate_coverage(shares, horizon, sum(day.intervals[i] for day in days))
        for i, name in enumerate(BENCHMARKS):
            if losses := [
                (day.losses[i] / day.comparisons[i], day.benchmark_losses[i] / day.comparisons[i])
                for day in days
                if day.comparisons[i]
            ]:
                skill[name] = estimate_skill(losses, horizon)
        return {"horizon": horizon, "n": sum(day.rows[0] for day in days), "coverage": coverage, "skill": skill}


class _Day(NamedTuple):
    """Sums over the pairs on one day.

    `rows` is their number [1]. `covered` and `intervals` are the numbers of covered outcomes and of forecasts by
    interval. `losses`, `benchmark_losses` and `comparisons` are the sums of both losses and their number by benchmark.
    """

    rows: list[int]
    covered: list[int]
    intervals: list[int]
    losses: list[float]
    benchmark_losses: list[float]
    comparisons: list[int]

    @classmethod
    def empty(cls) -> "_Day":
        intervals, benchmarks = len(INTERVALS), len(BENCHMARKS)
        return cls([0], [0] * intervals, [0] * intervals, [0.0] * benchmarks, [0.0] * benchmarks, [0] * benchmarks)


def write(store: Store, pairs: Sequence[str], now: datetime) -> None:
    """Write `serving/pairs.json` from the records of `pairs`; an invalid record is left out.

    The backtests are long, so they are pooled again only if a champion has changed. Raises Unavailable.
    """

    def pool(stored: bytes | None) -> tuple[bytes | None, None]:
        try:
            before = {} if stored is None else parse_pairs(stored)
        except ContractError:
            before = {}
        record = _build_record(store, pairs, before)
        if record == {name: value for name, value in before.items() if name != "made_at"}:
            return None, None
        return fields.summed_bytes({**record, "made_at": fields.utc_text(now)}), None

    store.update(keys.PAIRS_KEY, pool)


def _build_record(store: Store, pairs: Sequence[str], before: Json) -> Json:
    rows = [row for pair in pairs if (row := _summarise_pair(store, pair))]
    live = PooledScores()
    for row in rows:
        live.add(score for score in _read_scores(store, keys.scores_key(row["pair"])) if score.kind == "live")
    champions = {row["pair"]: row["generation"] for row in rows}
    backtest = before.get("pooled", {}).get("backtest") if before.get("champions") == champions else None
    if not backtest:
        backtests = PooledScores()
        for pair in champions:
            backtests.add(_read_scores(store, keys.backtest_key(pair)))
        backtest = backtests.summary()
    return {
        "contract_version": CONTRACT_VERSION,
        "champions": champions,
        "pairs": [{name: value for name, value in row.items() if name != "generation"} for row in rows],
        "pooled": {"live": live.summary(), "backtest": backtest},
    }


def _summarise_pair(store: Store, pair: str) -> Json | None:
    """Return the pair's row from its own records; None if it has no valid forecast and record."""
    try:
        official = Official.parse(store.read(keys.forecast_key(pair)).data, pair)
        record = parse_record(store.read(keys.record_key(pair)).data, pair)
    except (Missing, ContractError) as error:
        _log.warning("%s is left out of the record of all pairs: %s", pair, error)
        return None
    return {
        "pair": pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "champion": official.champion["name"],
        "generation": official.generation,
        **{kind: one_day_summary(record.get(kind)) for kind in KINDS},
    }


def _read_scores(store: Store, key: str) -> list[Score]:
    try:
        return scoring.from_csv(store.read(key).data)
    except (Missing, ContractError):
        return []
