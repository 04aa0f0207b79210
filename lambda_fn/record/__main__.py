"""`python -m lambda_fn.record`: rebuild the track record from the ledger and the prices.

The same ledger and prices give the same bytes. With several pairs, the record of all pairs is rebuilt too.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lambda_fn.fields import ContractError
from lambda_fn.record import all_pairs, track_record
from lambda_fn.store import keys
from lambda_fn.store.command_line import Job, each_result, exit_code, make_parser, run_command
from lambda_fn.store.object_store import Missing, Unavailable


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `record/<PAIR>.csv` and `serving/record.json`, and return the exit code.

    An error is one sentence on standard error.
    """

    def work(job: Job) -> int:
        def rebuild(pair: str) -> dict[str, Any]:
            scores, faults = track_record.update(job.store, pair, datetime.now(UTC), rebuild=True)
            sys.stderr.writelines(f"not scored: {fault}\n" for fault in faults)
            return {"key": keys.scores_key(pair), "rows": len(scores), "days": len({row.as_of for row in scores})}

        results, code = {}, 0
        for pair, result in each_result(job.pairs, rebuild):
            if not isinstance(result, Exception):
                results[pair] = result
            elif isinstance(result, ContractError | Unavailable | Missing):
                sys.stderr.write(f"{result}\n")
                code = max(code, exit_code(result))
            else:
                raise result
        if len(job.settings.pairs) > 1:
            all_pairs.write(job.store, job.settings.pairs, datetime.now(UTC))
        if job.args.json and len(job.pairs) > 1:
            sys.stdout.write(json.dumps({"pairs": results}) + "\n")
            return code
        for result in results.values():
            text = f"{result['rows']} scored forecasts of {result['days']} days in {result['key']}"
            sys.stdout.write((json.dumps(result) if job.args.json else text) + "\n")
        return code

    return run_command(make_parser("record", "Rebuild the track record."), arguments, work)


if __name__ == "__main__":
    sys.exit(main())
