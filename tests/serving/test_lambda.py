"""The handler as Lambda calls it: what it logs, measures and keeps."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import __version__
from lambda_fn import api as api_module
from lambda_fn.api import App
from lambda_fn.web.records import Records
from tests.support import foreign
from tests.support.api_gateway import LambdaContext
from tests.support.events import event
from tests.support.local_api import local_api

Lambda = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def in_lambda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The handler as Lambda calls it, on a folder with generation 1."""
    monkeypatch.setattr(api_module, "_function", None)
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "forecast-api")
    monkeypatch.delenv("USE_S3", raising=False)
    local_api(tmp_path).promote(foreign.champion_bytes(), 1)
    return lambda found: api_module.handler(found, LambdaContext(aws_request_id="r-1"))


def test_the_handler_measures_each_invocation_in_lambda(in_lambda: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_lambda(event("GET", "/api/predict"))["statusCode"] == 200
    assert in_lambda(event("GET", "/nowhere"))["statusCode"] == 404
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, second = [line for line in lines if "_aws" in line]
    assert (first["ColdStart"], second["ColdStart"]) == ([1.0], [0.0])
    assert (first["ChampionGeneration"], first["ServerErrors"], first["pair"]) == ([1.0], [0.0], "EURUSD")
    assert first["Latency"][0] > 0
    logged = [line for line in lines if line.get("level") == "INFO"]  # today the forecast has expired
    assert [line["message"] for line in logged] == ["serving generation 1, EURUSD_Foreign"]
    assert (logged[0]["request_id"], logged[0]["version"]) == ("r-1", __version__)


def test_logs_name_request_and_trace_and_hold_no_payload(
    in_lambda: Lambda, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a request that succeeds, one that fails, and one that nothing was prepared for."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setattr(Records, "now", lambda *_: 1 / 0)
    closes = [1.234567 + i / 1000 for i in range(foreign.WINDOW)]
    for body in ({"close": closes}, {"close": [*closes, "x-1.765432"]}):
        in_lambda(event("POST", "/api/predict", body=json.dumps(body)))
    in_lambda(event("GET", "/api/predict", {"secret-of-the-query": "1"}))
    in_lambda(event("GET", "/api/champion"))
    out = capsys.readouterr().out
    logged = [line for line in map(json.loads, out.splitlines()) if "message" in line]
    assert [line["level"] for line in logged] == ["INFO", "INFO", "ERROR"]
    assert {(line["request_id"], line["xray_trace_id"]) for line in logged} == {
        ("r-1", "1-5759e988-bd862e3fe1be46a994272793")
    }
    assert all(words not in out for words in ("1.234567", "1.765432", "a-secret", "secret-of-the-query"))


def test_nothing_that_was_known_before_a_snapshot_is_taken_for_fresh(
    in_lambda: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SnapStart keeps a process that has imported everything, and goes on with it days later."""
    later = time.time() + 10 * 86_400
    monkeypatch.setattr(api_module, "App", partial(App, clock=lambda: later))
    answer = in_lambda(event("GET", "/api/predict"))
    checked = datetime.fromisoformat(json.loads(answer["body"])["checked_at"])
    assert abs(checked.timestamp() - later) < 1, "the store was asked after it"
    assert answer["headers"]["Cache-Control"] == "max-age=60"


def test_the_handler_outside_lambda_prints_nothing(
    in_lambda: Lambda, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    assert in_lambda(event("GET", "/api/predict"))["statusCode"] == 200
    assert capsys.readouterr().out == ""
