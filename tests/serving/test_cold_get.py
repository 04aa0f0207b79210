"""What a cold GET imports, each module for a reason: an import is most of a cold start, and comes easily."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
from tests.support import foreign
from tests.support.events import event
from tests.support.server_process import ROOT, variables

LIST = Path(__file__).with_name("cold_get.txt")
COLD_GET = """
import sys
import json, logging  # which Amazon's runtime interface client has imported
before = set(sys.modules)
from lambda_fn import api
class Context: aws_request_id = "r-1"
answer = api.handler(json.loads(sys.argv[1]), Context())
print(json.dumps([answer["statusCode"], sorted(set(sys.modules) - before)]))
"""


def listed() -> dict[str, str]:
    """Module to reason, as the file has them: `module  reason`."""
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    found = dict(re.split(" {2,}", line, maxsplit=1) for line in lines)
    assert len(found) == len(lines) and all(found.values())
    return found


def imported(environ: Mapping[str, str]) -> set[str]:
    """By the first GET of a fresh process; of the standard library the public modules that are not inside others."""
    asked = json.dumps(event("GET", "/api/predict"))
    done = subprocess.run(
        [sys.executable, "-c", COLD_GET, asked],
        cwd=ROOT,
        env={**variables(environ), "AWS_LAMBDA_FUNCTION_NAME": "api"},
        check=True,
        capture_output=True,
        text=True,
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    own = {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names}
    return own | {name for name in set(modules) - own if not name.startswith("_") and "." not in name}


def test_a_cold_get_imports_what_is_listed_and_nothing_else(bucket_environ: dict[str, str]) -> None:
    settings = Settings.from_env(bucket_environ)
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, datetime(2026, 10, 30, 17, tzinfo=UTC))
    found, reasons = imported(bucket_environ), listed()
    assert sorted(found - reasons.keys()) == [], f"give each a reason in {LIST.name}, or keep it out of a cold GET"
    # the standard library imports other modules in other versions
    unused = {name for name in reasons.keys() - found if name.partition(".")[0] not in sys.stdlib_module_names}
    assert sorted(unused) == [], f"take it out of {LIST.name}"
