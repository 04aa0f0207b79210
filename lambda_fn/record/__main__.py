"""`python -m lambda_fn.record`: makes the track record anew from ledger and prices, the same bytes every time; of
several pairs each, and what they are together."""

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
from lambda_fn.store.exit_code import code_of
from lambda_fn.store.object_store import Missing, Unavailable
from lambda_fn.store.s3 import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes `record/<PAIR>.csv` and `serving/record.json`; 1 after one sentence on standard error when it cannot."""
    parser = argparse.ArgumentParser("python -m lambda_fn.record", description="Make the track record anew.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--pair", help="one of the pairs of PAIRS; all unless told")
    asked = parser.parse_args(arguments)
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))  # credentials are looked for there
        settings = Settings.from_env(os.environ)
        pairs, store = settings.chosen(asked.pair), open_store(settings)
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return code_of(error)
    found, codes = {}, [0]
    for pair in pairs:
        try:
            scores, faults = track_record.update(store, pair, datetime.now(UTC), anew=True)
        except (ContractError, Unavailable, Missing) as error:
            sys.stderr.write(f"{error}\n")
            codes.append(code_of(error))
            continue
        sys.stderr.writelines(f"not scored: {fault}\n" for fault in faults)
        found[pair] = {"key": keys.scores_key(pair), "rows": len(scores), "days": len({row.as_of for row in scores})}
    if len(settings.pairs) > 1:
        all_pairs.write(store, settings.pairs, datetime.now(UTC))
    _tell(found, asked.json, several=len(pairs) > 1)
    return max(codes)


def _tell(found: Mapping[str, Mapping[str, Any]], as_json: bool, several: bool) -> None:
    if as_json and several:
        sys.stdout.write(json.dumps({"pairs": found}) + "\n")
        return
    for each in found.values():
        words = f"{each['rows']} scored forecasts of {each['days']} days in {each['key']}"
        sys.stdout.write((json.dumps(each) if as_json else words) + "\n")


if __name__ == "__main__":
    sys.exit(main())
