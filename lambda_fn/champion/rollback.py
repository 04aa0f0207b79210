"""Going back to a champion that was active before, from what serving itself keeps: with no right to write what training
publishes, and no key to sign with.

It is activated again under the next generation. What it is gone back from, and the pointer that is published now, are
recorded as rolled back before that: refresh leaves them until a newer one is published.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from lambda_fn.champion.active_state import Activation, Standing, find, heal, keep_copy, keep_record
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_champion
from lambda_fn.champion.refusals import CHAMPION, ROLLED_BACK, Refusal, record, record_key, recorded, shortened
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import verify
from lambda_fn.contract import REASON, Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

ATTEMPTS = 5  # an attempt is lost only when something else was activated meanwhile
RECENT = timedelta(minutes=5)  # a client that got no answer asks again: that must not go back twice
SHOWN = 20  # generations in a message
_BACK = re.compile("rollback to generation ([0-9]{1,8})")
_log = logging.getLogger(__name__)


class NoWayBack(Exception):
    """Nothing was rolled back; the message says why, and which generations are kept."""


def generation_of(asked: object) -> int | None:
    """What an event's `rollback` asks for, None for the champion before; raises NoWayBack for what is neither."""
    if asked is True:
        return None
    if type(asked) is int and asked > 0:
        return asked
    raise NoWayBack(f"rollback: is {str(asked)[:40]!r}; give true, or a generation such as 12")


def roll_back(store: Store, settings: Settings, to: int | None, now: datetime, sandbox: Sandbox) -> Activation:
    """Activates the champion of generation `to` again, or the last other one that was not rolled back from or refused.

    It must pass the checks of today. Safe to repeat, and to end anywhere. Raises NoWayBack, and Unavailable.
    """
    for _ in range(ATTEMPTS):
        standing = find(store, settings.pair)
        last = standing.last
        if last is None:
            raise NoWayBack("nothing is active, so there is nothing to roll back; run python -m training run")
        if to is None and _came_back(last) and timedelta(0) <= now - last.activated_at < RECENT:
            reason = f"generation {last.generation} was rolled back to just now; to go further name a generation"
            return Activation("unchanged", last.generation, reason)
        old = _before(store, settings.pair, last) if to is None else _kept(store, settings.pair, to)
        if old.champion.sha256 == last.champion.sha256:
            heal(store, settings.pair, standing)
            reason = f"the champion of generation {old.generation} is active, as generation {last.generation}"
            return Activation("unchanged", last.generation, reason)
        if result := _activate(store, settings, standing, last, old, now, sandbox):
            return result
    raise Unavailable(f"{store.describe()}: active.json changed {ATTEMPTS} times meanwhile; roll back again")


def is_rolled_back(store: Store, pair: str, pointer: Pointer, sha256: str) -> str | None:
    """Why the pointer, which means the file of this digest now, must not be activated; None when it may be."""
    found = recorded(store, record_key(pointer, pair))
    if found is None or found.state != "rolled back" or found.champion not in (None, sha256):
        return None
    return found.reason


def _activate(
    store: Store, settings: Settings, standing: Standing, last: Active, old: Active, now: datetime, sandbox: Sandbox
) -> Activation | None:
    """None when something else was activated meanwhile."""
    pair, generation = settings.pair, last.generation + 1
    # Its signature was of the pointer as it was published.
    pointer = replace(
        old.pointer,
        generation=generation,
        signature=None,
        extra={**old.pointer.extra, REASON: f"rollback to generation {old.generation}"},
    )
    newer = replace(old, pointer=pointer, generation=generation, activated_at=now)
    try:
        data = newer.to_json()
        verify(_published_as(store, pair, old).pointer, settings)
        keep_copy(store, newer, pair)
        champion = fetch_file(store, newer.serving_key, newer.champion.sha256)
        check_champion(champion, old.pointer, pair, store, now.date(), sandbox)
    except (ContractError, Missing) as error:
        raise NoWayBack(
            f"generation {old.generation} cannot be served again: {error}; {_there(store, pair)}"
        ) from error
    _mark(store, settings, last, newer, now)
    if not store.replace(keys.active_key(pair), data, standing.etag):
        return None
    keep_record(store, newer, pair)
    words = f"{pointer.model_name} version {pointer.model_version} of generation {old.generation} is active again"
    return Activation("activated", generation, words)


