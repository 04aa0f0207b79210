"""Records in memory: parsed, with the ETag by which the store tells whether there is a newer one."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from lambda_fn.store.objects import Missing, Store

T = TypeVar("T")


class Held(NamedTuple, Generic[T]):
    """A record and the ETag that its bytes have in the store."""

    value: T
    etag: str


def fetcher(store: Store, pair: str, key: str, parse: Callable[[bytes], T]) -> Callable[[Held[T] | None], Held[T]]:
    """Reads the record under `key` when it is another than the one held; it raises what the store and `parse` do."""

    def fetch(held: Held[T] | None) -> Held[T]:
        try:
            blob = store.read(key, held.etag) if held else store.read(key)
        except Missing as error:
            from lambda_fn.store.published import told_apart  # only where there is nothing

            raise told_apart(error, store, pair) from error
        if blob is None:
            assert held is not None
            return held
        return Held(parse(blob.data), blob.etag)

    return fetch
