"""The dry run of a job in Lambda, {"dry_run": true}: everything is done and nothing is written or counted.

A release is checked with it before it gets requests (`infra/release_check/handler.py`).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.settings import Settings
from lambda_fn.store.dry_run import DryRunStore
from lambda_fn.store.object_store import Misconfigured, Store, Unavailable

EVENT = {"dry_run": True}
Work: TypeAlias = Callable[[Store, Settings, Sandbox], dict[str, Any]]


def run_dry(store: Store, settings: Settings, work: Work, *outside: type[Exception]) -> dict[str, Any]:
    """Run `work` for each pair on a store that keeps nothing. Return the results by pair.

    Args:
        store: the store to read from.
        settings: those of the function.
        work: the job, on a store and the settings of one pair.
        outside: errors that are not the release's fault, such as a rejected champion; their result is the reason.

    Raises Misconfigured, and any error that is not from outside.
    """
    results: dict[str, Any] = {}
    expected: tuple[type[Exception], ...] = (Unavailable, *outside)
    with Sandbox() as sandbox:
        for pair in settings.pairs:
            try:
                results[pair] = work(DryRunStore(store), settings.for_pair(pair), sandbox)
            except expected as error:
                if isinstance(error, Misconfigured):
                    raise
                results[pair] = {"outcome": "failed", "reason": str(error)}
    return {**EVENT, "pairs": results}
