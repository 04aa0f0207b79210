"""Roll back to a champion that was active before, from the files of serving alone.

This needs neither the right to write what training publishes nor a signing key. The old champion is activated again
under the next generation. Before that, the active champion and the pointer that is published now are recorded as rolled
back, so refresh skips them until a newer one is published.

`python -m training rollback` may not write what serves. It chooses by the same functions, also among generations that
were published and never active, and publishes its choice.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from lambda_fn.champion.active_state import Activation, heal, keep_copy, keep_record, parse_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.candidate import is_chosen
from lambda_fn.champion.choices import add_considered
from lambda_fn.champion.gate import check_champion
from lambda_fn.champion.refusals import (
    CHAMPION,
    ROLLED_BACK,
    Refusal,
    read_status,
    record,
    record_key,
    shorten_reason,
)
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import verify, verify_candidate
from lambda_fn.contract import REASON, Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store

RECENT = timedelta(minutes=5)  # a client that got no answer repeats its request, which must not roll back twice
LISTED_GENERATIONS = 20  # generations in a message
_ROLLBACK = re.compile("rollback to generation ([0-9]{1,8})")
_log = logging.getLogger(__name__)


class History(NamedTuple):
    """Records of generations: the key of each, how it is read, and why one may be missing."""

    key: Callable[[int, str], str]  # of a generation and a pair
    parse: Callable[[bytes], Active]
    missing: str


ACTIVATED = History(keys.activated_key, Active.parse, "was never active here, or is not kept")


def published_by(pair: str) -> History:
    """Return the records of all generations that were ever published for a pair."""

    def parse(data: bytes) -> Active:
        pointer = Pointer.parse(data)
        if pointer.champion is None or pointer.generation is None:
            raise ContractError("the pointer has no champion file or no generation")
        published_at = pointer.created_at or datetime.min.replace(tzinfo=UTC)
        serving_key = keys.serving_key(pointer.champion.sha256, pair)
        return Active(pointer, pointer.champion, pointer.generation, published_at, serving_key)

    return History(keys.history_key, parse, "is not in history")


Histories = Sequence[History]  # of a generation that several record, the first that can be read counts


class RollbackError(Exception):
    """Nothing was rolled back; the message gives the reason and the available generations."""


def parse_generation(value: object) -> int | None:
    """Parse the member `rollback` of an event: a generation, or None for True, which means the previous champion.

    Raises RollbackError for anything else.
    """
    if value is True:
        return None
    if type(value) is int and value > 0:
        return value
    raise RollbackError(f"rollback: {str(value)[:40]!r} is not a generation; give true, or a generation such as 12")


def roll_back(store: Store, settings: Settings, to: int | None, now: datetime, sandbox: Sandbox) -> Activation:
    """Activate the champion of an earlier generation again, if it passes today's checks.

    Safe to repeat, and to interrupt anywhere.

    Args:
        store: where the activations and champions are.
        settings: the pair, its keys and the public keys.
        to: the generation, or None for the last other champion that was not rolled back or refused since.
        now: the current time, UTC.
        sandbox: runs the trial.

    Raises RollbackError, and Unavailable.
    """
    pair = settings.pair

    def attempt(stored: bytes | None) -> tuple[bytes | None, tuple[Activation, Active]]:
        state = parse_active_state(store, pair, stored)
        last = state.last
        if last is None:
            raise RollbackError("rollback: no champion is active, so there is nothing to roll back; run eurusd run")
        if to is None and is_rollback(last.pointer) and timedelta(0) <= now - last.activated_at < RECENT:
            reason = f"generation {last.generation} was just rolled back to; to go further back, name a generation"
            return None, (Activation("unchanged", last.generation, reason), last)
        old = find_previous(store, pair, last) if to is None else read_generation(store, pair, to)
        if old.champion.sha256 == last.champion.sha256:
            reason = f"the champion of generation {old.generation} is active, as generation {last.generation}"
            return heal(store, pair, state).data, (Activation("unchanged", last.generation, reason), last)
        newer = _check_and_copy(store, settings, last, old, now, sandbox)
        keep_record(store, last, pair)  # the last time that active.json has it
        _record_rollback(store, settings, last, newer, now)
        name = f"{old.pointer.model_name} version {old.pointer.model_version}"
        reason = f"{name} of generation {old.generation} is active again"
        return newer.to_json(), (Activation("activated", newer.generation, reason), newer)

    activation, active = store.update(keys.active_key(pair), attempt)
    keep_record(store, active, pair)
    return activation


def is_rollback(pointer: Pointer) -> bool:
    """Return whether the pointer is that of a rollback."""
    return _ROLLBACK.fullmatch(str(pointer.extra.get(REASON, ""))) is not None


def find_rollback_reason(store: Store, pair: str, pointer: Pointer, sha256: str | None) -> str | None:
    """Return why the pointer is rolled back, or superseded by a choice in MLflow, or None when it is not.

    Args:
        store: has the record.
        pair: the currency pair.
        pointer: as published.
        sha256: of the file that it names now; None if that was not resolved.
    """
    status = read_status(store, record_key(pointer, pair))
    if status is None or status.state == "refused" or status.champion not in (None, sha256):
        return None
    return status.reason


def _check_and_copy(
    store: Store, settings: Settings, last: Active, old: Active, now: datetime, sandbox: Sandbox
) -> Active:
    """Check an old champion and restore its copy. Return its activation under the generation after the last one.

    Args:
        store: where the activations and champions are.
        settings: the pair, its keys and the public keys.
        last: the last activation.
        old: the activation to repeat.
        now: the current time, UTC.
        sandbox: runs the trial.

    Raises RollbackError, and Unavailable.
    """
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
        newer.to_json()  # before the first write, as it raises ContractError if it could not be read back
        check_signature(store, settings, old)
        keep_copy(store, newer, pair)
        champion = fetch_file(store, newer.serving_key, newer.champion.sha256)
        check_champion(champion, old.pointer, pair, store, now.date(), sandbox)
    except (ContractError, Missing) as error:
        raise RollbackError(
            f"generation {old.generation} cannot be served again: {error}; {_available(store, pair)}"
        ) from error
    return newer


def check_signature(store: Store, settings: Settings, old: Active) -> None:
    """Check the signature of an earlier activation. Raises ContractError, RollbackError and Unavailable."""
    # The pointer of a rollback was never signed: look for the activation whose pointer was published.
    while old.pointer.signature is None and (match := _ROLLBACK.fullmatch(str(old.pointer.extra.get(REASON, "")))):
        if int(match[1]) >= old.generation:
            break
        old = read_generation(store, settings.pair, int(match[1]))
    published = old.pointer
    (verify_candidate if is_chosen(published) else verify)(published, settings)


def _record_rollback(store: Store, settings: Settings, last: Active, newer: Active, now: datetime) -> None:
    """Record the active champion and the published pointer as rolled back.

    Args:
        store: gets the records.
        settings: the pair and the key of its pointer.
        last: the activation that is rolled back.
        newer: the activation that takes its place.
        now: the current time, UTC.
    """
    pointers = [last.pointer]
    champions: dict[str, str | None] = {record_key(last.pointer, settings.pair): last.champion.sha256}
    try:
        pointer = Pointer.parse(store.read(settings.model_info_key).data)
    except (Missing, ContractError):
        pass  # nothing that could be activated
    else:
        pointers.append(pointer)
        sha256 = last.champion.sha256 if pointer.model_uri == last.pointer.model_uri else None  # of the old form
        champions[record_key(pointer, settings.pair)] = pointer.champion.sha256 if pointer.champion else sha256
    rollback = f"{newer.pointer.extra[REASON]}, as generation {newer.generation}"
    for key, champion in champions.items():
        before = read_status(store, key)
        refusal = f"; it was refused before: {before.reason}" if before and before.state == "refused" else ""
        if before and before.state == "rolled back":
            champion = before.champion  # the file that the pointer named at its first rollback
        about: dict[str, str | int] = {"pointer": settings.model_info_key, ROLLED_BACK: newer.generation}
        about |= {CHAMPION: champion} if champion else {}
        record(store, key, Refusal(shorten_reason(rollback + refusal), now, about=about))
    add_considered(store, settings.pair, pointers)


def find_previous(store: Store, pair: str, last: Active, histories: Histories = (ACTIVATED,)) -> Active:
    """Return the latest generation with another file than the active one and those rolled back or refused since.

    Args:
        store: has the records.
        pair: the currency pair.
        last: the active champion.
        histories: the generations to choose from.

    Raises RollbackError when there is none, and Unavailable.
    """
    for old in previous_generations(store, pair, last, histories):
        return old
    available = _available(store, pair, histories)
    raise RollbackError(f"rollback: there is no other champion before generation {last.generation}; {available}")


def previous_generations(
    store: Store, pair: str, last: Active, histories: Histories = (ACTIVATED,)
) -> Iterator[Active]:
    """Yield the latest generation of each other champion that was not rolled back or refused since, latest first.

    The arguments are those of `find_previous`. Raises Unavailable.
    """
    skipped = {last.champion.sha256}
    for generation in reversed(list_generations(store, pair, histories)):
        try:
            old = read_generation(store, pair, generation, histories) if generation < last.generation else last
        except RollbackError as error:
            _log.warning("%s", error)
            continue
        is_new = old.champion.sha256 not in skipped
        skipped.add(old.champion.sha256)
        if is_new:
            status = read_status(store, record_key(old.pointer, pair))
            if status is None or status.state == "superseded":  # nothing was wrong with it
                yield old


def read_generation(store: Store, pair: str, generation: int, histories: Histories = (ACTIVATED,)) -> Active:
    """Read a generation.

    Args:
        store: has the records.
        pair: the currency pair.
        generation: its number.
        histories: the records in which it may be.

    Raises RollbackError, and Unavailable.
    """
    problems = []
    for history in histories:
        key = history.key(generation, pair)
        try:
            old = history.parse(store.read(key).data)
        except Missing:
            continue
        except ContractError as error:
            problems.append(f"{key}: cannot be read: {error}")
            continue
        if (old.generation, old.serving_key) == (generation, keys.serving_key(old.champion.sha256, pair)):
            return old
        problems.append(f"{key}: is of another generation or another copy")
    reason = "; ".join(problems) or f"generation {generation} {histories[0].missing}"
    raise RollbackError(f"{reason}; {_available(store, pair, histories)}")


def list_generations(store: Store, pair: str, histories: Histories = (ACTIVATED,)) -> list[int]:
    """Return the generations that are recorded, ascending, also those whose record cannot be read."""
    folders = [history.key(0, pair).rpartition("/")[0] for history in histories]
    names = [PurePosixPath(key) for folder in folders for key in store.list(folder)]
    return sorted({int(name.stem) for name in names if name.suffix == ".json" and name.stem.isdecimal()})


def _available(store: Store, pair: str, histories: Histories = (ACTIVATED,)) -> str:
    """Return the end of an error: the latest generations to which a rollback is possible."""
    numbers = [str(number) for number in list_generations(store, pair, histories)][-LISTED_GENERATIONS:]
    return f"the store has the generations {', '.join(numbers)}" if numbers else "the store has none"
