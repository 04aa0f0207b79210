"""The history of champions: every generation, its scores, when it was active, why it was published and replaced."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from lambda_fn.champion import rollback
from lambda_fn.champion.rollback import ACTIVATED, History, RollbackError
from lambda_fn.contract import REASON, Active, Pointer
from lambda_fn.store.object_store import Store
from training.publishing.promotion import champion_scores, published_by, read_refusal


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
        rows = champion_scores(self.pointer)
        return {row["horizon"]: row["pinball"] for row in rows if {"horizon", "pinball"} <= row.keys()}


def list_generations(store: Store, pair: str) -> list[Generation]:
    """Return all generations that were ever published, ascending. Raises Unavailable if the store does not answer."""
    published, activated = (dict(_read(store, pair, history)) for history in (published_by(pair), ACTIVATED))
    order = sorted(activated)
    successors = dict(pairwise(order))
    generations = []
    for number in sorted(published.keys() | activated.keys()):
        active = activated.get(number)
        successor = activated.get(successors.get(number, 0))
        if active is None:
            pointer, since = published[number].pointer, None
            end_reason = _describe_inactive(store, pair, pointer, number, order)
        else:
            pointer, since, end_reason = active.pointer, active.activated_at, ""
            if successor is not None:
                reason = _read_reason(successor.pointer)
                end_reason = f"replaced by generation {successor.generation}{f': {reason}' if reason else ''}"
        until = successor.activated_at if successor else None
        generations.append(Generation(number, pointer, since, until, _read_reason(pointer), end_reason))
    return generations


def _read(store: Store, pair: str, history: History) -> Iterator[tuple[int, Active]]:
    """Yield the generations that can be read."""
    for number in rollback.list_generations(store, pair, [history]):
        try:
            yield number, rollback.read_generation(store, pair, number, [history])
        except RollbackError:
            continue


def _read_reason(pointer: Pointer) -> str:
    reason: Any = pointer.extra.get(REASON)
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
    status = read_refusal(store, pair, pointer)
    if status is not None:
        return f"{status.state}: {status.reason}"
    later = [other for other in activated if other > number]
    return f"never activated: generation {later[0]} came first" if later else "not activated yet"
