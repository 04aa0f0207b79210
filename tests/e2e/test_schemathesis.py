"""Schemathesis asks SAM's API for what its OpenAPI document allows and forbids; the answers match the document.

The fallback's server gets all phases (tests/serving/server/test_schemathesis.py). Here each request runs a container's
function, so the phase of coverage, over a thousand requests, is left out. SAM's own server answers bodies that are no
UTF-8 with 502, before the function is called; API Gateway would pass them on.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.e2e import sam
from tests.support.e2e.steps import Steps

EXAMPLES, SEED = 2, 1
PHASES = "examples,fuzzing"
UNDECODABLE = "\N{REPLACEMENT CHARACTER}"


def test_sams_api_is_as_its_document_says(
    sam_build: None, step: Steps, store: Store, settings: Settings, store_environ: Mapping[str, str], tmp_path: Path
) -> None:
    foreign.publish_to(store)
    refresh(store, settings, datetime.now(UTC))
    command = str(Path(sys.executable).with_name("schemathesis"))
    options = ["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--phases", PHASES, "--no-color"]
    limits = ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--request-timeout", "20"]
    with sam.on_store(tmp_path, store_environ) as cli, cli.api() as port, step("all checks of Schemathesis"):
        address = f"http://127.0.0.1:{port}/openapi.json"
        done = subprocess.run([command, "run", address, *options, *limits], cwd=tmp_path, capture_output=True)
    told = done.stdout.decode("utf-8", "replace")
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", told), told[-6_000:]
    if done.returncode:
        statuses, requests = re.findall(r"Received: (\d+)", told), re.findall(r"^ +curl .*$", told, re.MULTILINE)
        assert set(statuses) == {"502"}, told[-6_000:]
        assert requests and all(UNDECODABLE in request for request in requests), told[-6_000:]
        assert set(re.findall(r"❌ (ST\d+)", told)) == {"ST101", "ST103"}, told[-6_000:]
