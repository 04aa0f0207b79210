"""Lambda's runtime under its JSON log format: our lines come out whole, and so does the runtime's own of an error."""

import json
from typing import Any

import pytest

from tests.support.e2e.lambda_container import objects, running
from tests.support.e2e.steps import until
from tests.support.infra.aws_tools import ROOT

NOWHERE = {"STORE_DIR": "/tmp/store", "ECB_URL": "http://127.0.0.1:9/none", "STACK": "eurusd-forecast-dev"}


@pytest.mark.parametrize(
    ("service", "error"), [("api", ""), ("refresh", ""), ("ingest", "cannot be fetched")], ids=lambda given: given
)
def test_lines_are_whole(image: str, service: str, error: str) -> None:
    event = json.loads((ROOT / "tests/events/health.json").read_text())
    with running(image, f"lambda_fn.{service}.handler", NOWHERE) as function:
        function.invoke(event if service == "api" else {})

        def is_complete() -> bool:
            lines = objects(function.container.followed())
            return any("service" in line for line in lines) and bool(error) == bool(of_the_runtime(lines))

        until(is_complete, "the lines of the service and the runtime's of its error")
        log = function.container.log()
    lines = objects(log)
    assert len(lines) == sum(line.startswith("{") for line in log.splitlines()), log
    ours = [line for line in lines if "service" in line]
    assert ours and {line["service"] for line in ours} == {service}
    assert all(line["stack"] == NOWHERE["STACK"] for line in ours if "_aws" in line)
    assert all({"level", "timestamp", "message"} <= line.keys() for line in ours if "_aws" not in line)
    assert [error in line["errorMessage"] for line in of_the_runtime(lines)] == ([True] if error else [])


def of_the_runtime(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if "errorMessage" in line]
