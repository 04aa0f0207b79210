"""The figures of the track record and of the training run, as plain data for the page."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from lambda_fn.record.official_forecast import BENCHMARKS, Official

HORIZONS = (1, 5, 10)  # business days, of the short tables, beside the longest
CONFIDENCE = 0.95
SKILLS = {"garch": "GARCH(1,1)-t", "ewma": "EWMA", "constant": "a constant variance"}
EVENTS = {
    "payrolls": "US payrolls",
    "FOMC": "FOMC decision",
    "ECB": "ECB decision",
    "CPI": "US consumer prices",
    "none": "No scheduled news",
}
Json = Mapping[str, Any]


class Figure(NamedTuple):
    """An estimate with its confidence interval, whose bounds are None after too few days."""

    value: float
    low: float | None
    high: float | None


class HorizonRow(NamedTuple):
    """Coverage by its nominal percentage and skill by benchmark, of the forecasts of one horizon."""

    horizon: int
    forecasts: int
    coverage: Mapping[str, Figure]
    skill: Mapping[str, Figure]


class EventRow(NamedTuple):
    """Coverage of the 80% range on the days of one kind of scheduled news, one day ahead."""

    name: str
    forecasts: int
    coverage: Figure | None


class Summary(NamedTuple):
    """A live or backtest record: its first horizon in detail, and the horizons of a table.

    `covered` and `expected` count days in the 80% range, None where the model has none; `benchmark` is the name and
    key of the one that the skill is against. `pairs` is 0 for the record of one pair.
    """

    since: date
    through: date
    days: int
    pairs: int
    first: HorizonRow
    rows: Sequence[HorizonRow]
    covered: int | None
    expected: tuple[int, int] | None
    benchmark: tuple[str, str] | None
    reliability: Sequence[Mapping[str, float]]
    events: Sequence[EventRow]
    t_garch: float | None
    note: str


class Outcome(NamedTuple):
    """A scored forecast of one business day; `percentile` is where in its distribution the outcome fell, 0 to 1."""

    as_of: date
    day: date
    before: float
    rate: float
    percentile: float
    kind: str

    @property
    def is_covered(self) -> bool:
        """Whether the outcome is in the 80% range. It is derived from the percentile: not every model has the range."""
        return 0.1 <= round(self.percentile, 9) <= 0.9


class Score(NamedTuple):
    """A model of the training run at one day."""

    family: str
    badge: str | None
    loss: float
    skill: Figure | None
    coverage: float | None


def summary(record: Json | None) -> Summary | None:
    """Return the summary of a record, None while nothing is scored."""
    if not record or not record.get("horizons"):
        return None
    rows = {
        int(row["horizon"]): HorizonRow(
            int(row["horizon"]), int(row["n"]), figures(row["coverage"]), figures(row["skill"])
        )
        for row in record["horizons"]
    }
    first = next(iter(rows.values()))
    coverage = first.coverage.get("80")
    return Summary(
        since=date.fromisoformat(record["from"]),
        through=date.fromisoformat(record["through"]),
        days=int(record["days"]),
        pairs=int(record.get("pairs", 0)),
        first=first,
        rows=[row for horizon, row in rows.items() if horizon in HORIZONS or horizon == max(rows)],
        covered=round(coverage.value * first.forecasts) if coverage else None,
        expected=expected_counts(first.forecasts, 0.8) if coverage else None,
        benchmark=next(((name, key) for key, name in SKILLS.items() if key in first.skill), None),
        reliability=record.get("reliability", ()),
        events=[
            EventRow(EVENTS.get(row["event"], row["event"]), int(row["n"]), figures(row["coverage"]).get("80"))
            for row in record.get("events") or ()
        ],
        t_garch=record.get("t_garch"),
        note=record.get("note", ""),
    )


def figures(members: Json) -> dict[str, Figure]:
    """Return the figures that have a value, by name."""
    present = {name: figure for name, figure in members.items() if figure and figure["value"] is not None}
    return {name: Figure(figure["value"], figure["low"], figure["high"]) for name, figure in present.items()}


def expected_counts(days: int, share: float) -> tuple[int, int]:
    """Return the 95% interval of the binomial distribution of `days` trials with probability `share`, 0 < share < 1."""
    tail, log_odds = (1 - CONFIDENCE) / 2, math.log(share) - math.log1p(-share)
    low, count, log_mass = 0, 0, days * math.log1p(-share)  # a logarithm, as the mass itself may underflow
    cumulative = math.exp(log_mass)
    while cumulative < 1 - tail and count < days:
        if cumulative < tail:
            low = count + 1
        log_mass += math.log((days - count) / (count + 1)) + log_odds
        count += 1
        cumulative += math.exp(log_mass)
    return low, count


def outcome(row: Json) -> Outcome:
    """Return a scored day of the record."""
    as_of, day = (date.fromisoformat(row[name]) for name in ("as_of", "target_date"))
    return Outcome(as_of, day, float(row["close"]), float(row["outcome"]), float(row["pit"]), str(row["kind"]))


def scores(official: Official) -> list[Score]:
    """Return the models of the training run at one day, the smallest loss first, the champion before its equals."""
    rows = [row for row in official.card.get("scores") or () if row.get("horizon") == 1]
    champion = str(official.champion["family"])
    by_model = []
    for row in rows:
        family, loss, skill = str(row.get("family")), _number(row, "pinball"), _number(row, "skill_garch")
        if loss is None:
            continue
        low, high = _number(row, "skill_garch_low"), _number(row, "skill_garch_high")
        badge = "champion" if family == champion else "benchmark" if family in BENCHMARKS else None
        interval = (None, None) if None in (low, high) else (low, high)
        figure = None if skill is None else Figure(skill, *interval)
        by_model.append(Score(family, badge, loss, figure, _number(row, "coverage_80")))
    return sorted(by_model, key=lambda score: (score.loss, score.family != champion))


def _number(row: Json, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
