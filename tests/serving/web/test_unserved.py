"""503 answers: the code and the cure fit the reason, no place of the store is told, and what was never trained is no
error of the service."""

import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import api as api_module
from lambda_fn.api import App, LambdaFunction, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from lambda_fn.web.routes import ROUTES
from tests.support import foreign, seaweedfs
from tests.support.api_gateway import LambdaContext
from tests.support.events import event
from tests.support.local_api import local_api
from tests.support.server_process import running

BUCKET = "eurusd-forecast-123456789012"
DOWN = {**seaweedfs.S3Server("http://127.0.0.1:9", 0).environ(BUCKET), "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEKEY"}
STATIC = ("/openapi.json", "/docs", "/sign-in", "/v2", "/v2/health/live", "/api/pairs")
ASKED = [(route.method, route.path) for route in ROUTES if route.path not in STATIC]
RECORDS = (keys.forecast_key(), keys.record_key(), keys.active_key())


def ask(app: Callable[[dict[str, Any]], dict[str, Any]], method: str, path: str) -> dict[str, Any]:
    prices = {"close": [1.1 + i / 1000 for i in range(foreign.WINDOW)]}
    body = None if method == "GET" else {"positions": {"USD": 5}} if path == "/api/book" else prices
    return app(event(method, path, {"format": "html"} if path == "/" else None, body))


def trained(folder: Path) -> Store:
    api = local_api(folder)
    api.promote(foreign.champion_bytes(), 1)
    return api.store


def nothing_yet(folder: Path) -> Mapping[str, str]:
    return {"STORE_DIR": str(folder)}


def lost(folder: Path) -> Mapping[str, str]:
    """What serving reads first is lost; that there was a champion is still to be seen."""
    store = trained(folder)
    store.delete(keys.record_key())
    store.delete(keys.forecast_key())
    for key in store.list("serving/champions"):
        store.delete(key)
    return {"STORE_DIR": str(folder)}


def damaged(folder: Path) -> Mapping[str, str]:
    store = trained(folder)
    for key in RECORDS:
        foreign.put(store, key, b"{" + str(folder).encode())
    return {"STORE_DIR": str(folder)}


def down(_: Path) -> Mapping[str, str]:
    return DOWN


REASONS = {
    "nothing_to_serve": (nothing_yet, "--pairs EURUSD"),
    "record_missing": (lost, "eurusd refresh --pair EURUSD"),
    "record_damaged": (damaged, "eurusd refresh --pair EURUSD"),
    "store_unavailable": (down, "in the log"),
}


@pytest.mark.parametrize("code", REASONS)
def test_every_route_says_why_and_never_where(code: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make, cure = REASONS[code]
    environ = make(tmp_path / "the-folder")
    places = [str(tmp_path), "the-folder", BUCKET, "123456789012", "127.0.0.1", "AKIAEXAMPLEKEY", "serving/"]
    with seaweedfs.variables(environ), caplog.at_level(logging.WARNING):
        settings = Settings.from_env(environ)
        for method, path in ASKED:
            answer = ask(functools.partial(handle_event, App(open_store(settings), settings)), method, path)
            assert answer["statusCode"] == 503, path
            assert int(answer["headers"]["Retry-After"]) >= 1
            assert [place for place in places if place in answer["body"]] == []
            assert cure in answer["body"].replace("<code>", "").replace("</code>", "")
            if path != "/":
                assert json.loads(answer["body"])["code"] == code, path
    detail = {"store_unavailable": BUCKET, "record_damaged": "not UTF-8 JSON"}.get(code, "serving/forecast.json")
    assert detail in caplog.text, "the log has the detail"


@pytest.mark.parametrize(("code", "errors"), [("nothing_to_serve", 0.0), ("record_missing", 1.0)])
def test_a_service_that_was_never_trained_is_no_server_error(
    code: str, errors: float, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ServerErrors is what the alarm and a canary's rollback read; NothingPublished is there instead."""
    monkeypatch.setattr(api_module, "_function", None)
    function = LambdaFunction({**REASONS[code][0](tmp_path), "AWS_LAMBDA_FUNCTION_NAME": "api"})
    found = ask(lambda sent: function(sent, LambdaContext()), "GET", "/api/predict")
    assert found["statusCode"] == 503
    [measured] = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert measured["ServerErrors"] == [errors]
    assert measured.get("NothingPublished") == (None if errors else [1.0])


def test_a_route_that_is_not_there_is_measured_as_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the answer before nothing is left over."""
    function = LambdaFunction({"STORE_DIR": str(tmp_path), "AWS_LAMBDA_FUNCTION_NAME": "api"})
    for path in ("/api/predict", "/openapi.json", "/api/predict"):
        function(event("GET", path), LambdaContext())
    function({"version": "9"}, LambdaContext())  # no request at all
    lines = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert ["NothingPublished" in line for line in lines] == [True, False, True, False]


def test_the_fallback_tells_no_place_either(tmp_path: Path) -> None:
    with running(tmp_path, DOWN) as server:
        answer = server.ask("GET", "/api/predict")
        assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
        assert not any(place in json.dumps(answer.json) for place in (BUCKET, "127.0.0.1:9", str(tmp_path)))
        assert BUCKET in server.log.read_text()


def test_a_forecast_that_is_withheld_names_what_is_missing_and_not_where(tmp_path: Path) -> None:
    trained(tmp_path / "the-folder").delete(keys.price_key("EURUSD", "ecb"))
    api = local_api(tmp_path / "the-folder")
    assert api.refresh().forecast.outcome == "refused"
    for path in ("/api/predict", "/health", "/api/champion"):
        answer = api.get(path)
        assert "prices/EURUSD-ecb.csv is missing" in answer.json["stale_reason"]
        assert str(tmp_path) not in json.dumps(answer.json)
