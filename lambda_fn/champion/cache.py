"""The active champion in memory: fetched, revalidated when its copy is old, and replaced by a newer one."""

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
    """The champion that answers requests.

    `checked_at` (UTC) is the time of the last successful check of the store; `stale` is True if checks failed since.
    """

    champion: SandboxedChampion
    active: Active
    checked_at: datetime
    stale: bool


class _Loaded(NamedTuple):
    champion: SandboxedChampion
    active: Active
    etag: str


class ChampionCache:
    """The active champion of one pair, kept in memory.

    A copy older than CHAMPION_MAX_AGE_S is revalidated. The old champion stays when the newer one cannot be fetched or
    is not the file that the pointer names.
    """

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], pool: Pool, background_refresh: bool = False
    ) -> None:
        """Make an empty cache.

        Args:
            store: where active.json and the champion files are.
            settings: the pair and the maximum age.
            clock: returns the time in seconds since 1970.
            pool: each champion runs in a child of its own from this pool.
            background_refresh: as for LastKnownGood.
        """
        self._store = store
        self._pool = pool
        self._pair, self._key = settings.pair, keys.active_key(settings.pair)
        self._cache = LastKnownGood(
            self._fetch, settings.champion_max_age_s, clock, background_refresh, store.wait_budget
        )

    def current(self) -> Serving:
        """Return the champion. Raises NothingToServe with the seconds to wait before a retry."""
        loaded, checked_at, stale = self._cache.current()
        return Serving(loaded.champion, loaded.active, datetime.fromtimestamp(checked_at, UTC), stale)

    def _fetch(self, cached: _Loaded | None) -> _Loaded:
        try:
            blob = self._store.read(self._key, cached.etag) if cached else self._store.read(self._key)
        except Missing as error:
            raise as_not_yet_published(error, self._store, self._pair) from error
        if cached and blob is None:
            return cached
        assert blob is not None
        active = Active.parse(blob.data)
        if cached and cached.champion.sha256 == active.champion.sha256:
            return _Loaded(cached.champion, active, blob.etag)
        sandbox = Sandbox(API, self._pool)
        champion = fetch_champion(self._store, active.serving_key, active.champion.sha256, sandbox)
        return _Loaded(champion, active, blob.etag)


def fetch_champion(store: Store, key: str, sha256: str, sandbox: Sandbox) -> SandboxedChampion:
    """Read a champion file.

    Args:
        store: has the file.
        key: of the file.
        sha256: its expected digest.
        sandbox: will run the champion.

    Raises Missing, Unavailable, and ContractError when the file has another digest or is not a champion.
    """
    return SandboxedChampion(fetch_file(store, key, sha256), sha256, sandbox)


def fetch_file(store: Store, key: str, sha256: str) -> bytes:
    """Read the bytes under `key`. Raises ContractError when their digest differs, Missing and Unavailable."""
    blob = store.read(key)
    digest = hashlib.sha256(blob.data).hexdigest()
    if digest != sha256:
        raise ContractError(f"{key}: its sha256 is {digest}, but the pointer names {sha256}; publish it again")
    return blob.data
