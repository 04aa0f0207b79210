"""The champion as a model, by others' protocols and their own clients: what MLflow predicts from its file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.events import event
from tests.support.local_api import START, Answer, LocalApi, local_api
from tests.support.readme import DOCUMENTS, blocks
from tests.support.server_process import Server, running

CLOSES = np.stack([foreign.closes(foreign.WINDOW), 1.01 * foreign.closes(foreign.WINDOW)])
ROWS: list[list[float]] = CLOSES.tolist()
NAME, VERSION = "EURUSD_Foreign", "1"
GOOD = foreign.champion_bytes()
FORMS: dict[str, Any] = {
    "inputs": {"close": ROWS},
    "instances": [{"close": row} for row in ROWS],
    "dataframe_records": [{"close": row} for row in ROWS],
    "dataframe_split": {"columns": ["close"], "data": [[row] for row in ROWS]},
}


def tensor(**changes: Any) -> dict[str, Any]:
    """A tensor of the Open Inference Protocol with one window, and with these members changed."""
    return {"name": "close", "shape": [1, foreign.WINDOW], "datatype": "FP64", "data": ROWS[0], **changes}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("api"))
    found.promote(GOOD, 1)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    environ = {"STORE_DIR": str(folder / "store")}
    settings = Settings.from_env(environ)
    foreign.publish_to(open_store(settings), GOOD)
    refresh(open_store(settings), settings, START)
    with running(folder, environ) as found:
        yield found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What stock MLflow predicts from the champion's file."""
    import mlflow  # takes seconds to import, so no other test waits for it

    path = tmp_path_factory.mktemp("model") / "model"
    mlflow.onnx.save_model(onnx.load_from_string(GOOD), str(path), save_as_external_data=False)
    return mlflow.pyfunc.load_model(str(path)).predict({"close": CLOSES})


def post(api: LocalApi, path: str, body: object) -> Answer:
    return api.call(event("POST", path, body=body))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_mlflow_gives_what_mlflow_predicts(api: LocalApi, expected: Any, form: str) -> None:
    answer = post(api, "/invocations", {form: FORMS[form]})
    assert answer.status == 200, answer.json
    for name in ("quantiles", "mean"):
        np.testing.assert_array_equal(answer.json["predictions"][name], expected[name])


def test_the_client_of_mlflow_gets_it_from_a_server(server: Server, expected: Any) -> None:
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", server.port)  # type: ignore[no-untyped-call]
    client.wait_server_ready(timeout=30)  # type: ignore[no-untyped-call]  # it asks /ping
    found = client.invoke(pd.DataFrame({"close": ROWS}))["predictions"]
    np.testing.assert_array_equal(found["quantiles"], expected["quantiles"])


