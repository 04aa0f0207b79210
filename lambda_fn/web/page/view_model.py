"""What the page shows, as plain data: computed from the official forecast, the track record and the query."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from lambda_fn.currency_pairs import currency_names, price_digits
from lambda_fn.prices.volatility import annualise
from lambda_fn.record.interpolation import price_at
from lambda_fn.record.official_forecast import Official, return_sd
from lambda_fn.record.timeliness import Timeliness
from lambda_fn.store.cache import NothingToServe
from lambda_fn.web import probability
from lambda_fn.web.errors import Problem
from lambda_fn.web.page.book_view import BookCard, book_card
from lambda_fn.web.page.record_view import (
    HORIZONS,
    Figure,
    Json,
    Outcome,
    Score,
    Summary,
    figures,
    outcome,
    scores,
    summary,
)
from lambda_fn.web.params import DEFAULT_HORIZON
from lambda_fn.web.state import PairState

COVERAGES = (50, 80, 95)  # percent, of the ranges in charts and tables
TAILS = 90  # percent: 5% of the outcomes are expected below this range, and 5% above
WEEK = 4  # business days after the next one
FLAT = 0.0005  # of the rate: a smaller change of the median is shown as none
CLOSES = 120
OUTCOMES = 60
AMOUNT = 100_000
MAX_ENTRY = 40  # characters of an invalid price that are shown again


class Pair(NamedTuple):
    """A currency pair by its code, such as EURUSD."""

    code: str

    @property
    def base(self) -> str:
        return self.code[:3]

    @property
    def quote(self) -> str:
        return self.code[3:]

    @property
    def name(self) -> str:
        return f"{self.base}/{self.quote}"

    @property
    def unit(self) -> str:
        """The unit of its rates, for example "US dollars per euro"."""
        return f"{currency_names(self.quote)[1]} per {currency_names(self.base)[0]}"


class RateDay(NamedTuple):
    """A past day with its rate, or a day of the forecast with its median and its ranges by coverage in percent.

    `distance` says how far a day of the forecast is from today; `is_past` whether it has begun. `volatility` is a
    fraction per year, of a forecast day.
    """

    day: date
    rate: float
    horizon: int = 0
    distance: str = ""
    is_past: bool = False
    ranges: Mapping[int, tuple[float, float]] = {}
    volatility: float = 0.0


class Question(NamedTuple):
    """The question of the form as its fields show it, and the answer; `problem` says why there is none."""

    side: str
    price: str
    step: str
    horizon: int
    answer: probability.PriceProbability | None
    problem: Problem | None

    @property
    def bound(self) -> str | None:
        """Whether the probability is less or more than the number; None for neither."""
        return probability.BOUNDS[self.answer.bound] if self.answer and self.answer.bound else None


class Risk(NamedTuple):
    """The value at risk of AMOUNT until a day, since the last rate: in the quote currency, and as a fraction."""

    day: RateDay
    tails: tuple[float, float]
    loss: float
    fraction: float


class ForecastPage(NamedTuple):
    """The page of one pair.

    `next_day` is the first forecast day that has not begun, or the last one; `median_change` is its median against the
    last rate, None where that is no change. `risks` is empty for an expired forecast. `book` is None if no euro pair is
    served. `record_read` is false without a track record. `unread` names the records that the store has not been able
    to return since `checked_at`.
    """

    pair: Pair
    pairs: Sequence[Pair]
    official: Official
    timeliness: Timeliness
    today: date
    unread: Sequence[str]
    checked_at: datetime
    closes: Sequence[RateDay]
    days: Sequence[RateDay]
    next_day: RateDay
    median_change: float | None
    question: Question
    risks: Sequence[Risk]
    book: BookCard | None
    query: Mapping[str, str]
    record_read: bool
    live: Summary | None
    backtest: Summary | None
    outcomes: Sequence[Outcome]
    scores: Sequence[Score]

    @property
    def next_update(self) -> date | None:
        """The day whose rate brings the next forecast; None if it is overdue."""
        return self.official.days[0] if self.timeliness.state == "fresh" else None

    @property
    def amount(self) -> int:
        return AMOUNT

    @property
    def trained_through(self) -> date:
        return date.fromisoformat(self.official.champion["trained_through"])

    @property
    def active_since(self) -> date:
        return date.fromisoformat(self.official.champion["activated_at"][:10])

    @property
    def tiles(self) -> list[RateDay]:
        """The next day, a week later, and the last day."""
        first, last = self.next_day.horizon, len(self.days)
        return [self.days[h - 1] for h in sorted({first, first + WEEK, last}) if h <= last]

    @property
    def table_days(self) -> list[RateDay]:
        """The first week ahead by day, then each fifth day, and the last; of an expired forecast from its first day."""
        days = [day for day in self.days if not day.is_past] or self.days
        last = len(days)
        return [day for n, day in enumerate(days, 1) if n <= DEFAULT_HORIZON or n % DEFAULT_HORIZON == 0 or n == last]

    @property
    def last_begun(self) -> RateDay | None:
        """The last forecast day that has begun, if the forecast is not fresh."""
        begun = self.timeliness.begun
        return self.days[begun - 1] if begun and self.timeliness.state != "fresh" else None

    def kept(self, *names: str) -> list[tuple[str, str]]:
        """Return these parameters of the query: what another form asked, which this one's address keeps."""
        return [(name, value) for name, value in self.query.items() if name in names]

    def address(self, path: str) -> str:
        """Return a path of the service, with the pair where there are several."""
        if len(self.pairs) < 2:
            return path
        return f"{path}{'&' if '?' in path else '?'}pair={self.pair.code}"


