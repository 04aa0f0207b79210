"""The records of all pairs together, `serving/pairs.json`: what one pair needs years for.

Pairs go together on a day, EURUSD and GBPUSD most of all. So a day counts as a whole: its forecasts are averaged over
the pairs, and the error comes from how the days differ. Twenty-eight pairs are more evidence than one, and far less
than twenty-eight times as much; the intervals say how much.
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
from lambda_fn.record.statistics import coverage_of, skill_of
from lambda_fn.record.summary_checks import parse_pairs, parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

ATTEMPTS = 5  # an attempt is lost only when somebody else wrote the same file
KINDS = ("live", "backtest")
Json = dict[str, Any]
_log = logging.getLogger(__name__)


class Pool:
    """Scored forecasts of several pairs, added up by horizon and day as they come."""

    def __init__(self) -> None:
        self._days: dict[int, dict[date, _Day]] = defaultdict(lambda: defaultdict(_Day.empty))
        self.pairs = 0

    def add(self, scores: Iterable[Score]) -> None:
        """One pair's. Its losses are taken as shares of the benchmark's mean loss, so that a volatile pair counts no
        more than a calm one."""
        rows = list(scores)
        self.pairs += bool(rows)
        scale = _mean_losses(rows)
        for row in rows:
            day = self._days[row.horizon][row.as_of]
            day.rows[0] += 1
            for position, held in enumerate(row.inside):
                if held is not None:
                    day.held[position] += held
                    day.asked[position] += 1
            for position, other in enumerate(row.benchmarks):
                if other is not None and (mean := scale[row.horizon, position]):
                    day.own[position] += row.pinball / mean
                    day.other[position] += other / mean
                    day.both[position] += 1

    def summary(self) -> Json | None:
        """As that of one pair's record, without reliability; None of nothing."""
        if not self._days:
            return None
        known = sorted({day for days in self._days.values() for day in days})
        return {
            "pairs": self.pairs,
            "days": len(known),
            "from": known[0].isoformat(),
            "through": known[-1].isoformat(),
            "horizons": [self._of_horizon(horizon) for horizon in sorted(self._days)],
        }

    def _of_horizon(self, horizon: int) -> Json:
        days = [day for _, day in sorted(self._days[horizon].items())]
        coverage, skill = {}, {}
        for i, level in enumerate(INTERVALS):
            if shares := [day.held[i] / day.asked[i] for day in days if day.asked[i]]:
                coverage[str(level)] = coverage_of(shares, horizon, sum(day.asked[i] for day in days))
        for i, name in enumerate(BENCHMARKS):
            if both := [(day.own[i] / day.both[i], day.other[i] / day.both[i]) for day in days if day.both[i]]:
                skill[name] = skill_of(both, horizon)
        return {"horizon": horizon, "n": sum(day.rows[0] for day in days), "coverage": coverage, "skill": skill}


class _Day(NamedTuple):
    """Sums over the pairs: by interval what was held of how many, by benchmark both losses of how many."""

    rows: list[int]
    held: list[int]
    asked: list[int]
    own: list[float]
    other: list[float]
    both: list[int]

    @classmethod
    def empty(cls) -> "_Day":
        intervals, benchmarks = len(INTERVALS), len(BENCHMARKS)
        return cls([0], [0] * intervals, [0] * intervals, [0.0] * benchmarks, [0.0] * benchmarks, [0] * benchmarks)


def _mean_losses(rows: Sequence[Score]) -> dict[tuple[int, int], float]:
    """By horizon and benchmark."""
    losses: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        for position, other in enumerate(row.benchmarks):
            if other is not None:
                losses[row.horizon, position].append(other)
    return defaultdict(float, {key: sum(found) / len(found) for key, found in losses.items()})


def write(store: Store, pairs: Sequence[str], now: datetime) -> None:
    """Makes `serving/pairs.json` anew from the records of `pairs`; one that cannot be read is left out.

    The backtests are pooled anew only when a champion came, as they are long. Raises Unavailable.
    """
    for _ in range(ATTEMPTS):
        before, etag = _before(store)
        found = _record(store, pairs, before)
        if found == {name: value for name, value in before.items() if name != "made_at"}:
            return
        if store.replace(keys.PAIRS_KEY, fields.summed_bytes({**found, "made_at": fields.utc_text(now)}), etag):
            return
    raise Unavailable(f"{store.describe()}: {keys.PAIRS_KEY} changed {ATTEMPTS} times meanwhile")


def _record(store: Store, pairs: Sequence[str], before: Json) -> Json:
    told = [found for pair in pairs if (found := _of_pair(store, pair))]
    live = Pool()
    for each in told:
        live.add(row for row in _rows(store, keys.scores_key(each["pair"])) if row.kind == "live")
    champions = {each["pair"]: each["generation"] for each in told}
    pooled = before.get("pooled", {}).get("backtest") if before.get("champions") == champions else None
    return {
        "contract_version": CONTRACT_VERSION,
        "champions": champions,
        "pairs": [{name: value for name, value in each.items() if name != "generation"} for each in told],
        "pooled": {"live": live.summary(), "backtest": pooled or _backtests(store, champions)},
    }


def _backtests(store: Store, pairs: Iterable[str]) -> Json | None:
    pool = Pool()
    for pair in pairs:
        pool.add(_rows(store, keys.backtest_key(pair)))
    return pool.summary()


def _of_pair(store: Store, pair: str) -> Json | None:
    """What a pair's own records say of it; None while it has no forecast."""
    try:
        official = Official.parse(store.read(keys.forecast_key(pair)).data, pair)
        record = parse_record(store.read(keys.record_key(pair)).data, pair)
    except (Missing, ContractError) as error:
        _log.warning("%s is left out of the records of all pairs: %s", pair, error)
        return None
    return {
        "pair": pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "champion": official.champion["name"],
        "generation": official.generation,
        **{kind: _brief(record.get(kind)) for kind in KINDS},
    }


def _brief(summary: Json | None) -> Json | None:
    """Of a record the next day alone."""
    first = next((each for each in (summary or {}).get("horizons", ()) if each["horizon"] == 1), None)
    return first and {"days": first["n"], "coverage": first["coverage"], "skill": first["skill"]}


def _rows(store: Store, key: str) -> list[Score]:
    try:
        return scoring.from_csv(store.read(key).data)
    except (Missing, ContractError):
        return []


def _before(store: Store) -> tuple[Json, str | None]:
    try:
        blob = store.read(keys.PAIRS_KEY)
    except Missing:
        return {}, None
    try:
        return parse_pairs(blob.data), blob.etag
    except ContractError:
        return {}, blob.etag
