"""How the commands of refresh and ingest tell what became of something, to a person or to a machine."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
