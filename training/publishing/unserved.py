"""Champion files that nobody serves any more, and that no rollback would need."""

import re

from lambda_fn.store import keys
from lambda_fn.store.objects import Missing, Store

KEPT = 10  # generations, of those published and of those activated
_SHA256 = re.compile(rb"[0-9a-f]{64}")


def unserved(store: Store, pair: str, pointer_key: str) -> list[str]:
    """The keys of champions that only generations before the last KEPT name, in `models/` and in `serving/`.

    Whatever the pointer, the active record, the official forecast or a newer generation names stays, benchmarks too. So
    does a file that no generation names: it may be about to be published.
    """
    published = sorted(store.list(_folder(keys.history_key(1, pair))))
    activated = sorted(store.list(_folder(keys.activated_key(1, pair))))
    current = [pointer_key, keys.active_key(pair), keys.forecast_key(pair)]
    kept = _named(store, [*published[-KEPT:], *activated[-KEPT:], *current])
    old = _named(store, [*published[:-KEPT], *activated[:-KEPT]]) - kept
    champions = [key for make in (keys.champion_key, keys.serving_key) for key in store.list(_folder(make("0", pair)))]
    return [key for key in champions if key.rpartition("/")[2].removesuffix(".onnx") in old]


def _named(store: Store, records: list[str]) -> set[str]:
    """Every digest that these records hold, wherever it stands in them."""
    found: set[str] = set()
    for key in records:
        try:
            found |= {digest.decode() for digest in _SHA256.findall(store.read(key).data)}
        except Missing:
            continue
    return found


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
