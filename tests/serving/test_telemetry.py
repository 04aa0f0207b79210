"""The API's lines are those that Powertools' Logger and Metrics write of the same."""

import json
import os
import re
import subprocess
import sys
from typing import Any

from tests.support.server_process import ROOT

WITH_POWERTOOLS = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from lambda_fn import __version__
logger = Logger(service="lambda_fn", use_rfc3339=True)  # the logger's name, too
logger.append_keys(service="api", version=__version__, request_id="r-1")
metrics = EphemeralMetrics(namespace="EurUsdForecast", service="")
metrics.add_dimension("pair", "EURUSD")
metrics.add_dimension("stack", "eurusd-forecast")
metrics.add_metadata("service", "api")
def measure(found):
    for name, unit, value in found:
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
"""
OURS = """
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
log_as_json("lambda_fn", "api", {}).keys["request_id"] = "r-1"
def measure(found):
    write_metrics("api", "eurusd-forecast", "EURUSD", [Metric(*one) for one in found])
"""
SAID = """
import logging
log = logging.getLogger("lambda_fn.web.records")
log.debug("not written")
log.info("generation %d, \\u00e9", 3)
log.warning("with more", extra={"outcome": "made", "when": complex(1, 2)})
def divide():
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("went wrong")
divide()
measure([("Latency", "Milliseconds", 1.5), ("ColdStart", "Count", True), ("ChampionGeneration", "None", 3)])
"""


def lines_of(setup: str) -> list[dict[str, Any]]:
    """What a fresh process writes, without its times and where in the program it was."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": "UTC", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", setup + SAID],
        env={**environ, "_X_AMZN_TRACE_ID": "Root=1-5759e988;Parent=1;Sampled=1"},
        check=True,
        capture_output=True,
        text=True,
    )
    found = []
    for text in done.stdout.splitlines():
        line = json.loads(text)
        assert text == json.dumps(line, separators=(",", ":"), ensure_ascii=False), "compact"
        if "timestamp" in line:
            line["timestamp"] = re.sub("[0-9]", "0", line["timestamp"])
        found.append(json.loads(re.sub(r'(line |:|"line": |"Timestamp": )[0-9]+', r"\1 0", json.dumps(line))))
    return found


def test_logs_and_metrics_are_those_of_powertools() -> None:
    ours, theirs = lines_of(OURS), lines_of(WITH_POWERTOOLS)
    [own, summed] = ours[-1]["_aws"]["CloudWatchMetrics"]
    assert own["Dimensions"].pop() == ["stack"], "over all pairs, which Powertools cannot say beside the other"
    assert (summed.pop("Dimensions"), summed["Namespace"]) == ([["stack"]], own["Namespace"])
    assert [metric["Name"] for metric in own["Metrics"]] == ["ChampionGeneration"]
    own["Metrics"] = [*summed["Metrics"], *own["Metrics"]]
    ours[-1]["_aws"]["CloudWatchMetrics"] = [own]
    assert [list(line) for line in ours] == [list(line) for line in theirs], "the same keys in the same order"
    assert ours == theirs
    assert [line.get("level") for line in ours] == ["INFO", "WARNING", "ERROR", None]


def test_powertools_is_imported_by_an_error_only() -> None:
    said = f"{OURS}{SAID.partition('def divide')[0]}import sys; print('aws_lambda_powertools' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"
