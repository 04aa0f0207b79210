"""The state of a pair: what is active, what is published, the aliases of the registry, and why they differ."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from lambda_fn.champion.refusals import PointerState
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.price_file import parse_tail
from lambda_fn.record.degradation import find_degradation
from lambda_fn.record.official_forecast import Official
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.record.timeliness import Timeliness, assess
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.export.candidate import UNREGISTERED
from training.models.economic_calendar import TITLES, WARN_DAYS, days_left, load_events, read_known_through
from training.publishing.mlflow_access import AliasHolders, RegistryError
from training.publishing.promotion import read_active, read_pointer, read_refusal

LAST_BYTES = 4096  # read from the end of a price file: more than its last row


@dataclass(frozen=True)
class PriceAge:
    """The age of a price file. `business_days` have begun since its last date, so 0 or 1 is as fresh as possible."""

    key: str
    source: str
    last_date: date
    business_days: int


@dataclass(frozen=True)
class Published:
    """The published pointer.

    Attributes:
        pointer: The pointer, None when it is missing or unreadable.
        state: `pending` until refresh activates it, `refused` by refresh, `rolled back` when an earlier champion was
            activated again in its place, `superseded` when a version was chosen in MLflow in its place.
        reason: Why it was refused, rolled back or superseded.
    """

    pointer: Pointer | None
    state: Literal["active", "pending", "missing", "unreadable"] | PointerState
    reason: str = ""


@dataclass(frozen=True)
class Tracking:
    """The registry; `aliases` maps an alias to (name, version), `note` says why it is unreachable or what is odd."""

    reachable: bool
    note: str | None
    aliases: dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Status:
    """The state of a pair.

    Attributes:
        active: The active record, None if there is none.
        published: The published pointer.
        prices: The age of each price file.
        tracking: The registry.
        events: The last day of each kind of scheduled event that the active champion knows.
        official: The official forecast, None if there is none that can be read.
        forecast: Its age.
        differences: A sentence for each mismatch between pointer, registry, prices and active record, with its fix.
    """

    active: Active | None
    published: Published
    prices: tuple[PriceAge, ...]
    tracking: Tracking
    events: dict[str, date]
    official: Official | None
    forecast: Timeliness | None
    differences: tuple[str, ...]

    @property
    def scores(self) -> tuple[dict[str, Any], ...]:
        """The score table of the run that selected the active champion, the rows of the champion first."""
        return self.active.pointer.scores if self.active else ()


def collect_status(store: Store, settings: Settings, now: datetime, read_aliases: Callable[[], AliasHolders]) -> Status:
    """Return the state of a pair. An unreachable registry is part of it.

    Args:
        store: The store to read.
        settings: Settings of the pair.
        now: The time, for ages.
        read_aliases: Reads the aliases of the registry.

    Raises:
        Unavailable: The store does not answer.
    """
    active = read_active(store, settings.pair)
    published = _read_published(store, settings, active)
    try:
        holders = read_aliases()
        tracking = Tracking(True, holders.note, holders.aliases)
        several = holders.champions if len(holders.champions) > 1 else ()
    except (RegistryError, ContractError) as error:
        tracking, several = Tracking(False, str(error), {}), ()
    prices, unreadable = _read_price_ages(store, settings.pair, now.date())
    try:  # the last day of each kind of event that the champion knows
        events = read_known_through(store.read(active.serving_key).data) if active else {}
    except (Missing, ContractError):
        events = load_events().known_through()  # refresh repairs the file
    outdated = _describe_outdated_events(events, now.date())
    ambiguous = [
        f'{" and ".join(several)} have the alias "champion": a choice in MLflow may have been lost; remove it from all '
        "models but one, or set it again on that one"
    ]
    try:
        official = Official.parse(store.read(keys.forecast_key(settings.pair)).data, settings.pair)
    except (Missing, ContractError):
        official = None  # missing before the first activation; refresh replaces a damaged one
    forecast = official and assess(official, now)
    unserved = [
        f"{pair} is in the store but not served; add it: PAIRS={','.join((*settings.pairs, pair))} eurusd serve"
        for pair in find_unserved(store, settings)
    ]
    differences = (
        *_describe_differences(active, published, tracking),
        *(ambiguous if several else []),
        *_describe_forecast(official),
        *_describe_record(store, settings.pair),
        *unreadable,
        *outdated,
        *unserved,
    )
    return Status(active, published, prices, tracking, events, official, forecast, differences)


def _describe_outdated_events(events: dict[str, date], today: date) -> Iterator[str]:
    listed = load_events().known_through()
    for kind, remaining in days_left(events, today).items():
        if remaining < WARN_DAYS:
            cure = "run eurusd run"
            if not (kind in listed and listed[kind] > events[kind]):  # the champion knows all that the file lists
                cure = f"add the dates that eurusd events lists to training/models/events.csv, then {cure}"
            yield f"the last known date of {TITLES.get(kind, kind)} is {remaining} days away: {cure}"


def find_unserved(store: Store, settings: Settings) -> tuple[str, ...]:
    """Return the pairs that have prices and an active champion, but are not among those that are served."""
    names = dict.fromkeys(key.removeprefix("prices/").partition("-")[0] for key in store.list("prices"))
    pairs = (name for name in names if len(name) == 6 and name.isupper() and name not in settings.pairs)
    return tuple(pair for pair in pairs if read_active(store, pair) is not None)


def _read_published(store: Store, settings: Settings, active: Active | None) -> Published:
    pointer, etag = read_pointer(store, settings.model_info_key)
    if pointer is None:
        return Published(None, "unreadable" if etag else "missing")
    if active and pointer.champion == active.champion and pointer.generation in (None, active.generation):
        return Published(pointer, "active")  # an earlier refusal does not matter any more
    if refusal := read_refusal(store, settings.pair, pointer):
        return Published(pointer, refusal.state, refusal.reason)
    # A pointer of the old form has a model_uri only, which refresh resolves: it resolved to the active champion.
    if active is not None and pointer.champion is None and pointer.model_uri == active.pointer.model_uri:
        return Published(pointer, "active")
    return Published(pointer, "pending")


def _read_price_ages(store: Store, pair: str, today: date) -> tuple[tuple[PriceAge, ...], tuple[str, ...]]:
    """Return the age of each price file, and a sentence for each file that cannot be read."""
    prefix = keys.price_key(pair, "").removesuffix(".csv")
    ages, unreadable = [], []
    for key in store.list("prices"):
        if key.startswith(prefix) and key.endswith(".csv"):
            source = key[len(prefix) : -len(".csv")]
            try:
                dates = parse_tail(store.tail(key, LAST_BYTES).data, 1, ["close"], []).dates
            except ContractError as error:
                unreadable.append(f"{key} cannot be read: {error}")
                continue
            if dates:
                ages.append(PriceAge(key, source, dates[0], business_days_since(dates[0], today, source)))
            else:
                unreadable.append(f"{key} cannot be read: it is empty; delete it and run eurusd run")
    return tuple(ages), tuple(unreadable)


def _describe_differences(active: Active | None, published: Published, tracking: Tracking) -> Iterator[str]:
    if published.state == "missing":
        yield "nothing is published yet; run eurusd run"
    elif published.state == "unreadable":
        yield "the pointer cannot be read; publish again: eurusd rollback, or eurusd run"
    elif published.state == "refused":
        served = f"generation {active.generation} is still served" if active else "nothing is served"
        yield f"{_name_generation(published)} was refused, {served}: {published.reason}"
    elif published.state == "pending":
        yield f"{_name_generation(published)} is published but not active yet; run eurusd refresh"
    elif published.state == "rolled back":
        yield f"{_name_generation(published)} was rolled back, {published.reason}; publish a newer one to replace it"
        return  # the alias has not moved; it moves with the next publication
    if active is None or not tracking.reachable:
        return
    pointer = active.pointer
    serving = f"{pointer.model_name} version {pointer.model_version}"
    holder = tracking.aliases.get("champion")
    if pointer.model_version == str(UNREGISTERED):
        yield f"generation {active.generation} is not in the registry; run eurusd run, which registers"
    elif holder is None:
        yield (
            f'the alias "champion" is not set, {serving} is active; restore it with: '
            f"eurusd publish models:/{pointer.model_name}/{pointer.model_version}"
        )
    elif (holder[0], str(holder[1])) != (pointer.model_name, pointer.model_version):
        yield (
            f'the alias "champion" is at {holder[0]} version {holder[1]}, {serving} is active: the alias was moved by '
            "hand, or publishing was interrupted. To serve the version of the alias: "
            f"eurusd publish models:/{holder[0]}@champion"
        )


def _describe_forecast(official: Official | None) -> Iterator[str]:
    """Yield why the official forecast is not the newest one of the active champion."""
    if official is None:
        return
    if official.reason:
        yield (
            f"generation {official.generation} made the official forecast of {official.as_of}, because "
            f"{official.reason}; publish another champion: eurusd rollback, or eurusd run"
        )
    if official.failure_reason:
        yield f"there is no official forecast after {official.as_of}: {official.failure_reason}"


def _describe_record(store: Store, pair: str) -> list[str]:
    """Return how the live record has degraded."""
    try:
        record = parse_record(store.read(keys.record_key(pair)).data, pair)
    except (Missing, ContractError):
        return []  # missing before the first ingest, which also replaces a damaged one
    cure = "compare the models: eurusd run, or roll back: eurusd rollback"
    return [
        f"the live record has degraded: {sentence}; {cure}" for sentence in find_degradation(record.get("checks", ()))
    ]


def _name_generation(published: Published) -> str:
    generation = published.pointer.generation if published.pointer else None
    return f"generation {generation}" if generation else "the published champion"
