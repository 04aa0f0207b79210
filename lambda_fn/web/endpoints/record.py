"""Track record: GET /api/track-record, /api/history and /api/pairs."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from lambda_fn.record.summary_checks import one_day_summary
from lambda_fn.store.cache import CachedValue, NothingToServe
from lambda_fn.web.errors import to_problem
from lambda_fn.web.forecast import Age, CheckedAt, Freshness, Stale, age_json, freshness_fields
from lambda_fn.web.params import DECIMAL, FORMAT, PAIR, Parameter
from lambda_fn.web.request import Request
from lambda_fn.web.response import CSV, HTML, DateText, PairCode, Text
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import MAX_PAIRS, PairState, State

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
_Period = TypedDict("_Period", {"from": DateText, "through": DateText})


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


class RecordOfDay(TypedDict):
    """Scores of forecasts for the next business day."""

    days: int
    coverage: Coverage
    skill: Skill


class PairKnown(TypedDict):
    """A served pair: its names, and its forecast and track record or the problem with them.

    Attributes:
        base: base currency.
        quote: quote currency.
        champion: registered name of the champion.
        problem: why there is no forecast.
    """

    pair: PairCode
    base: str
    quote: str
    as_of: NotRequired[DateText]
    last_close: NotRequired[float]
    champion: NotRequired[str]
    age: NotRequired[Age]
    problem: NotRequired[str]
    live: NotRequired[RecordOfDay | None]
    backtest: NotRequired[RecordOfDay | None]


class _PooledHorizon(TypedDict):
    horizon: int
    n: Forecasts
    coverage: Coverage
    skill: Annotated[
        dict[str, Figure],
        "1 - loss / loss of the benchmark; losses are relative to each pair's mean benchmark loss",
    ]


class Pooled(_Period):
    """Scores over all pairs, averaged by day, because the pairs move together within a day.

    Attributes:
        pairs: number of pairs with rows in the record.
    """

    pairs: int
    days: int
    horizons: list[_PooledHorizon]


class _PooledKinds(TypedDict):
    live: Pooled | None
    backtest: Pooled | None


class Pairs(TypedDict):
    """All served pairs.

    Attributes:
        default: the pair of requests without `pair`.
        pairs: ordered as in the setting PAIRS.
        pooled: null for a single pair, and before the first ingest.
    """

    default: PairCode
    pairs: list[PairKnown]
    pooled: _PooledKinds | None
    checked_at: NotRequired[CheckedAt]
    stale: NotRequired[Stale]
    stale_reason: NotRequired[str | None]


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


def pairs(pair: PairState, request: Request) -> Pairs:
    """Return the pairs in the order of the setting, each with its own forecast and the scores of its record.

    With more pairs than fit into memory, they are those of the last ingest.
    """
    state, names = pair.state, pair.state.settings.pairs
    entries: dict[str, PairKnown] = {}
    checks: dict[str, tuple[float, bool]] = {}
    latest: CachedValue[Any] | None = None
    if len(names) > MAX_PAIRS:
        latest = state.all_pairs()
        entries = {entry["pair"]: entry for entry in latest.value.value.get("pairs", ())} if latest else {}
    elif len(names) > 1:
        from concurrent.futures import ThreadPoolExecutor  # only for several pairs

        with ThreadPoolExecutor(len(names) + 1) as pool:
            pooled = pool.submit(state.all_pairs)
            parts = list(pool.map(partial(_pair_entry, state), names))
            latest = pooled.result()
        entries = {entry["pair"]: entry for entry, _ in parts}
        if times := [check for _, check in parts if check is not None]:
            checks["forecasts"] = min(time for time, _ in times), any(is_stale for _, is_stale in times)
    if latest:
        checks["records"] = latest.checked_at, latest.stale
    content: Pairs = {
        "default": names[0],
        "pairs": [entries.get(name, _names(name)) for name in names],
        "pooled": latest.value.value.get("pooled") if latest else None,
    }
    return {**content, **freshness_fields(checks)} if checks else content


def _pair_entry(state: State, name: str) -> tuple[PairKnown, tuple[float, bool] | None]:
    """Return the forecast and the scores of a pair, and the last check of its forecast."""
    records = state.pair({PAIR.name: name}, {}).records
    entry = _names(name)
    try:
        latest, timeliness = records.official()
    except NothingToServe as error:
        return {**entry, "problem": to_problem(error, name).message}, None
    official = latest.value.value
    entry["as_of"] = official.as_of.isoformat()
    entry["last_close"] = official.last_close
    entry["champion"] = official.champion["name"]
    entry["age"] = age_json(timeliness)
    with suppress(NothingToServe):
        record = records.record().value.value
        entry["live"] = cast(RecordOfDay | None, one_day_summary(record.get("live")))
        entry["backtest"] = cast(RecordOfDay | None, one_day_summary(record.get("backtest")))
    return entry, (latest.checked_at, latest.stale)


def _names(pair: str) -> PairKnown:
    return {"pair": pair, "base": pair[:3], "quote": pair[3:]}


def pairs_page(pair: PairState, request: Request) -> Text:
    """Return the records of all pairs as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.all_pairs(pairs(pair, request))


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
    Route(
        "GET",
        "/api/pairs",
        pairs,
        "Currency pairs",
        "All served pairs with the latest rate, age and track record of each, and the track record pooled over all "
        "pairs, which needs years less to be conclusive. The first pair is the default of the other routes. With a "
        "single pair nothing is pooled. A browser, or `format=html`, gets a page.",
        "record",
        parameters=(FORMAT,),
        problems=(BAD_QUERY,),
        others=(Form(HTML, pairs_page),),
    ),
)