def _published_as(store: Store, pair: str, old: Active) -> Active:
    """Return the activation whose pointer was published, and perhaps signed: a rollback's own pointer never was."""
    while old.pointer.signature is None and (back := _BACK.fullmatch(str(old.pointer.extra.get(REASON, "")))):
        generation = int(back[1])
        if generation >= old.generation:
            break
        old = _kept(store, pair, generation)
    return old


def _mark(store: Store, settings: Settings, last: Active, newer: Active, now: datetime) -> None:
    """Records as rolled back what was active, and what is published."""
    meant = {record_key(last.pointer, settings.pair): last.champion.sha256, **_published(store, settings, last)}
    back = f"{newer.pointer.extra[REASON]}, as generation {newer.generation}"
    for key, champion in meant.items():
        before = recorded(store, key)
        refused = f"; it was refused before: {before.reason}" if before and before.state == "refused" else ""
        if before and before.state == "rolled back":
            champion = before.champion  # it means what it meant when it was last gone back from
        about: dict[str, str | int] = {"pointer": settings.model_info_key, ROLLED_BACK: newer.generation}
        about |= {CHAMPION: champion} if champion else {}
        record(store, key, Refusal(shortened(back + refused), now, about=about))


def _published(store: Store, settings: Settings, last: Active) -> dict[str, str | None]:
    """The record's key of the pointer that is there, and the digest of the file that it means, as far as is known."""
    try:
        data = store.read(settings.model_info_key).data
        pointer = Pointer.parse(data)
    except (Missing, ContractError):
        return {}  # nothing that could be activated
    if pointer.champion is not None:
        return {record_key(pointer, settings.pair): pointer.champion.sha256}
    same = pointer.model_uri == last.pointer.model_uri
    return {record_key(pointer, settings.pair): last.champion.sha256 if same else None}


def _came_back(active: Active) -> bool:
    return bool(_BACK.fullmatch(str(active.pointer.extra.get(REASON, ""))))


def _before(store: Store, pair: str, last: Active) -> Active:
    """The last that is another file than the active one and than those that were rolled back from or refused since."""
    passed = {last.champion.sha256}
    for generation in reversed(kept(store, pair)):
        try:
            old = _kept(store, pair, generation) if generation < last.generation else last
        except NoWayBack as error:
            _log.warning("%s", error)
            continue
        if old.champion.sha256 not in passed and recorded(store, record_key(old.pointer, pair)) is None:
            return old
        passed.add(old.champion.sha256)
    raise NoWayBack(
        f"there is no other champion before generation {last.generation} to roll back to; {_there(store, pair)}"
    )


def _kept(store: Store, pair: str, generation: int) -> Active:
    key = keys.activated_key(generation, pair)
    try:
        old = Active.parse(store.read(key).data)
    except Missing as error:
        raise NoWayBack(
            f"generation {generation} was never active here, or is not kept; {_there(store, pair)}"
        ) from error
    except ContractError as error:
        raise NoWayBack(f"{key} cannot be read: {error}; {_there(store, pair)}") from error
    if (old.generation, old.serving_key) != (generation, keys.serving_key(old.champion.sha256, pair)):
        raise NoWayBack(f"{key} is of another generation or another copy; {_there(store, pair)}")
    return old


def kept(store: Store, pair: str) -> list[int]:
    """The generations whose activation is recorded, ascending."""
    return sorted(_numbers(store, pair))


def _numbers(store: Store, pair: str) -> Iterator[int]:
    for key in store.list(keys.activated_key(0, pair).rpartition("/")[0]):
        name = PurePosixPath(key)
        if name.suffix == ".json" and name.stem.isdecimal():
            yield int(name.stem)


def _there(store: Store, pair: str) -> str:
    numbers = [str(number) for number in kept(store, pair)][-SHOWN:]
    return f"kept are the generations {', '.join(numbers)}" if numbers else "none is kept"