def forecast_page(pair: PairState, query: Mapping[str, str], chart_only: bool = False) -> ForecastPage:
    """Return the page of a pair's official forecast. Raises NothingToServe without a forecast.

    With `chart_only` it reads neither the track record nor the records of a book.
    """
    records, pairs = pair.records, pair.state.settings.pairs
    forecast, timeliness = records.official()
    official, today = forecast.value.value, records.now().date()
    try:
        record = None if chart_only else records.record()
    except NothingToServe:
        record = None
    summaries: Json = record.value.value if record else {}
    days = [_forecast_day(official, horizon, timeliness) for horizon in range(1, official.horizon + 1)]
    next_day = days[timeliness.horizon - 1]
    last = official.last_close
    change = next_day.rate / last - 1
    closes = list(official.closes.items())[-CLOSES:]
    return ForecastPage(
        pair=Pair(official.pair),
        pairs=sorted(map(Pair, pairs), key=lambda pair: pair.code != official.pair),
        official=official,
        timeliness=timeliness,
        today=today,
        unread=[name for name, part in (("forecasts", forecast), ("records", record)) if part and part.stale],
        checked_at=datetime.fromtimestamp(forecast.checked_at, UTC),
        closes=[RateDay(date.fromisoformat(text), rate) for text, rate in closes],
        days=days,
        next_day=next_day,
        median_change=None if abs(change) < FLAT else change,
        question=_question(official, query, timeliness),
        risks=[
            Risk(day, day.ranges[TAILS], max(AMOUNT * (last - low), 0.0), max(1 - low / last, 0.0))
            for day in days
            if not day.is_past and (day.horizon - timeliness.begun in HORIZONS or day is days[-1])
            for low, _ in [day.ranges[TAILS]]
        ],
        book=None if chart_only else book_card(pair, query, {day.horizon: day.day for day in days if not day.is_past}),
        query=query,
        record_read=record is not None,
        live=summary(summaries.get("live")),
        backtest=summary(summaries.get("backtest")),
        outcomes=[outcome(row) for row in (summaries.get("newest") or [])[-OUTCOMES:]],
        scores=scores(official),
    )


def _forecast_day(official: Official, horizon: int, timeliness: Timeliness) -> RateDay:
    def at(level: float) -> float:
        return price_at(official.levels, official.quantiles[horizon - 1], level)

    tails = {coverage: (1 - coverage / 100) / 2 for coverage in (*COVERAGES, TAILS)}
    ahead = horizon - timeliness.begun
    distance = "has begun" if ahead < 1 else "the next business day" if ahead == 1 else f"in {ahead} business days"
    return RateDay(
        official.days[horizon - 1],
        at(0.5),
        horizon,
        distance,
        ahead < 1,
        {coverage: (at(tail), at(1 - tail)) for coverage, tail in tails.items()},
        annualise(return_sd(official, horizon), horizon),
    )


def _question(official: Official, query: Mapping[str, str], timeliness: Timeliness) -> Question:
    """Answer the question of the query; without one, that of a round price half a percent below the last."""
    side, price = query.get("side", "below"), query.get("price")
    values = (
        {side: price.replace(",", ".")}
        if price is not None
        else {"below": f"{float(f'{0.995 * official.last_close:.3g}'):g}"}
    )
    horizon = query.get("horizon", str(timeliness.horizon))
    answer, problem = None, None
    try:
        answer = probability.parse(official, {"horizon": horizon, **values}, timeliness)
    except Problem as error:
        problem = error
    digits = price_digits(official.last_close)
    return Question(
        ("touch" if answer.is_touch else answer.side) if answer else "below",
        f"{answer.price:.{digits}f}" if answer else (price or "")[:MAX_ENTRY],
        f"{10.0**-digits:.{digits}f}",
        answer.horizon if answer else timeliness.horizon,
        answer,
        problem,
    )


class PairRow(NamedTuple):
    """A pair in the table of all; without a forecast `model` is None and `problem` may say why.

    `state` is that of the forecast, empty if it is not known.
    """

    pair: Pair
    last_rate: float | None
    model: str | None
    state: str
    problem: str | None
    live: Figure | None
    backtest: Figure | None
    skill: Figure | None


class PairsPage(NamedTuple):
    """The page of all pairs: the pooled records, and a row for each pair."""

    live: Summary | None
    backtest: Summary | None
    rows: Sequence[PairRow]

    @property
    def pairs(self) -> Iterable[Pair]:
        return [row.pair for row in self.rows]


def pairs_page(answer: Json) -> PairsPage:
    """Return the page of what GET /api/pairs answers."""
    pooled = answer["pooled"] or {}
    rows = [_pair_row(row) for row in answer["pairs"]]
    return PairsPage(summary(pooled.get("live")), summary(pooled.get("backtest")), rows)


def _pair_row(row: Json) -> PairRow:
    live, backtest = row.get("live") or {}, row.get("backtest") or {}
    champion = row.get("champion")
    return PairRow(
        pair=Pair(row["pair"]),
        last_rate=row.get("last_close"),
        model=None if champion is None else str(champion).removeprefix(f"{row['pair']}_"),
        state=(row.get("age") or {}).get("state", ""),
        problem=row.get("problem"),
        live=figures(live.get("coverage", {})).get("80"),
        backtest=figures(backtest.get("coverage", {})).get("80"),
        skill=figures(backtest.get("skill", {})).get("garch"),
    )
