"""The writes that promote a champion, in an order in which an interruption at any point causes no outage.

First the champion file under its digest, then a history file (create-only: it reserves the generation), then the
aliases, then the pointer (compare-and-set). The service ignores the new champion until the pointer is written. A
generation is the number of a deployment: promoting again takes the next one, and an interruption leaves nothing but an
unused history file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from lambda_fn import contract
from lambda_fn.champion.active_state import read_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.refusals import PointerStatus, read_status, record_key
from lambda_fn.champion.rollback import list_generations
from lambda_fn.champion.rollback import published_by as published_by
from lambda_fn.contract import REASON as REASON
from lambda_fn.contract import Active, ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Activation, Refused
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.conventions import BASELINE_NAMES
from training.errors import NamedError
from training.publishing.signing import make_signer

ATTEMPTS = 50  # an attempt fails only when another publisher succeeds
_T = TypeVar("_T")

MoveAliases = Callable[[Pointer], None]


class PublishError(NamedError):
    """The champion cannot be published; the message says why and what to do. The service is unaffected."""


@dataclass(frozen=True)
class Published:
    """The result of publishing.

    Attributes:
        generation: The generation of the champion.
        pointer: Its pointer, which is in history.
        superseded_by: The generation of another publisher that was faster, otherwise None.
        activation: The result of refresh; None for a bucket, where the refresh function activates, and if `already`.
        notes: Messages for the user.
        already: The same champion was published before, so nothing was written.
    """

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
    """Promote a checked champion under a new generation.

    Args:
        store: The store to write to.
        settings: Settings of the pair.
        pointer: The pointer without its generation.
        file: Key and digest of the champion file.
        model: Its bytes.
        now: The time of a local activation.
        move_aliases: Gets the pointer before it is written, and the pointer of another publisher that was faster.

    Raises:
        PublishError: The store holds wrong bytes, or no generation is free.
        Unavailable: The store fails.
    """
    sign = make_signer(settings)
    if not store.create(file.key, model):
        try:
            fetch_file(store, file.key, file.sha256)
        except (ContractError, Missing) as error:
            raise PublishError(
                f"{error}; delete {file.key} in {store.describe()} first: its bytes are wrong"
            ) from error
    reservation = _reserve(store, settings, pointer, sign)
    pointer = reservation.pointer
    move_aliases(pointer)
    winner = _write_pointer(store, settings.model_info_key, reservation)
    if winner is not None:
        move_aliases(winner)
    activation = None
    if not settings.use_s3:
        try:
            activation = refresh(store, settings, now).activation
        except Refused as error:
            activation = Activation("refused", error.generation, str(error))
    superseded_by = winner.generation if winner else None
    return Published(reservation.generation, pointer, superseded_by, activation, reservation.notes)


def read_pointer(store: Store, key: str) -> tuple[Pointer | None, str | None]:
    """Return the pointer and its ETag: (None, None) when it does not exist, (None, ETag) when it cannot be parsed."""
    return _read(store, key, Pointer.parse)


def read_active(store: Store, pair: str) -> Active | None:
    """Return the active record, which says what is served, or None when it is missing or cannot be parsed."""
    return _read(store, keys.active_key(pair), Active.parse)[0]


def find_published(store: Store, settings: Settings, pointer: Pointer) -> Pointer | None:
    """Return the published pointer if it has the same champion file, version and scores as `pointer`, otherwise None.

    Also None if it was refused, if its signature is not the one that it would get now, and if it is not active yet in
    a folder store: publishing again repairs these.
    """
    published, _ = read_pointer(store, settings.model_info_key)
    if published is None or published.champion is None or published.champion != pointer.champion:
        return None
    if make_signer(settings)(published) != published:  # Ed25519 is deterministic
        return None
    if _compared_fields(published) != _compared_fields(pointer):
        return None
    if read_refusal(store, settings.pair, published) is not None:
        return None
    active = read_active(store, settings.pair)
    if active is None or active.generation != published.generation:
        return published if settings.use_s3 else None
    return published


def champion_scores(pointer: Pointer) -> list[dict[str, Any]]:
    """Return the rows of the champion in the score table of its run: its family is the first that is no baseline."""
    rows = [row for row in pointer.scores if row.get("family") not in BASELINE_NAMES]
    return [row for row in rows if row.get("family") == rows[0].get("family")]


def _compared_fields(pointer: Pointer) -> tuple[object, ...]:
    """Return the fields that a new deployment changes.

    Of the challengers these are only the names: another processor changes the last digits of a random model's scores.
    """
    model = (pointer.model_name, pointer.model_version, pointer.run_id, pointer.trained_through)
    champion = champion_scores(pointer)
    challengers = [row for row in pointer.scores if row.get("family") not in BASELINE_NAMES and row not in champion]
    scores = [row for row in pointer.scores if row not in challengers]
    names = {row.get("family") for row in challengers}
    return (*model, scores, names, pointer.benchmarks, pointer.backtest, pointer.events_known_through)


def read_refusal(store: Store, pair: str, pointer: Pointer) -> PointerStatus | None:
    """Return why refresh refused this pointer, or why it was rolled back; None when neither happened."""
    return read_status(store, record_key(pointer, pair))


def _read(store: Store, key: str, parse: Callable[[bytes], _T]) -> tuple[_T | None, str | None]:
    try:
        blob = store.read(key)
    except Missing:
        return None, None
    try:
        return parse(blob.data), blob.etag
    except ContractError:
        return None, blob.etag  # a broken file is overwritten


class _Reservation(NamedTuple):
    """A generation that is reserved, with its signed pointer.

    Attributes:
        generation: Its number.
        pointer: The pointer, which is in history.
        highest: The last generation that refresh would activate.
        notes: A message about each generation that is ignored.
    """

    generation: int
    pointer: Pointer
    highest: int
    notes: tuple[str, ...]


def _reserve(store: Store, settings: Settings, pointer: Pointer, sign: Callable[[Pointer], Pointer]) -> _Reservation:
    """Reserve the generation after those of pointer, history and active record, or last activation if that is lost.

    Those that refresh would never activate are ignored. A collision means that another publisher has reserved the next
    one. Raises PublishError when no generation is free.

    Args:
        store: The store to write to.
        settings: Settings of the pair.
        pointer: The pointer without its generation.
        sign: Signs the pointer.
    """
    pair = settings.pair
    last = read_active_state(store, pair).last
    stored, _ = read_pointer(store, settings.model_info_key)
    highest = contract.highest_after(last.generation if last else None)
    generations = {
        **{keys.history_key(number, pair): number for number in list_generations(store, pair, [published_by(pair)])},
        settings.model_info_key: (stored.generation or 0) if stored else 0,
    }
    notes = tuple(
        f"{key}: generation {number} is ignored, as refresh activates none above {highest}"
        for key, number in generations.items()
        if number >= highest
    )
    # Less than the highest, not the highest itself: there must be one after it.
    latest = max([last.generation if last else 0, *(number for number in generations.values() if number < highest)])
    if latest >= contract.MAX_GENERATION:
        raise PublishError(
            f"generation {latest} is the highest possible; delete {keys.active_key(pair)} and "
            f"{keys.activated_key(latest, pair)} in {store.describe()}, then publish again"
        )
    for generation in range(latest + 1, min(latest + ATTEMPTS, highest) + 1):
        pointer = sign(replace(pointer, generation=generation))
        if store.create(keys.history_key(generation, pair), pointer.to_json()):
            return _Reservation(generation, pointer, highest, notes)
    raise PublishError(f"{store.describe()}: others have reserved the next {ATTEMPTS} generations; publish again")


def _write_pointer(store: Store, key: str, reservation: _Reservation) -> Pointer | None:
    """Write the pointer, unless the stored one has a higher generation that may become active, which is returned.

    Raises PublishError when other publishers changed it again and again.
    """
    for _ in range(ATTEMPTS):
        stored, etag = read_pointer(store, key)
        if stored is not None and reservation.generation < (stored.generation or 0) < reservation.highest:
            return stored
        if store.replace(key, reservation.pointer.to_json(), etag):
            return None
    raise PublishError(f"{store.describe()}: {key} was changed by others {ATTEMPTS} times; publish again")
