"""The active champion as the store has it: found, verified, and written again where it is lost or damaged.

Three files say what is active: active.json, the copy of the champion that it names, and the record of the activation
under serving/history. Each can be made again from the others or from what was published.
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
    """What became of a champion that was to be active; `generation` is the one that is active now, None when there is
    none."""

    outcome: Literal["activated", "unchanged", "refused"]
    generation: int | None
    reason: str


class Standing(NamedTuple):
    """`active` is what active.json says, to be replaced by `etag`. When it is lost or damaged, `lost` is what history
    says was activated last; a new champion is measured by either."""

    active: Active | None
    etag: str | None
    lost: Active | None

    @property
    def last(self) -> Active | None:
        """What was activated last, whether active.json still says so or not."""
        return self.active or self.lost


def find(store: Store, pair: str) -> Standing:
    """What is active, or was. Raises Unavailable."""
    key, etag = keys.active_key(pair), None
    try:
        blob = store.read(key)
        etag = blob.etag
        return Standing(_parse(blob.data, pair), etag, None)
    except Missing:
        pass
    except ContractError as error:
        _log.warning("%s: %s", key, error)
    return Standing(None, etag, _last_activated(store, pair))


def heal(store: Store, pair: str, standing: Standing, data: bytes | None = None) -> tuple[Active | None, list[str]]:
    """Writes what is lost or damaged of the active champion again; safe to repeat, and to end anywhere.

    `data` are bytes that somebody has at hand, perhaps the champion's. Returns what is active now, and in words what
    was written or cannot be. Raises Unavailable.
    """
    active, words = standing.last, []
    if active is None:
        return None, []
    try:
        words += keep_copy(store, active, pair, data)
    except (ContractError, Missing) as error:
        _log.error("the copy of generation %d cannot be written again: %s", active.generation, error)
        words.append(f"its lost copy cannot be written again: {error}")
        if standing.active is None:
            return None, words  # nothing stands: active.json must not name what is not there
    if standing.active is None:
        key = keys.active_key(pair)
        if store.replace(key, active.to_json(), standing.etag):
            words.append(f"{key} was written again")
    words += keep_record(store, active, pair)
    return active, words


def keep_copy(store: Store, active: Active, pair: str, data: bytes | None = None) -> list[str]:
    """Makes sure of the copy that is served: from `data` if those are the champion's bytes, otherwise from the
    published file. Raises Missing, ContractError when neither has them, and Unavailable."""
    file, key = active.champion, keys.serving_key(active.champion.sha256, pair)

    def source() -> bytes:
        return data if data is not None and _is(data, file.sha256) else fetch_file(store, file.key, file.sha256)

    return _ensure(store, key, lambda found: _is(found, file.sha256), source)


def keep_record(store: Store, active: Active, pair: str) -> list[str]:
    """Makes sure of the record of the activation in serving/history. Raises Unavailable."""

    def says_so(found: bytes) -> bool:
        try:
            record = _parse(found, pair)
        except ContractError:
            return False
        return (record.generation, record.champion) == (active.generation, active.champion)

    return _ensure(store, keys.activated_key(active.generation, pair), says_so, active.to_json)


def _ensure(store: Store, key: str, is_good: Callable[[bytes], bool], data: Callable[[], bytes]) -> list[str]:
    """Writes `data` unless what is there is good. When two do so at once, one of them does it and both see it."""
    for _ in range(ATTEMPTS):
        etag = None
        try:
            blob = store.read(key)
            if is_good(blob.data):
                return []
            etag = blob.etag
        except Missing:
            pass
        if store.replace(key, data(), etag):
            return [f"{key} was written again"]
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile; refresh again")


def _is(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _parse(data: bytes, pair: str) -> Active:
    """Raises ContractError, also when it names another copy than refresh makes."""
    active = Active.parse(data)
    wanted = keys.serving_key(active.champion.sha256, pair)
    if active.serving_key != wanted:
        raise ContractError(f"active.serving_key: is {active.serving_key}, it must be {wanted}")
    return active


def _last_activated(store: Store, pair: str) -> Active | None:
    """Of history, the highest generation whose record can be read."""
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
