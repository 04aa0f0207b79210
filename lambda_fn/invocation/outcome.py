"""How the commands of refresh and ingest tell what became of something, to a person or to a machine."""

import json
import sys
from collections.abc import Mapping
from typing import Any


def tell(found: Mapping[str, Any], as_json: bool) -> int:
    """Prints a result with `outcome` and `reason`; a refusal in words goes to standard error. The exit code."""
    refused = found["outcome"] == "refused"
    words = f"{found['outcome']}: {found['reason']}"
    if "forecast" in found:
        words += f"\nforecast {found['forecast']['outcome']}: {found['forecast']['reason']}"
    out = sys.stderr if refused and not as_json else sys.stdout
    out.write((json.dumps(found) if as_json else words) + "\n")
    return 1 if refused else 0
