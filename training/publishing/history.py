"""The history of champions: every generation, its scores, when it was active, why it was published and replaced."""

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
    """A published champion.

    Attributes:
        generation: Its number.
        pointer: Its pointer.
        since: When it was activated; None if it never was.
        until: When the next one was activated; None if it never was active or still is.
        reason: Why it was published; empty if it is not recorded.
        end_reason: Why it is not active any more, or never was; empty while it is active.
    """

    generation: int
    pointer: Pointer
    since: datetime | None
    until: datetime | None
    reason: str
    end_reason: str

    def losses(self) -> dict[int, float]:
        """Return the pinball loss of its family by horizon in days, from the run that trained it."""
        rows = [row for row in self.pointer.scores if row.get("family") not in BENCHMARKS]
        return {row["horizon"]: row["pinball"] for row in rows if {"horizon", "pinball"} <= row.keys()}


def list_generations(store: Store, pair: str) -> list[Generation]:
    """Return all generations that were ever published, ascending. Raises Unavailable if the store does not answer."""
    published = dict(_read_published(store, pair))
    activated = dict(_read_activated(store, pair))
    order = sorted(activated)
    successors = dict(pairwise(order))
    generations = []
    for number in sorted(published.keys() | activated.keys()):
        active = activated.get(number)
        successor = activated.get(successors.get(number, 0))
        if active is None:
            pointer, since = published[number], None
            end_reason = _describe_inactive(store, pair, pointer, number, order)
        else:
            pointer, since, end_reason = active.pointer, active.activated_at, ""
            if successor is not None:
                reason = _read_reason(successor.pointer)
                end_reason = f"replaced by generation {successor.generation}{f': {reason}' if reason else ''}"
        until = successor.activated_at if successor else None
        generations.append(Generation(number, pointer, since, until, _read_reason(pointer), end_reason))
    return generations


def _read_published(store: Store, pair: str) -> Iterator[tuple[int, Pointer]]:
    for number in promotion.list_reserved(store, pair):
        pointer, _ = promotion.read_pointer(store, keys.history_key(number, pair))
        if pointer is not None:
            yield number, pointer


def _read_activated(store: Store, pair: str) -> Iterator[tuple[int, Active]]:
    folder = keys.activated_key(0, pair).rpartition("/")[0]
    for key in store.list(folder):
        try:
            active = Active.parse(store.read(key).data)
        except (ContractError, Missing):
            continue
        yield active.generation, active


def _read_reason(pointer: Pointer) -> str:
    reason: Any = pointer.extra.get(promotion.REASON)
    return reason if isinstance(reason, str) else ""


def _describe_inactive(store: Store, pair: str, pointer: Pointer, number: int, activated: list[int]) -> str:
    """Return why a generation was never activated.

    Args:
        store: The store.
        pair: The currency pair.
        pointer: The pointer of the generation.
        number: The generation.
        activated: All activated generations, ascending.
    """
    status = promotion.read_refusal(store, pair, pointer)
    if status is not None:
        return f"{status.state}: {status.reason}"
    later = [other for other in activated if other > number]
    return f"never activated: generation {later[0]} came first" if later else "not activated yet"
