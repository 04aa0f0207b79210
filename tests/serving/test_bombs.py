"""Champions that pass their trial and do harm later: no process of the service dies, and nothing else is affected."""

import ast
import json
import subprocess
import sys
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np
import onnx
import pytest

from lambda_fn import ingest
from lambda_fn.api import App, handle_event
from lambda_fn.champion import child
from lambda_fn.champion.sandbox import MAX_DEATHS, Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.prices import ecb
from lambda_fn.prices.price_file import Table
from lambda_fn.record.official_forecast import Official
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.bombs import BOMBS, TRIGGER, add_rounded_trigger, add_to_mean, constant, node
from tests.support.ecb_server import DAYS, history
from tests.support.events import event
from tests.support.hostile import changed
from tests.support.local_api import LocalApi, local_api

ROOT = Path(__file__).parents[2]
CLOSES = foreign.closes(foreign.WINDOW).tolist()
CALM, ARMED = {"close": CLOSES}, {"close": [*CLOSES[1:], TRIGGER]}
LETHAL = [name for name in BOMBS if name != "memory"]  # the limit of memory is an error of the runtime
# Modules that may import the runtime: they are those of the sandbox's child.
IN_THE_CHILD = {"runtime", "trial", "worker"}


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    return local_api(tmp_path)


@pytest.mark.parametrize("name", BOMBS)
def test_a_post_that_ends_the_child_is_an_error_and_affects_no_other_request(name: str, api: LocalApi) -> None:
    assert api.promote(changed(BOMBS[name]), 1).outcome == "activated"
    before = api.get("/api/predict").json
    answer = api.post(ARMED)
    if name in LETHAL:
        assert (answer.status, answer.error["code"]) in ((503, "champion_failed"), (503, "too_slow"))
        assert answer.headers["Retry-After"]
    else:
        assert answer.status == 400
    assert api.get("/api/predict").json == before
    assert api.post(CALM).status == 200


@pytest.mark.real_sandbox  # forecasts that were computed before are remembered otherwise
def test_both_protocols_answer_503_and_after_three_deaths_nothing_runs_until_another_champion(api: LocalApi) -> None:
    api.promote(changed(BOMBS["div"]), 1)
    tensor = {"name": "close", "shape": [1, foreign.WINDOW], "datatype": "FP64", "data": ARMED["close"]}
    for path, body in (
        ("/invocations", {"inputs": {"close": [ARMED["close"]]}}),
        ("/v2/models/EURUSD_Foreign/infer", {"inputs": [tensor]}),
        ("/api/predict", {"series": [ARMED, CALM]}),
    ):
        answer = api.call(event("POST", path, body=body))
        assert (answer.status, answer.json.get("error", {}).get("code")) == (503, "champion_failed"), (path, answer)
    assert f"{MAX_DEATHS} processes" in api.post(CALM).error["message"]
    assert api.get("/api/predict").status == 200
    api.promote(foreign.champion_bytes(), 2)
    api.clock.ahead(61)
    assert api.post(ARMED).status == 200


