"""Run a job for each pair in Lambda; a failure of one pair does not stop the others."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from lambda_fn.jobs.telemetry import JsonFormatter
from lambda_fn.store.command_line import each_result

_log = logging.getLogger(__name__)


def run_each(pairs: Sequence[str], formatter: JsonFormatter, work: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Run `work` for each pair in Lambda, with the pair in its lines of the log.

    Returns the result for one pair, or results by pair under `pairs`. An exception for the only pair is raised; with
    several, failures are logged, and raised at the end as an ExceptionGroup whose message names the pairs.
    """

    def work_and_log(pair: str) -> dict[str, Any]:
        formatter.keys["pair"] = pair
        try:
            return work(pair)
        except Exception as error:
            if len(pairs) > 1:
                _log.error("%s", error, exc_info=error)
            raise

    if len(pairs) == 1:
        return work_and_log(pairs[0])
    results = dict(each_result(pairs, work_and_log))
    formatter.keys.pop("pair", None)
    failures = {pair: result for pair, result in results.items() if isinstance(result, Exception)}
    if failures:
        reasons = "; ".join(f"{pair}: {error}" for pair, error in failures.items())
        raise ExceptionGroup(f"{len(failures)} of {len(pairs)} pairs failed: {reasons}", list(failures.values()))
    return {"pairs": results}
