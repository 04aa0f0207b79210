"""Track record: GET /api/track-record and /api/history."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from lambda_fn.store.cache import CachedValue
from lambda_fn.web.forecast import Freshness, freshness_fields
from lambda_fn.web.params import DECIMAL, FORMAT, PAIR, Parameter
from lambda_fn.web.request import Request
from lambda_fn.web.response import CSV, DateText, PairCode, Text
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import PairState

MAX_DAYS = 250  # the record stores no more days one by one
KIND = Parameter(
    "kind",
    "live: forecasts that were stored before their outcome could be known. backtest: out-of-sample forecasts of the "
    "champion's model. book: official forecasts of two reference books of currencies, the same for every pair.",
    "live",
    {"type": "string", "enum": ("live", "backtest", "book"), "default": "live"},
    noun="kind of record",
)
DAYS = Parameter(
    "days",
    "Number of days to return, counted back from the latest.",
    60,
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": MAX_DAYS},
)
HISTORY_COLUMNS = (
    *("as_of", "target_date", "kind", "generation", "family", "close", "outcome", "pinball", "pit"),
    *("inside_50", "inside_80", "inside_95", "note"),
)
Kind = Literal["live", "backtest"]
Forecasts = Annotated[int, "number of forecasts whose outcome is known"]


class Figure(TypedDict):
    """A value with its 95 % confidence interval; the bounds are null while there are too few days."""

    value: float
    low: float | None
    high: float | None


Coverage = Annotated[
    dict[str, Figure], "fraction of outcomes in the central interval, by its nominal coverage in percent"
]
Skill = Annotated[dict[str, Figure], "1 - loss / loss of the benchmark, by benchmark"]


class RecordOfHorizon(TypedDict):
    """Scores of the forecasts of one horizon.

    Attributes:
        pinball: mean pinball loss, of the log return in percent.
        touched: only at 5 and 21 days: fraction of forecasts whose price was touched by a daily close, by side and
            forecast probability in percent. `below_10` is the price below the last close that is touched with 10 %.
    """

    horizon: int
    n: Forecasts
    pinball: float
    coverage: Coverage
    skill: Skill
    touched: NotRequired[dict[str, Figure]]


_Tenth = TypedDict("_Tenth", {"from": float, "to": float, "share": float, "low": float, "high": float})
_MaybePeriod = TypedDict("_MaybePeriod", {"from": str | None, "through": str | None})


class RecordOfEvent(TypedDict):
    """Coverage on the days of one kind of scheduled news, one business day ahead.

    Attributes:
        event: payrolls (US), FOMC, ECB, CPI (US consumer prices), or none for days without news.
    """

    event: str
    n: Forecasts
    coverage: Coverage


class RecordSummary(_MaybePeriod):
    """Scores of a live record or of a backtest.

    Attributes:
        family: model of the forecasts; only in a backtest.
        events: coverage by kind of scheduled news; only in a backtest.
        t_garch: t statistic of the gain over GARCH at one day, with a Newey-West variance; only in a backtest.
        note: what to know about these figures; only in a backtest.
        reliability: share of outcomes in each tenth of the forecast distribution, with the 95 % sampling range of a
            perfect forecast.
    """

    family: NotRequired[str]
    days: int
    horizons: list[RecordOfHorizon]
    reliability: list[_Tenth]
    events: NotRequired[list[RecordOfEvent]]
    t_garch: NotRequired[float]
    note: NotRequired[str]


class RecordDay(TypedDict):
    """One official forecast and its outcome, one business day ahead.

    Attributes:
        pit: probability integral transform: forecast probability of a rate below the outcome.
        note: anything unusual about the prices.
    """

    as_of: DateText
    target_date: DateText
    kind: Literal["live", "late"]
    generation: NotRequired[int]
    family: NotRequired[str]
    close: float
    outcome: float
    pinball: float
    pit: float
    note: NotRequired[str]


class Check(TypedDict):
    """A figure of the last 250 live days, one day ahead, and the bounds of a sound record.

    Attributes:
        name: coverage_80 or skill_garch.
        low: null until there are enough days.
        high: null until there are enough days, and for skill.
        degraded: true if the value is outside the bounds; an alarm then rings.
    """

    name: str
    days: int
    value: float
    low: float | None
    high: float | None
    degraded: bool


class TrackRecord(Freshness):
    """A track record of one pair.

    Attributes:
        checks: whether the live record has degraded; empty for a backtest.
        days: the latest days; empty for a backtest.
    """

    pair: PairCode
    kind: Kind
    summary: RecordSummary | None
    checks: list[Check]
    days: list[RecordDay]


class RecordOfBook(TypedDict):
    """Scores of a reference book at one horizon, by confidence in percent.

    Attributes:
        covered: fraction of days whose loss was within the value at risk.
        shortfall: realised over forecast loss on the other days; null without any.
        pinball: mean pinball loss of the value at risk, in euros.
    """

    horizon: int
    n: Forecasts
    covered: dict[str, Figure]
    shortfall: dict[str, float | None]
    pinball: dict[str, float]


class BookDay(TypedDict):
    """The outcome of a reference book, one business day ahead.

    Attributes:
        profit: in euros, negative for a loss.
        value_at_risk_95: in euros, as value_at_risk_99.
    """

    as_of: DateText
    target_date: DateText
    book: str
    kind: Literal["live", "late"]
    profit: float
    value_at_risk_95: float
    value_at_risk_99: float


class BookRecord(Freshness):
    """The live record of two books of 1,000,000 euros: long in all currencies, and long and short by alphabet.

    Attributes:
        books: by book, long or long_short, a row for each horizon.
        days: the latest days.
    """

    kind: Literal["book"]
    books: dict[str, list[RecordOfBook]]
    days: list[BookDay]


TrackRecordOrBooks = TrackRecord | BookRecord


class History(Freshness):
    """Forecasts and outcomes by day."""

    pair: PairCode
    days: list[RecordDay]


def track_record(pair: PairState, request: Request) -> TrackRecordOrBooks:
    """Return the summary of the live record with its latest days, of the backtest, or of the reference books."""
    choice = KIND.parse_choice(request.query)
    days = DAYS.parse_whole(request.query, MAX_DAYS)
    if choice == "book":
        books = pair.state.book_record()
        known = books.value.value
        return {"kind": "book", "books": known["books"], "days": known["newest"][-days:], **_check_fields(books)}
    kind = cast(Kind, choice)
    latest = pair.records.record()
    record = latest.value.value
    is_live = kind == "live"
    rows = [row for row in record.get("newest") or () if row["kind"] == "live"][-days:] if is_live else []
    summary = record["live"] if is_live else record.get("backtest")
    checks = list(record.get("checks") or ()) if is_live else []
    content: TrackRecord = {
        "pair": record["pair"],
        "kind": kind,
        "summary": summary,
        "checks": checks,
        "days": rows,
        **_check_fields(latest),
    }
    return content


def history(pair: PairState, request: Request) -> History:
    """Return forecasts and outcomes by day, one business day ahead, for live and late forecasts."""
    days = DAYS.parse_whole(request.query, MAX_DAYS)
    DECIMAL.parse_choice(request.query)
    latest = pair.records.record()
    record = latest.value.value
    return {"pair": record["pair"], "days": list(record.get("newest") or ())[-days:], **_check_fields(latest)}


def history_table(pair: PairState, request: Request) -> Text:
    """Return forecasts and outcomes as CSV; the header alone if there are none.

    Coverage is 1 or 0, as in record/<PAIR>.csv.
    """
    content = history(pair, request)
    cells = [[day.get(name) for name in HISTORY_COLUMNS] for day in content["days"]]
    rows = [[int(cell) if isinstance(cell, bool) else cell for cell in row] for row in cells]
    name, decimal = f"{content['pair']}-history.csv", DECIMAL.parse_choice(request.query)
    return Text.of_table(name, HISTORY_COLUMNS, rows, decimal)


def _check_fields(latest: CachedValue[Any]) -> Freshness:
    return freshness_fields({"records": (latest.checked_at, latest.stale)})


ROUTES = (
    Route(
        "GET",
        "/api/track-record",
        track_record,
        "Track record",
        "Coverage of the intervals and skill against the benchmarks, by horizon, with 95 % confidence intervals that "
        "account for overlapping forecasts. `kind=live`: official forecasts, stored before the outcome could be known. "
        "`kind=backtest`: out-of-sample forecasts of the champion's model. The two are never mixed. `kind=book`: "
        "two reference books of currencies, whose value at risk is forecast daily.",
        "record",
        parameters=(KIND, DAYS, PAIR),
        problems=(BAD_QUERY, NOTHING),
        record="record",
    ),
    Route(
        "GET",
        "/api/history",
        history,
        "Forecasts and outcomes by day",
        "The latest official forecasts whose next business day is known: the outcome, its probability integral "
        "transform (`pit`), and which intervals covered it.",
        "record",
        parameters=(DAYS, PAIR, FORMAT, DECIMAL),
        problems=(BAD_QUERY, NOTHING),
        record="record",
        others=(Form(CSV, history_table, "record"),),
    ),
)
