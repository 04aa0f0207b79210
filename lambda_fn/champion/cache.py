"""The active champion in memory: fetched, checked again when it is old, swapped when there is a newer one."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from lambda_fn.champion.messages import API
from lambda_fn.champion.sandbox import Pool, Sandbox, SandboxedChampion
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import LastKnownGood, as_not_yet_published
from lambda_fn.store.object_store import Missing, Store


class Serving(NamedTuple):
    """What answers requests: `checked_at` (UTC) is when the store was last seen, `stale` when it failed since."""

    champion: SandboxedChampion
    active: Active
    checked_at: datetime
    stale: bool


class _Loaded(NamedTuple):
    champion: SandboxedChampion
    active: Active
    etag: str


class ChampionCache:
    """Keeps the active champion in memory, looks for a newer one when its copy is older than CHAMPION_MAX_AGE_S,
    and keeps the old one when the newer cannot be fetched or is not what the pointer says.
    `beside` is LastKnownGood's. Each champion has a child of `pool` of its own."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], pool: Pool, beside: bool = False
    ) -> None:
        self._store = store
        self._pool = pool
        self._pair, self._key = settings.pair, keys.active_key(settings.pair)
        self._known = LastKnownGood(self._fetch, settings.champion_max_age_s, clock, beside, store.wait_budget)

    def current(self) -> Serving:
        """Raises NothingToServe with the seconds after which to ask again."""
        loaded, checked_at, stale = self._known.current()
        return Serving(loaded.champion, loaded.active, datetime.fromtimestamp(checked_at, UTC), stale)

    def _fetch(self, held: _Loaded | None) -> _Loaded:
        try:
            blob = self._store.read(self._key, held.etag) if held else self._store.read(self._key)
        except Missing as error:
            raise as_not_yet_published(error, self._store, self._pair) from error
        if held and blob is None:
            return held
        assert blob is not None
        active = Active.parse(blob.data)
        if held and held.champion.sha256 == active.champion.sha256:
            return _Loaded(held.champion, active, blob.etag)
        sandbox = Sandbox(API, self._pool)
        champion = fetch_champion(self._store, active.serving_key, active.champion.sha256, sandbox)
        return _Loaded(champion, active, blob.etag)


def fetch_champion(store: Store, key: str, sha256: str, sandbox: Sandbox) -> SandboxedChampion:
    """Read a champion file, which `sandbox` will run.

    Raises Missing, Unavailable, and ContractError when the file has another digest or is no champion.
    """
    return SandboxedChampion(fetch_file(store, key, sha256), sha256, sandbox)


def fetch_file(store: Store, key: str, sha256: str) -> bytes:
    """The bytes under `key`; raises ContractError when their digest is another."""
    blob = store.read(key)
    found = hashlib.sha256(blob.data).hexdigest()
    if found != sha256:
        raise ContractError(f"{key}: its sha256 is {found}, the pointer says {sha256}; publish it again")
    return blob.data
