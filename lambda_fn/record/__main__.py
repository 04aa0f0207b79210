"""`python -m lambda_fn.record`: makes the track record anew from ledger and prices, the same bytes every time."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lambda_fn.fields import ContractError
from lambda_fn.record import track
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store import keys
from lambda_fn.store.connect import open_store
from lambda_fn.store.exit_code import code_of
from lambda_fn.store.objects import Missing, Unavailable


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes `record/<PAIR>.csv` and `serving/record.json`; 1 after one sentence on standard error when it cannot."""
    parser = argparse.ArgumentParser("python -m lambda_fn.record", description="Make the track record anew.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    asked = parser.parse_args(arguments)
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))  # credentials are looked for there
        settings = Settings.from_env(os.environ)
        store = open_store(settings)
        scores = track.update(store, settings.pair, datetime.now(UTC), anew=True)
    except (SettingsError, ContractError, Unavailable, Missing) as error:
        sys.stderr.write(f"{error}\n")
        return code_of(error)
    found = {"key": keys.scores_key(settings.pair), "rows": len(scores), "days": len({row.as_of for row in scores})}
    words = f"{found['rows']} scored forecasts of {found['days']} days in {found['key']}"
    sys.stdout.write((json.dumps(found) if asked.json else words) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