def test_the_client_of_the_open_inference_protocol_gets_it_from_a_server(server: Server, expected: Any) -> None:
    """As docs/api.md shows it, in a process of its own, as the client brings gevent."""
    [code] = [block for block in blocks("python", DOCUMENTS["api.md"]) if "tritonclient" in block]
    script = f"""
import json, sys, numpy
{code}
address = "127.0.0.1:{server.port}"
with tritonclient.http.InferenceServerClient(address) as client:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("{NAME}") and client.is_model_ready("{NAME}", "{VERSION}")
    described = client.get_model_metadata("{NAME}", "{VERSION}"), client.get_server_metadata()
found = forecast(address, "{NAME}", numpy.array(json.load(sys.stdin)))
print(json.dumps([*described, found.tolist()]))
"""
    done = subprocess.run([sys.executable, "-c", script], input=json.dumps(ROWS), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model, about, quantiles = json.loads(done.stdout)
    assert (model["name"], model["versions"]) == (NAME, [VERSION])
    assert model["inputs"] == [{"name": "close", "datatype": "FP64", "shape": [-1, foreign.WINDOW]}]
    assert about["name"] == "eurusd-forecast"
    np.testing.assert_array_equal(quantiles, expected["quantiles"])


def test_tensors_may_be_flat_or_nested_and_outputs_chosen(api: LocalApi, expected: Any) -> None:
    shape = list(CLOSES.shape)
    for data in (ROWS, CLOSES.ravel().tolist()):
        tensor = {"name": "close", "shape": shape, "datatype": "FP64", "data": data}
        body = {"id": "a", "inputs": [tensor], "outputs": [{"name": "mean"}]}
        for path in (f"/v2/models/{NAME}/infer", f"/v2/models/{NAME}/versions/{VERSION}/infer"):
            answer = post(api, path, body)
            assert answer.status == 200, answer.json
            assert (answer.json["id"], answer.json["model_version"]) == ("a", VERSION)
            [output] = answer.json["outputs"]
            assert output["shape"] == [2, foreign.HORIZON]
            np.testing.assert_array_equal(output["data"], np.asarray(expected["mean"]).ravel())


def test_a_champion_with_dates_takes_them_as_days(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(extra=("eurjpy",), dated=True), 1)
    days = list(range(20_000, 20_000 + foreign.WINDOW))
    inputs = {"close": ROWS, "eurjpy": ROWS, "date": [days] * 2, "target_date": [[20_100, 20_101, 20_102]] * 2}
    assert post(api, "/invocations", {"inputs": inputs}).status == 200
    late = {**inputs, "date": [days, [*days[:-1], 1.5]]}
    for wrong, field in (
        ({"date": days}, "inputs.date[0]"),
        ({"date": [days]}, "inputs.date"),
        ({"target_date": [[20_100, 20_101, 20_102]]}, "inputs.target_date"),
    ):
        answer = post(api, "/invocations", {"inputs": {**inputs, **wrong}})
        assert (answer.status, answer.json["field"]) == (400, field)
    answer = post(api, "/invocations", {"inputs": late})
    assert (answer.status, answer.json["field"]) == (400, f"inputs.date[1][{foreign.WINDOW - 1}]")
    assert api.get(f"/v2/models/{NAME}").json["inputs"][2]["datatype"] == "INT64"


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/invocations", [], 400, "body"),
        ("/invocations", 5, 400, "body"),
        ("/invocations", {}, 400, "body"),
        ("/invocations", {"inputs": {}, "instances": []}, 400, "body"),
        ("/invocations", {"inputs": []}, 400, "inputs"),
        ("/invocations", {"inputs": {"close": ROWS, "volume": ROWS}}, 400, "inputs.volume"),
        ("/invocations", {"inputs": {}}, 400, "inputs.close"),
        ("/invocations", {"inputs": {"close": [[1.1]]}}, 400, "inputs.close[0]"),
        ("/invocations", {"inputs": {"close": [[None] * foreign.WINDOW]}}, 400, "inputs.close[0][0]"),
        ("/invocations", {"inputs": {"close": ROWS * 51}}, 400, "inputs.close"),
        ("/invocations", {"inputs": {"close": []}}, 400, "inputs.close"),
        ("/invocations", {"inputs": {"close": 5}}, 400, "inputs.close"),
        ("/invocations", {"instances": [{"close": ROWS[0]}] * 101}, 400, "instances"),
        (
            "/invocations",
            {"dataframe_split": {"columns": ["close"], "data": [[ROWS[0]]] * 101}},
            400,
            "dataframe_split.data",
        ),
        (
            "/invocations",
            {"dataframe_split": {"columns": ["open"], "data": [[ROWS[0]]]}},
            400,
            "dataframe_split.columns.open",
        ),
        ("/invocations", {"dataframe_split": {"columns": ["close"], "data": [[1, 2]]}}, 400, "dataframe_split"),
        (f"/v2/models/{NAME}/infer", {}, 400, "inputs"),
        (f"/v2/models/{NAME}/infer", {"inputs": [{}]}, 400, "inputs[0]"),
        (
            f"/v2/models/{NAME}/infer",
            {"inputs": [{"name": "close", "shape": [2, 2], "datatype": "FP64", "data": [1.0]}]},
            400,
            "inputs[0].data",
        ),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(shape=[True, foreign.WINDOW])]}, 400, "inputs[0]"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(shape=[-1, foreign.WINDOW])]}, 400, "inputs[0].data"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(shape=[2**63, 2**63])]}, 400, "inputs[0].data"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(shape=[3, foreign.WINDOW], data=ROWS)]}, 400, "inputs[0].data"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(shape=[-1, -foreign.WINDOW])]}, 400, "inputs[0].data"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(datatype="BYTES")]}, 400, "inputs[0].datatype"),
        (f"/v2/models/{NAME}/infer", {"inputs": [tensor(), tensor()]}, 400, "inputs"),
        (f"/v2/models/{NAME}/infer", [], 400, "inputs"),
        (f"/v2/models/{NAME}/infer", 5, 400, "inputs"),
        (
            "/invocations",
            {"dataframe_split": {"columns": ["close", "close"], "data": [[ROWS[0], ROWS[0]]]}},
            400,
            "dataframe_split.columns",
        ),
        ("/v2/models/EURUSD_Other/infer", {"inputs": []}, 404, "name"),
        (f"/v2/models/{NAME}/versions/9/infer", {"inputs": []}, 404, "name"),
    ],
)
def test_what_is_wrong_is_named(api: LocalApi, path: str, body: object, status: int, field: str) -> None:
    answer = post(api, path, body)
    assert (answer.status, answer.json.get("field")) == (status, field), answer.json
    assert answer.json["cure"]


def test_as_many_rows_as_a_request_may_have_are_answered(api: LocalApi) -> None:
    answer = post(api, "/invocations", {"inputs": {"close": ROWS * 50}})
    assert (answer.status, len(answer.json["predictions"]["mean"])) == (200, 100)


def test_another_model_is_not_described(api: LocalApi) -> None:
    assert api.get(f"/v2/models/{NAME}").status == 200
    for path in ("/v2/models/EURUSD_Other", f"/v2/models/{NAME}/versions/9"):
        assert (api.get(path).status, api.get(path).json["field"]) == (404, "name")


def test_without_a_champion_nothing_is_ready(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    for path in ("/ping", "/v2/health/ready", f"/v2/models/{NAME}", f"/v2/models/{NAME}/ready"):
        assert api.get(path).status == 503
    assert api.get("/v2/health/live").status == api.get("/v2").status == 200
    assert api.get("/v2/models").status == api.get("/v2/models/a/b/ready").status == 404