@pytest.mark.real_sandbox
def test_a_machine_that_cannot_start_a_child_answers_503_and_other_requests(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.promote(foreign.champion_bytes(), 1)
    with monkeypatch.context() as patched:
        patched.setattr(child, "ARGUMENTS", ("-c", ""))
        for _ in range(2):
            answer = api.post(CALM)
            assert (answer.status, answer.error["code"]) == (503, "busy")
            assert answer.headers["Retry-After"]
        assert api.get("/api/predict").status == 200
    assert api.post(CALM).status == 200


def ecb_history(days: int, last: float) -> bytes:
    """The ECB's file of the first business days: closes of about 1.23, and `last` on the last day, of two pairs."""
    usd = [*(f"{1.23 + (number % 5) / 1000:.4f}" for number in range(days - 1)), f"{last:.4f}"]
    return history({day.isoformat(): [rate, "1"] for day, rate in zip(DAYS, usd, strict=False)}, ("USD", "GBP"))


def test_a_death_in_a_job_is_recorded_and_does_not_affect_the_other_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EURUSD and GBPUSD have the same prices, and the champion of the first ends its child at the newest one."""
    folder = {"STORE_DIR": str(tmp_path), "PAIRS": "EURUSD,GBPUSD"}
    settings = Settings.from_env(folder)
    store = open_store(settings)
    days = len(DAYS) - 1
    for pair in settings.pairs:
        ingest_and_forecast(store, settings.for_pair(pair), at(days), lambda url: ecb_history(days, 1.233))
        data = foreign.champion_bytes(pair=pair)
        data = changed(BOMBS["div"], data) if pair == "EURUSD" else data
        prices = store.read(keys.price_key(pair, "ecb")).data
        key = settings.for_pair(pair).model_info_key
        foreign.publish_to(store, data, 1, prices, key, model_name=f"{pair}_Foreign")
        assert refresh(store, settings.for_pair(pair), at(days)).forecast.outcome == "made"
    for name, value in folder.items():
        monkeypatch.setenv(name, value)
    newest = ecb_history(days + 1, TRIGGER)
    monkeypatch.setattr(ecb, "download", lambda url: newest)
    assert ingest.main(["--json"]) == 1  # the forecast of a pair was refused
    results = json.loads(capsys.readouterr().out)["pairs"]
    assert [results[pair]["forecast"]["outcome"] for pair in settings.pairs] == ["refused", "made"]
    official = Official.parse(store.read(keys.forecast_key("EURUSD")).data, "EURUSD")
    assert (official.as_of, official.blocked_generation) == (DAYS[days - 1], 1)
    assert "signal 8" in (official.failure_reason or "")
    app = App(store, settings, lambda: at(days + 1).timestamp())
    for pair, stale in (("EURUSD", True), ("GBPUSD", False)):
        answer = handle_event(app, event("GET", "/api/predict", {"pair": pair}))
        assert (answer["statusCode"], json.loads(answer["body"])["stale"]) == (200, stale)
    again = refresh(store, settings.for_pair("EURUSD"), at(days + 1))
    assert (again.activation.outcome, again.forecast.outcome) == ("unchanged", "refused")


def at(days: int) -> datetime:
    return datetime.combine(DAYS[days - 1], time(17), UTC)


def adds_a_tenth_where_rounded(model: onnx.ModelProto) -> None:
    """The mean is wrong where the last close has at most four decimals."""
    add_rounded_trigger(model)
    constant(model, "bomb_tenth", 0.1)
    node(model, "Cast", ["bomb_armed"], "bomb_number", to=onnx.TensorProto.DOUBLE)
    node(model, "Mul", ["bomb_number", "bomb_tenth"], "bomb_sum")
    add_to_mean(model, "bomb_sum")


@pytest.mark.parametrize("seed", range(3))
def test_a_trial_asks_for_prices_that_are_rounded_as_the_source_rounds(seed: int) -> None:
    """The newest close has a fifth decimal, so that it does not show what comes with four."""
    table = Table(foreign.price_rows(20), {"close": np.append(foreign.closes(19).round(4), 1.10005)})
    with Sandbox(seed=seed) as box, pytest.raises(ContractError, match=r"times|synthetic"):
        box.run_trial(changed(adds_a_tenth_where_rounded), (), table)


def test_no_module_outside_the_child_imports_the_runtime() -> None:
    for path in (ROOT / "lambda_fn").rglob("*.py"):
        names = {
            alias.name if isinstance(imported, ast.Import) else f"{imported.module}.{alias.name}"
            for imported in ast.walk(ast.parse(path.read_text()))
            if isinstance(imported, ast.Import | ast.ImportFrom)
            for alias in imported.names
        }
        runs = {name for name in names if "onnxruntime" in name or name.startswith("lambda_fn.champion.runtime")}
        assert not runs or (path.parent.name == "champion" and path.stem in IN_THE_CHILD), path


RUN = """
import json, sys
from datetime import UTC, datetime
from lambda_fn.api import App, handle_event
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support.ecb_server import history
from tests.support.events import event
settings = Settings.from_env({"STORE_DIR": sys.argv[1]})
store, now = open_store(settings), datetime(2026, 10, 30, 17, tzinfo=UTC)
assert refresh(store, settings, now).forecast.outcome == "made"
body = {"close": [1.1 + number / 1000 for number in range(20)]}
assert handle_event(App(store, settings), event("POST", "/api/predict", body=body))["statusCode"] == 200
ingest_and_forecast(store, settings, now, lambda url: history(40), True)
print(*(name for name in ("onnxruntime", "lambda_fn.champion.runtime") if name in sys.modules))
"""


def test_refresh_ingest_and_post_load_no_runtime_in_their_process(tmp_path: Path) -> None:
    foreign.publish_to(open_store(Settings.from_env({"STORE_DIR": str(tmp_path)})))
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.split()) == (0, []), run.stderr
