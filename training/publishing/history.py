"""Who was champion when: every generation, what it was, by which scores it came, and why it went."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.publishing import promotion


class Generation(NamedTuple):
    """One generation: `since` and `until` are when it was active, None where it never was, and `until` also while it
    is. `came` says why it was published, `went` why it is not served any more or never was; empty when nothing says."""

    generation: int
    pointer: Pointer
    since: datetime | None
    until: datetime | None
    came: str
    went: str

    def losses(self) -> dict[int, float]:
        """Horizon in days to the pinball loss of its family, from the run that made it."""
        own = [row for row in self.pointer.scores if row.get("family") not in BENCHMARKS]
        return {row["horizon"]: row["pinball"] for row in own if {"horizon", "pinball"} <= row.keys()}


def generations(store: Store, pair: str) -> list[Generation]:
    """All that were ever published, ascending. Raises Unavailable when the store does not answer."""
    published = dict(_published(store, pair))
    activated = dict(_activated(store, pair))
    order = sorted(activated)
    successor = dict(pairwise(order))
    found = []
    for number in sorted(published.keys() | activated.keys()):
        active = activated.get(number)
        pointer = active.pointer if active else published[number]
        follower = activated.get(successor.get(number, 0))
        went = _went(follower) if active else _never(store, pair, pointer, number, order)
        until = follower.activated_at if follower else None
        found.append(Generation(number, pointer, active.activated_at if active else None, until, _came(pointer), went))
    return found


def _published(store: Store, pair: str) -> Iterator[tuple[int, Pointer]]:
    for number in promotion.history(store, pair):
        pointer, _ = promotion.read_pointer(store, keys.history_key(number, pair))
        if pointer is not None:
            yield number, pointer


def _activated(store: Store, pair: str) -> Iterator[tuple[int, Active]]:
    folder = keys.activated_key(0, pair).rpartition("/")[0]
    for key in store.list(folder):
        try:
            active = Active.parse(store.read(key).data)
        except (ContractError, Missing):
            continue
        yield active.generation, active


def _came(pointer: Pointer) -> str:
    reason: Any = pointer.extra.get(promotion.REASON)
    return reason if isinstance(reason, str) else ""


def _went(follower: Active | None) -> str:
    if follower is None:
        return ""
    came = _came(follower.pointer)
    return f"replaced by generation {follower.generation}{f': {came}' if came else ''}"


def _never(store: Store, pair: str, pointer: Pointer, number: int, activated: list[int]) -> str:
    refused = promotion.refusal(store, pair, pointer)
    if refused is not None:
        return f"{refused.state}: {refused.reason}"
    later = [other for other in activated if other > number]
    return f"never activated: generation {later[0]} came first" if later else "not activated yet"
