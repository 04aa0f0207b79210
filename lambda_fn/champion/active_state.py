"""The state of the active champion in the store: read, verified, and repaired when a file is lost or damaged.

Three files say what is active: active.json, the copy of the champion that it names, and the record of the activation
under serving/history. Each can be rebuilt from the others or from what was published.
"""

import hashlib
import logging
import re
from typing import Literal, NamedTuple

from lambda_fn.champion.cache import fetch_file
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store

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

    `active` is what active.json says. When that is lost or damaged, `last_in_history` is the last activation in
    serving/history. A new champion is compared with either.
    """

    active: Active | None
    last_in_history: Active | None

    @property
    def last(self) -> Active | None:
        """The last activation, whether or not active.json still names it."""
        return self.active or self.last_in_history


class Healing(NamedTuple):
    """What is active after a repair, the bytes that active.json needs (None if it is intact), and a sentence each."""

    active: Active | None
    data: bytes | None
    repairs: list[str]


def read_active_state(store: Store, pair: str) -> ActiveState:
    """Read active.json or, where that is lost or damaged, the last activation in history. Raises Unavailable."""
    blob = store.find(keys.active_key(pair))
    return parse_active_state(store, pair, blob.data if blob else None)


def parse_active_state(store: Store, pair: str, data: bytes | None) -> ActiveState:
    """Return the state that active.json with these bytes describes, as `read_active_state` does."""
    if data is not None:
        try:
            return ActiveState(_parse(data, pair), None)
        except ContractError as error:
            _log.warning("%s: %s", keys.active_key(pair), error)
    folder = keys.activated_key(0, pair).rpartition("/")[0]
    for key in reversed([key for key in store.list(folder) if _RECORD.fullmatch(key)]):
        try:
            active = _parse(store.read(key).data, pair)
        except (ContractError, Missing) as error:
            _log.warning("%s: %s", key, error)
            continue
        if key == keys.activated_key(active.generation, pair):
            return ActiveState(None, active)
    return ActiveState(None, None)


def heal(store: Store, pair: str, state: ActiveState, data: bytes | None = None) -> Healing:
    """Restore a lost or damaged copy of the active champion, and return what else needs a repair. Safe to repeat.

    Args:
        store: the store to repair.
        pair: the currency pair.
        state: the result of `read_active_state`.
        data: bytes that are already at hand and may be the champion's.

    Raises Unavailable.
    """
    active = state.last
    if active is None:
        return Healing(None, None, [])
    try:
        repairs = keep_copy(store, active, pair, data)
    except (ContractError, Missing) as error:
        _log.error("the copy of generation %d cannot be restored: %s", active.generation, error)
        # active.json must not name a file that is missing
        return Healing(state.active, None, [f"its lost copy cannot be restored: {error}"])
    if state.active:
        return Healing(active, None, repairs)
    return Healing(active, active.to_json(), [*repairs, f"{keys.active_key(pair)} was restored"])


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

    def restore(copy: bytes | None) -> tuple[bytes | None, list[str]]:
        if copy is not None and _has_digest(copy, file.sha256):
            return None, []
        if data is not None and _has_digest(data, file.sha256):
            return data, [f"{key} was restored"]
        return fetch_file(store, file.key, file.sha256), [f"{key} was restored"]

    return store.update(key, restore)


def keep_record(store: Store, active: Active, pair: str) -> list[str]:
    """Ensure that serving/history has the record of this activation. Raises Unavailable."""
    key = keys.activated_key(active.generation, pair)

    def restore(data: bytes | None) -> tuple[bytes | None, list[str]]:
        try:
            record = None if data is None else _parse(data, pair)
        except ContractError:
            record = None
        if record and (record.generation, record.champion) == (active.generation, active.champion):
            return None, []
        return active.to_json(), [f"{key} was restored"]

    return store.update(key, restore)


def _has_digest(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _parse(data: bytes, pair: str) -> Active:
    """Parse an activation. Raises ContractError, also when it names another copy than refresh writes."""
    active = Active.parse(data)
    expected = keys.serving_key(active.champion.sha256, pair)
    if active.serving_key != expected:
        raise ContractError(f"active.serving_key: {active.serving_key} is not {expected}; run eurusd refresh")
    return active
