"""One invocation for several pairs: each has a try of its own, so that one that fails stops no other."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from lambda_fn.invocation.telemetry import JsonFormatter

_log = logging.getLogger(__name__)


def for_each(pairs: Sequence[str], logged: JsonFormatter, work: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives for the one pair or, under `pairs`, for each of several. Lines of the log tell the pair.

    What it raises for the only pair is raised; of several, the failures are logged and raised together when all are
    done, as an ExceptionGroup whose message names the pairs.
    """
    if len(pairs) == 1:
        logged.keys["pair"] = pairs[0]
        return work(pairs[0])
    found: dict[str, Any] = {}
    failed: dict[str, Exception] = {}
    for pair in pairs:
        logged.keys["pair"] = pair
        try:
            found[pair] = work(pair)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is of this pair
            _log.error("%s", error, exc_info=error)
            failed[pair] = error
    logged.keys.pop("pair", None)
    if failed:
        words = "; ".join(f"{pair}: {error}" for pair, error in failed.items())
        raise ExceptionGroup(f"{len(failed)} of {len(pairs)} pairs failed: {words}", list(failed.values()))
    return {"pairs": found}
