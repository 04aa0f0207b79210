"""The state of the active champion in the store: read, verified, and repaired when a file is lost or damaged.

Three files say what is active: active.json, the copy of the champion that it names, and the record of the activation
under serving/history. Each can be rebuilt from the others or from what was published.
"""

import hashlib
import logging
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from lambda_fn.champion.cache import fetch_file
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

ATTEMPTS = 3  # an attempt is lost only when somebody else wrote the same
_RECORD = re.compile(r".*/[0-9]{8}\.json")
_log = logging.getLogger(__name__)


class Activation(NamedTuple):
    """The result of an attempt to activate a champion.

    `generation` is the one that is active now, or None when there is none.
    """

    outcome: Literal["activated", "unchanged", "refused"]
    generation: int | None
    reason: str


class ActiveState(NamedTuple):
    """The active champion as the store has it.

    `active` is what active.json says, and `etag` is needed to replace that file. When active.json is lost or damaged,
    `last_in_history` is the last activation in serving/history. A new champion is compared with either.
    """

    active: Active | None
    etag: str | None
    last_in_history: Active | None

    @property
    def last(self) -> Active | None:
        """The last activation, whether or not active.json still names it."""
        return self.active or self.last_in_history


def read_active_state(store: Store, pair: str) -> ActiveState:
    """Read active.json or, where that is lost or damaged, the last activation in history. Raises Unavailable."""
    key, etag = keys.active_key(pair), None
    try:
        blob = store.read(key)
        etag = blob.etag
        return ActiveState(_parse(blob.data, pair), etag, None)
    except Missing:
        pass
    except ContractError as error:
        _log.warning("%s: %s", key, error)
    return ActiveState(None, etag, _read_last_in_history(store, pair))


def heal(store: Store, pair: str, state: ActiveState, data: bytes | None = None) -> tuple[Active | None, list[str]]:
    """Rewrite lost or damaged files of the active champion. Safe to repeat, and to interrupt anywhere.

    Args:
        store: the store to repair.
        pair: the currency pair.
        state: the result of `read_active_state`.
        data: bytes that are already at hand and may be the champion's.

    Returns:
        What is active now, and a sentence for each file that was written or cannot be.

    Raises Unavailable.
    """
    active, repairs = state.last, []
    if active is None:
        return None, []
    try:
        repairs += keep_copy(store, active, pair, data)
    except (ContractError, Missing) as error:
        _log.error("the copy of generation %d cannot be restored: %s", active.generation, error)
        repairs.append(f"its lost copy cannot be restored: {error}")
        if state.active is None:
            return None, repairs  # active.json must not name a file that is missing
    if state.active is None:
        key = keys.active_key(pair)
        if store.replace(key, active.to_json(), state.etag):
            repairs.append(f"{key} was restored")
    repairs += keep_record(store, active, pair)
    return active, repairs


def keep_copy(store: Store, active: Active, pair: str, data: bytes | None = None) -> list[str]:
    """Ensure that the copy that is served exists and is intact.

    It is written from `data` if those are the champion's bytes, otherwise from the published file. Returns a sentence
    for a file that was written.

    Args:
        store: the store to check and write.
        active: the activation whose champion is copied.
        pair: the currency pair.
        data: bytes that are already at hand and may be the champion's.

    Raises Missing or ContractError when neither source has the bytes, and Unavailable.
    """
    file, key = active.champion, keys.serving_key(active.champion.sha256, pair)

    def source() -> bytes:
        return data if data is not None and _has_digest(data, file.sha256) else fetch_file(store, file.key, file.sha256)

    return _ensure(store, key, lambda copy: _has_digest(copy, file.sha256), source)


def keep_record(store: Store, active: Active, pair: str) -> list[str]:
    """Ensure that serving/history has the record of this activation. Raises Unavailable."""

    def is_same(data: bytes) -> bool:
        try:
            record = _parse(data, pair)
        except ContractError:
            return False
        return (record.generation, record.champion) == (active.generation, active.champion)

    return _ensure(store, keys.activated_key(active.generation, pair), is_same, active.to_json)


def _ensure(store: Store, key: str, is_good: Callable[[bytes], bool], source: Callable[[], bytes]) -> list[str]:
    """Write the bytes of `source` under `key` unless the blob there is good.

    When two processes do so at once, one of them writes and both see the result.

    Args:
        store: the store to check and write.
        key: the key to ensure.
        is_good: returns whether the bytes under the key may stay.
        source: returns the bytes to write; called only when they are needed.
    """
    for _ in range(ATTEMPTS):
        etag = None
        try:
            blob = store.read(key)
            if is_good(blob.data):
                return []
            etag = blob.etag
        except Missing:
            pass
        if store.replace(key, source(), etag):
            return [f"{key} was restored"]
    raise Unavailable(
        f"{store.describe()}: {key} was changed by another process in each of {ATTEMPTS} attempts; run refresh again"
    )


def _has_digest(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _parse(data: bytes, pair: str) -> Active:
    """Parse an activation. Raises ContractError, also when it names another copy than refresh writes."""
    active = Active.parse(data)
    expected = keys.serving_key(active.champion.sha256, pair)
    if active.serving_key != expected:
        raise ContractError(
            f"active.serving_key: {active.serving_key} is not {expected}; run python -m lambda_fn.refresh"
        )
    return active


def _read_last_in_history(store: Store, pair: str) -> Active | None:
    """Return the activation with the highest generation whose record is readable."""
    folder = keys.activated_key(0, pair).rpartition("/")[0]
    for key in reversed([key for key in store.list(folder) if _RECORD.fullmatch(key)]):
        try:
            active = _parse(store.read(key).data, pair)
        except (ContractError, Missing) as error:
            _log.warning("%s: %s", key, error)
            continue
        if key == keys.activated_key(active.generation, pair):
            return active
    return None
