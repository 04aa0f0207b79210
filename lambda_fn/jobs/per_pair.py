"""Runs a job for each pair and prints the results; a failure of one pair does not stop the others."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambda_fn.jobs.telemetry import JsonFormatter
from lambda_fn.store.exit_code import code_of

FAILURES = ("refused", "failed")


def tell_each(pairs: Sequence[str], work: Callable[[str], Mapping[str, Any]], as_json: bool) -> int:
    """Works on the one pair and tells, as `tell`, or on each of several, in words a pair a line, in JSON under `pairs`.

    What `work` raises for the only pair is raised; of several it is that pair's outcome, and stops no other. The exit
    code is the highest.
    """
    if len(pairs) == 1:
        return tell(work(pairs[0]), as_json)
    found: dict[str, Mapping[str, Any]] = {}
    code = 0
    for pair in pairs:
        try:
            found[pair] = work(pair)
            code = max(code, int(_failed(found[pair])))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is of this pair
            found[pair] = {"outcome": "failed", "reason": str(error)}
            code = max(code, code_of(error))
        if not as_json:
            words = "\n".join(f"{pair}: {line}" for line in _words(found[pair]).splitlines())
            _stream(found[pair]).write(words + "\n")
    if as_json:
        sys.stdout.write(json.dumps({"pairs": found}) + "\n")
    return code


def tell(found: Mapping[str, Any], as_json: bool) -> int:
    """Prints a result with `outcome` and `reason`; a refusal in words goes to standard error. The exit code."""
    out = sys.stdout if as_json else _stream(found)
    out.write((json.dumps(found) if as_json else _words(found)) + "\n")
    return int(_failed(found))


def _words(found: Mapping[str, Any]) -> str:
    words = f"{found['outcome']}: {found['reason']}"
    if "forecast" in found:
        words += f"\nforecast {found['forecast']['outcome']}: {found['forecast']['reason']}"
    return words


def _failed(found: Mapping[str, Any]) -> bool:
    return found["outcome"] in FAILURES


def _stream(found: Mapping[str, Any]) -> Any:
    return sys.stderr if _failed(found) else sys.stdout


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
