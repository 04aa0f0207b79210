"""All served pairs with the forecast and the track record of each: GET /api/pairs."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any, NotRequired, TypedDict, cast

from lambda_fn.record.summary_checks import one_day_summary
from lambda_fn.store.cache import CachedValue, NothingToServe
from lambda_fn.web.endpoints.record import Coverage, Figure, Forecasts, Skill
from lambda_fn.web.errors import to_problem
from lambda_fn.web.forecast import Age, CheckedAt, Stale, age_json, freshness_fields
from lambda_fn.web.params import FORMAT, PAIR
from lambda_fn.web.request import Request
from lambda_fn.web.response import HTML, DateText, PairCode, Text
from lambda_fn.web.routing import BAD_QUERY, Form, Route
from lambda_fn.web.state import MAX_PAIRS, PairState, State

_Period = TypedDict("_Period", {"from": DateText, "through": DateText})


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


ROUTES = (
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
