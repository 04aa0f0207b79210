"""`python -m lambda_fn.record`: rebuild the track record from the ledger and the prices.

The same ledger and prices give the same bytes. With several pairs, the record of all pairs is rebuilt too.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lambda_fn.fields import ContractError
from lambda_fn.record import all_pairs, track_record
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store import keys
from lambda_fn.store.exit_code import exit_code
from lambda_fn.store.object_store import Missing, Unavailable
from lambda_fn.store.s3 import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `record/<PAIR>.csv` and `serving/record.json`, and return the exit code.

    An error is one sentence on standard error.
    """
    parser = argparse.ArgumentParser("python -m lambda_fn.record", description="Rebuild the track record.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--pair", help="one of the pairs in PAIRS (default: all)")
    args = parser.parse_args(arguments)
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))  # credentials are read from the environment
        settings = Settings.from_env(os.environ)
        pairs, store = settings.select_pairs(args.pair), open_store(settings)
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)
    results, codes = {}, [0]
    for pair in pairs:
        try:
            scores, faults = track_record.update(store, pair, datetime.now(UTC), rebuild=True)
        except (ContractError, Unavailable, Missing) as error:
            sys.stderr.write(f"{error}\n")
            codes.append(exit_code(error))
            continue
        sys.stderr.writelines(f"not scored: {fault}\n" for fault in faults)
        results[pair] = {"key": keys.scores_key(pair), "rows": len(scores), "days": len({row.as_of for row in scores})}
    if len(settings.pairs) > 1:
        all_pairs.write(store, settings.pairs, datetime.now(UTC))
    _print_results(results, args.json, several=len(pairs) > 1)
    return max(codes)


def _print_results(results: Mapping[str, Mapping[str, Any]], as_json: bool, several: bool) -> None:
    if as_json and several:
        sys.stdout.write(json.dumps({"pairs": results}) + "\n")
        return
    for result in results.values():
        text = f"{result['rows']} scored forecasts of {result['days']} days in {result['key']}"
        sys.stdout.write((json.dumps(result) if as_json else text) + "\n")


if __name__ == "__main__":
    sys.exit(main())
