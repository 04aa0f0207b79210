"""What is active, what is published and what the registry says, and why they differ: facts, for the console to show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.price_file import parse_tail
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from training.models.economic_calendar import WARN_DAYS, days_left, load_events
from training.publishing.aliases import Held
from training.publishing.promotion import read_active, read_pointer, refusal
from training.publishing.tracking_uri import RegistryError

LAST_BYTES = 4096  # of a price file: more than its last row


@dataclass(frozen=True)
class PriceAge:
    """A price file of the pair. `business_days` have begun since its last date, so 0 or 1 is as fresh as it gets."""

    key: str
    source: str
    last_date: date
    business_days: int


@dataclass(frozen=True)
class Published:
    """The pointer: `pending` until refresh has activated it, `refused` with refresh's reason, `rolled back` from when
    an earlier champion was activated again in its place."""

    pointer: Pointer | None
    state: Literal["active", "pending", "refused", "rolled back", "missing", "unreadable"]
    reason: str = ""


@dataclass(frozen=True)
class Tracking:
    """The registry; `aliases` maps alias to (name, version), `note` says why it is not reachable or what is odd."""

    reachable: bool
    note: str | None
    aliases: dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Status:
    """`differences` are sentences with their cure, empty when pointer, registry, prices and what is active agree."""

    active: Active | None
    published: Published
    prices: tuple[PriceAge, ...]
    tracking: Tracking
    differences: tuple[str, ...]

    @property
    def scores(self) -> tuple[dict[str, Any], ...]:
        """Rows of the score table for the active champion and the baselines."""
        return self.active.pointer.scores if self.active else ()


def status(store: Store, settings: Settings, now: datetime, read_aliases: Callable[[], Held]) -> Status:
    """Reads the store and, by `read_aliases`, the registry; one that cannot be reached is part of the answer.

    Raises Unavailable when the store does not answer.
    """
    active = read_active(store, settings.pair)
    published = _published(store, settings, active)
    tracking = _tracking(read_aliases)
    prices, faults = _prices(store, settings.pair, now.date())
    differences = (*_differences(active, published, tracking), *faults, *_calendar(now.date()))
    return Status(active, published, prices, tracking, differences)


def _published(store: Store, settings: Settings, active: Active | None) -> Published:
    pointer, etag = read_pointer(store, settings.model_info_key)
    if pointer is None:
        return Published(None, "unreadable" if etag else "missing")
    if active is not None and _is_active(pointer, active):
        return Published(pointer, "active")  # whatever it was refused for before
    if found := refusal(store, settings.pair, pointer):
        return Published(pointer, found.state, found.reason)
    # What the model_uri of the old form means is looked up when it is refreshed: then it was this.
    if active is not None and pointer.champion is None and pointer.model_uri == active.pointer.model_uri:
        return Published(pointer, "active")
    return Published(pointer, "pending")


def _is_active(pointer: Pointer, active: Active) -> bool:
    return pointer.champion == active.champion and pointer.generation in (None, active.generation)


def _prices(store: Store, pair: str, today: date) -> tuple[tuple[PriceAge, ...], tuple[str, ...]]:
    """The age of each price file, and a sentence for each that cannot be read."""
    prefix = keys.price_key(pair, "").removesuffix(".csv")
    ages, faults = [], []
    for key in store.list("prices"):
        if key.startswith(prefix) and key.endswith(".csv"):
            try:
                ages.append(_price_age(store, key, key[len(prefix) : -len(".csv")], today))
            except ContractError as error:
                faults.append(f"{key} cannot be read: {error}")
    return tuple(ages), tuple(faults)


def _calendar(today: date) -> Iterator[str]:
    """Champions know scheduled news as far as the file of events went when they were trained."""
    for kind, left in days_left(load_events().known_through(), today).items():
        if left < WARN_DAYS:
            yield (
                f"the last known date of {kind} decisions is {left} days away: add the new ones to "
                "training/models/events.csv and run python -m training run"
            )


def _price_age(store: Store, key: str, source: str, today: date) -> PriceAge:
    dates = parse_tail(store.tail(key, LAST_BYTES).data, 1, ["close"], []).dates
    if not dates:
        raise ContractError("it is empty; delete it and run python -m training run")
    return PriceAge(key, source, dates[0], business_days_since(dates[0], today, source))


def _tracking(read_aliases: Callable[[], Held]) -> Tracking:
    try:
        held = read_aliases()
    except (RegistryError, ContractError) as error:
        return Tracking(False, str(error), {})
    return Tracking(True, held.note, held.aliases)


def _differences(active: Active | None, published: Published, tracking: Tracking) -> Iterator[str]:
    if published.state == "missing":
        yield "nothing is published yet; run python -m training run"
    elif published.state == "unreadable":
        yield "the pointer cannot be read; publish again: python -m training rollback, or python -m training run"
    elif published.state == "refused":
        still = f"generation {active.generation} goes on serving" if active else "nothing is served"
        yield f"{_generation(published)} was refused, {still}: {published.reason}"
    elif published.state == "pending":
        yield f"{_generation(published)} is published but not active yet; run python -m lambda_fn.refresh"
    elif published.state == "rolled back":
        yield f"{_generation(published)} was gone back from, {published.reason}; to go on publish a newer one"
        return  # the alias is where it was, and moves with what is published next
    yield from _alias_differences(active, tracking)


def _alias_differences(active: Active | None, tracking: Tracking) -> Iterator[str]:
    if active is None or not tracking.reachable:
        return
    pointer = active.pointer
    serving = f"{pointer.model_name} version {pointer.model_version}"
    held = tracking.aliases.get("champion")
    if held is None:
        yield (
            f"no version has the alias champion, {serving} is active; give it back with: "
            f"python -m training publish models:/{pointer.model_name}/{pointer.model_version}"
        )
    elif (held[0], str(held[1])) != (pointer.model_name, pointer.model_version):
        yield (
            f"the alias champion is at {held[0]} version {held[1]}, {serving} is active: the alias was moved by hand "
            "or the publishing was interrupted. To serve the alias's version: "
            f"python -m training publish models:/{held[0]}@champion"
        )


def _generation(published: Published) -> str:
    generation = published.pointer.generation if published.pointer else None
    return f"generation {generation}" if generation else "the published champion"
