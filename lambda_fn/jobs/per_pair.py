"""Run a job for each pair, and print the results; a failure of one pair does not stop the others."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambda_fn.jobs.telemetry import JsonFormatter
from lambda_fn.store.exit_code import exit_code

FAILURES = ("refused", "failed")
_log = logging.getLogger(__name__)


def run_and_print_each(pairs: Sequence[str], work: Callable[[str], Mapping[str, Any]], as_json: bool) -> int:
    """Run `work` for each pair, print the results, and return the highest exit code.

    One result is printed as it is; several have their pair at the beginning of each line, or are under `pairs` in JSON.
    An exception for the only pair is raised; with several it becomes the pair's result and does not stop the others.
    """
    results: dict[str, Mapping[str, Any]] = {}
    code = 0
    for pair in pairs:
        try:
            results[pair] = work(pair)
            code = max(code, int(_is_failure(results[pair])))
        except Exception as error:
            if len(pairs) == 1:
                raise
            results[pair] = {"outcome": "failed", "reason": str(error)}
            code = max(code, exit_code(error))
        if not as_json:
            text = _describe(results[pair])
            if len(pairs) > 1:
                text = "\n".join(f"{pair}: {line}" for line in text.splitlines())
            (sys.stderr if _is_failure(results[pair]) else sys.stdout).write(text + "\n")
    if as_json:
        sys.stdout.write(json.dumps({"pairs": results} if len(pairs) > 1 else results[pairs[0]]) + "\n")
    return code


def _describe(result: Mapping[str, Any]) -> str:
    text = f"{result['outcome']}: {result['reason']}"
    if "forecast" in result:
        text += f"\nforecast {result['forecast']['outcome']}: {result['forecast']['reason']}"
    return text


def _is_failure(result: Mapping[str, Any]) -> bool:
    return result["outcome"] in FAILURES


def for_each(pairs: Sequence[str], formatter: JsonFormatter, work: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Run `work` for each pair, with the pair in its lines of the log.

    Returns the result for one pair, or results by pair under `pairs`. An exception for the only pair is raised; with
    several, failures are logged, and raised at the end as an ExceptionGroup whose message names the pairs.
    """
    if len(pairs) == 1:
        formatter.keys["pair"] = pairs[0]
        return work(pairs[0])
    results: dict[str, Any] = {}
    failures: dict[str, Exception] = {}
    for pair in pairs:
        formatter.keys["pair"] = pair
        try:
            results[pair] = work(pair)
        except Exception as error:  # noqa: BLE001 the failure concerns only this pair
            _log.error("%s", error, exc_info=error)
            failures[pair] = error
    formatter.keys.pop("pair", None)
    if failures:
        reasons = "; ".join(f"{pair}: {error}" for pair, error in failures.items())
        raise ExceptionGroup(f"{len(failures)} of {len(pairs)} pairs failed: {reasons}", list(failures.values()))
    return {"pairs": results}
