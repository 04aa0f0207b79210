"""Lines of the log as Lambda takes them: one for each record, JSON, in the letters of the text."""

import json
import logging

import pytest

from lambda_fn import __version__
from lambda_fn.jobs.telemetry import log_as_json

PACKAGE = "lambda_fn.made_up"


@pytest.fixture
def parent_lines() -> list[str]:
    """What a handler of Lambda's own, above the package, would write again."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logging.getLogger("lambda_fn").addHandler(Handler())
    return lines


def test_a_record_is_one_line(parent_lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    log_as_json(PACKAGE, "api", {}).keys["request_id"] = "r-1"
    logging.getLogger(f"{PACKAGE}.web").warning("Übersicht %d", 3, extra={"pair": "EURUSD"})
    [line] = capsys.readouterr().out.splitlines()
    assert "Übersicht 3" in line
    record = json.loads(line)
    assert (record["level"], record["message"], record["pair"]) == ("WARNING", "Übersicht 3", "EURUSD")
    assert (record["service"], record["request_id"], record["version"]) == ("api", "r-1", __version__)
    assert parent_lines == []
