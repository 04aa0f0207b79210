"""The writes that promote a champion, in the one order that a kill at any point cannot turn into an outage.

Champion bytes under their digest, then a history file (create-only: it reserves the generation), then the aliases, then
the pointer (compare-and-set). Until the pointer is written serving knows nothing of the new champion. Promoting again
takes the next generation; all that a kill leaves behind is an unused history file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

from lambda_fn import contract
from lambda_fn.champion.active_state import read_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.refusals import PointerStatus, read_status, record_key
from lambda_fn.contract import REASON as REASON
from lambda_fn.contract import Active, ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Activation, Refused
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.errors import NamedError
from training.publishing.signing import signer

ATTEMPTS = 50  # each is lost only to another publisher that won
_T = TypeVar("_T")

MoveAliases = Callable[[Pointer], None]


class PublishError(NamedError):
    """This cannot be published; the message says why and what to do. What was served before still is."""


@dataclass(frozen=True)
class Published:
    """`pointer` is in history under `generation`. `superseded_by` is the generation of another publisher that was
    faster; `activation` is None for a bucket, where the refresh function activates, and where nothing was published
    as it stood `already`."""

    generation: int
    pointer: Pointer
    superseded_by: int | None
    activation: Activation | None
    notes: tuple[str, ...] = ()
    already: bool = False


def promote(
    store: Store,
    settings: Settings,
    pointer: Pointer,
    file: ChampionFile,
    model: bytes,
    now: datetime,
    move_aliases: MoveAliases,
) -> Published:
    """Promotes checked bytes under a new generation. Raises PublishError, and Unavailable when the store fails.

    `move_aliases` gets the pointer before it is written, and the winner's when another publisher was faster.
    """
    sign = signer(settings)
    _write_champion(store, file, model)
    known = _known_generations(store, settings)
    generation, pointer = _reserve(store, settings, pointer, known, sign)
    move_aliases(pointer)
    winner = _write_pointer(store, settings.model_info_key, pointer, generation, known.highest)
    if winner is not None:
        move_aliases(winner)
    activation = None if settings.use_s3 else _activate(store, settings, now)
    return Published(generation, pointer, winner.generation if winner else None, activation, known.notes)


def history(store: Store, pair: str) -> list[int]:
    """The generations that were ever reserved, ascending."""
    folder = keys.history_key(0, pair).rpartition("/")[0]
    names = [PurePosixPath(key) for key in store.list(folder)]
    return sorted(int(name.stem) for name in names if name.suffix == ".json" and name.stem.isdecimal())


def read_pointer(store: Store, key: str) -> tuple[Pointer | None, str | None]:
    """The pointer and its ETag, (None, None) when there is none, and no pointer when it cannot be read."""
    return _read(store, key, Pointer.parse)


def read_active(store: Store, pair: str) -> Active | None:
    """What serving serves; None when that is nothing that can be read."""
    return _read(store, keys.active_key(pair), Active.parse)[0]


def standing(store: Store, settings: Settings, pointer: Pointer) -> Pointer | None:
    """What is published already and says the same of the same file: champion, version and scores. None when something
    else is, when it was refused, when it is not signed as it would be now, and when a folder's is not active yet:
    publishing again heals that."""
    known, _ = read_pointer(store, settings.model_info_key)
    if known is None or known.champion is None or known.champion != pointer.champion:
        return None
    if signer(settings)(known) != known:  # Ed25519 gives the same signature each time
        return None
    if _said(known) != _said(pointer) or refusal(store, settings.pair, known) is not None:
        return None
    active = read_active(store, settings.pair)
    if active is None or active.generation != known.generation:
        return known if settings.use_s3 else None
    return known


def _said(pointer: Pointer) -> tuple[object, ...]:
    named = (pointer.model_name, pointer.model_version, pointer.run_id, pointer.trained_through)
    return (*named, pointer.scores, pointer.benchmarks, pointer.backtest, pointer.events_known_through)


def refusal(store: Store, pair: str, pointer: Pointer) -> PointerStatus | None:
    """Whether refresh refused this pointer or it was rolled back from, and why; None when neither."""
    return read_status(store, record_key(pointer, pair))


def _read(store: Store, key: str, parse: Callable[[bytes], _T]) -> tuple[_T | None, str | None]:
    try:
        blob = store.read(key)
    except Missing:
        return None, None
    try:
        return parse(blob.data), blob.etag
    except ContractError:
        return None, blob.etag  # a broken file is replaced, not obeyed


def _write_champion(store: Store, file: ChampionFile, model: bytes) -> None:
    if store.create(file.key, model):
        return
    try:
        fetch_file(store, file.key, file.sha256)
    except (ContractError, Missing) as error:
        raise PublishError(f"{error}; delete {file.key} in {store.describe()} first, its bytes are wrong") from error


class _Known(NamedTuple):
    """`taken` is the highest generation that the store knows, and `highest` the last that refresh would activate.
    Higher ones are nobody's: they are passed over, the pointer's is overwritten, and `notes` name them."""

    taken: int
    highest: int
    notes: tuple[str, ...]


def _known_generations(store: Store, settings: Settings) -> _Known:
    """Of pointer, history and what is active, or was activated last where that is lost."""
    last = read_active_state(store, settings.pair).last
    known, _ = read_pointer(store, settings.model_info_key)
    highest = contract.highest_after(last.generation if last else None)
    found = {
        **{keys.history_key(number, settings.pair): number for number in history(store, settings.pair)},
        settings.model_info_key: (known.generation or 0) if known else 0,
    }
    # Less than the highest, not the highest itself: there must be one after it.
    taken = max([last.generation if last else 0, *(number for number in found.values() if number < highest)])
    notes = [
        f"{key}: its generation {number} is passed over, as refresh activates none above {highest}"
        for key, number in found.items()
        if number >= highest
    ]
    return _Known(taken, highest, tuple(notes))


def _reserve(
    store: Store, settings: Settings, pointer: Pointer, known: _Known, sign: Callable[[Pointer], Pointer]
) -> tuple[int, Pointer]:
    """Takes the generation after all that the store knows; a collision means that another publisher took it."""
    if known.taken >= contract.MAX_GENERATION:
        raise PublishError(
            f"generation {known.taken} is the last that there is; delete {keys.active_key(settings.pair)} and "
            f"{keys.activated_key(known.taken, settings.pair)} in {store.describe()}, then publish again"
        )
    for generation in range(known.taken + 1, min(known.taken + ATTEMPTS, known.highest) + 1):
        pointer = sign(replace(pointer, generation=generation))
        if store.create(keys.history_key(generation, settings.pair), pointer.to_json()):
            return generation, pointer
    raise PublishError(f"{store.describe()}: {ATTEMPTS} generations were taken meanwhile; publish again")


def _write_pointer(store: Store, key: str, pointer: Pointer, generation: int, highest: int) -> Pointer | None:
    """None when written; the pointer that is there when its generation is higher and may become active."""
    for _ in range(ATTEMPTS):
        known, etag = read_pointer(store, key)
        if known is not None and generation < (known.generation or 0) < highest:
            return known
        if store.replace(key, pointer.to_json(), etag):
            return None
    raise PublishError(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile; publish again")


def _activate(store: Store, settings: Settings, now: datetime) -> Activation:
    try:
        return refresh(store, settings, now).activation
    except Refused as error:
        return Activation("refused", error.generation, str(error))
