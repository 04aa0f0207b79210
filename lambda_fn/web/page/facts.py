"""All that the page tells of, read once: the official forecast, its age, the record, and what the visitor asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lambda_fn.record.interpolation import price_at
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.cache import CachedValue, NothingToServe
from lambda_fn.web import probability as likelihood
from lambda_fn.web.errors import Problem
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.freshness import Age
from lambda_fn.web.params import DEFAULT_HORIZON
from lambda_fn.web.probability import PriceProbability
from lambda_fn.web.records import CachedRecord, Records

COVERAGES = (50, 80, 95)
SOURCES = {"ecb": "the ECB's reference rate"}


@dataclass(frozen=True)
class Facts:
    """`record` is None while there is none; `asked` is what the form of the page asks, or why it cannot be answered;
    `unasked` names the records for which the store did not answer, and `checked_at` is when it last did; `pairs` are
    all that are served."""

    official: Official
    age: Age
    record: JsonObject | None
    asked: PriceProbability | Problem
    today: date
    unasked: tuple[str, ...]
    checked_at: datetime
    pairs: tuple[str, ...]

    @property
    def pair(self) -> str:
        """As people write it."""
        return f"{self.official.pair[:3]}/{self.official.pair[3:]}"

    @property
    def base(self) -> str:
        return self.official.pair[:3]

    @property
    def quote(self) -> str:
        return self.official.pair[3:]

    def address(self, path: str) -> str:
        """A path of this service, of the page's pair where there are several."""
        if len(self.pairs) < 2:
            return path
        return f"{path}{'&' if '?' in path else '?'}pair={self.official.pair}"

    @property
    def rate(self) -> str:
        """What a price is: "the ECB's reference rate", or "the close" of a file of the operator's own."""
        return SOURCES.get(self.official.source, "the close")

    @property
    def next_position(self) -> int:
        """Of the first forecast day that has not passed; the last one when all have."""
        return _next_position(self.official, self.today)

    def distance(self, horizon: int) -> str:
        """How far a day is: from today while the forecast is fresh, then by its place in the forecast."""
        if self.age.state != "fresh":
            return f"day {horizon} of the forecast"
        return "the next business day" if horizon == 1 else f"in {horizon} business days"

    def at(self, position: int, probability: float) -> float:
        """The price below which that day ends with this probability."""
        return price_at(self.official.levels, self.official.quantiles[position], probability)

    def interval(self, position: int, coverage: int) -> tuple[float, float]:
        """The central interval of a day, `coverage` in percent."""
        tail = (1 - coverage / 100) / 2
        return self.at(position, tail), self.at(position, 1 - tail)

    def horizons(self) -> list[int]:
        """The days that tables show: each of the first week, then fewer, and the last."""
        longest = self.official.horizon
        return [h for h in range(1, longest + 1) if h <= DEFAULT_HORIZON or h % DEFAULT_HORIZON == 0 or h == longest]


def read(records: Records, query: Mapping[str, str], pairs: Sequence[str]) -> Facts:
    """Raises NothingToServe when there is no forecast to show."""
    known, age = records.official()
    official, today = known.value.value, records.now().date()
    record = _record(records)
    stale = [name for name, of in (("forecasts", known), ("records", record)) if of is not None and of.stale]
    return Facts(
        official=official,
        age=age,
        record=record.value.value if record else None,
        asked=_asked(official, query, today),
        today=today,
        unasked=tuple(stale),
        checked_at=datetime.fromtimestamp(known.checked_at, UTC),
        pairs=tuple(pairs),
    )


def _record(records: Records) -> CachedValue[CachedRecord[JsonObject]] | None:
    try:
        return records.record()
    except NothingToServe:
        return None


def _next_position(official: Official, today: date) -> int:
    return next((i for i, day in enumerate(official.days) if day >= today), official.horizon - 1)


def _asked(official: Official, query: Mapping[str, str], today: date) -> PriceProbability | Problem:
    """Without JavaScript the form asks by the query: `side`, `price` and `horizon`. Where it does not, the question is
    of a round price and of the usual day, or of the next one where that has passed."""
    usual = max(min(DEFAULT_HORIZON, official.horizon), _next_position(official, today) + 1)
    asked = {"below": f"{_round_below(official.last_close):g}"}
    if "price" in query:
        asked = {query.get("side", "below"): query["price"].replace(",", ".")}
    try:
        return likelihood.parse(official, {"horizon": query.get("horizon", str(usual)), **asked})
    except Problem as problem:
        return problem


def _round_below(price: float) -> float:
    """A round price about half a percent below this one."""
    wanted = 0.995 * price
    return float(f"{wanted:.3g}")
