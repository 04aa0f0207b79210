"""A store whose writes stay in memory: a job can be run whole, and nothing changes."""

from typing import overload

from lambda_fn.store.object_store import Blob, Missing, Store


class DryRunStore(Store):
    """Another store, and above it what a job has written or deleted. Not thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, Blob | None] = {}  # None: deleted
        self._name, self.wait_budget = store.describe(), store.wait_budget

    @overload
    def read(self, key: str) -> Blob: ...
    @overload
    def read(self, key: str, unless_etag: str | None) -> Blob | None: ...
    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:
        if key not in self._written:
            return self._store.read(key, unless_etag)
        if (blob := self._written[key]) is None:
            raise Missing(key, self._name)
        return None if blob.etag == unless_etag else blob

    def head(self, key: str, size: int) -> Blob:
        if key not in self._written:
            return self._store.head(key, size)
        blob = self.read(key)
        return blob._replace(data=blob.data[:size])

    def tail(self, key: str, size: int) -> Blob:
        if key not in self._written:
            return self._store.tail(key, size)
        blob = self.read(key)
        return blob._replace(data=blob.data[-size:])

    def create(self, key: str, data: bytes) -> bool:
        return self.replace(key, data, None)

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        blob = self.find(key)
        if (blob.etag if blob else None) != etag:
            return False
        self._written[key] = Blob(data, f"dry-run-{len(self._written)}-{etag}")
        return True

    def list(self, prefix: str) -> list[str]:
        keys = {key for key in self._store.list(prefix) if self._written.get(key, True)}
        keys |= {key for key, blob in self._written.items() if blob and (not prefix or key.startswith(f"{prefix}/"))}
        return sorted(keys)

    def delete(self, key: str) -> None:
        self._written[key] = None
