"""Pointers of the old form are resolved at real MLflow servers, and at made-up ones that fail in every way."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import mlflow
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.dummy import DummyRegressor

from lambda_fn import contract
from lambda_fn.champion.runtime import Champion
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import Active, Golden, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Activation, Refused, activate
from lambda_fn.registry.legacy_pointer import resolve
from lambda_fn.registry.mlflow_client import Alias, MlflowServer
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import foreign, mlflow_process, seaweedfs, tracked
from tests.support.mlflow_fake import CHAMPION, FOLDER, VERSION, Fake
from tests.support.recorder import Recorder, Reply, recording
from training.evaluation.selection import Selection
from training.export.candidate import Registered
from training.publishing import mlflow_registry
from training.publishing.mlflow_registry import Registry
from training.publishing.mlflow_runs import experiment_name, log_run

OLD = Path(__file__).parents[2].joinpath("support/best_model_info_old.json").read_bytes()
POINTER = "models/best_model_info.json"
EXPERIMENT = experiment_name("EURUSD")
NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)


# A real server: it serves the files of one experiment itself, and another experiment has them in a bucket.


@dataclass(frozen=True)
class Mlflow:
    """A server with a run of training; serving reaches it with the variables `environ`."""

    tracking: Registry
    registered: Registered
    environ: dict[str, str]

    def champion(self, uri: str) -> None:
        """Move the alias champion of EURUSD_LSTM."""
        mlflow_registry.set_alias(self.tracking, "champion", mlflow_registry.find_version(self.tracking, uri))

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Within it MLflow's functions log to the experiment of training."""
        with tracked.tracking_address():
            mlflow.set_tracking_uri(self.tracking.tracking_uri)
            mlflow.set_experiment(EXPERIMENT)
            yield


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_process.running(folder, "--artifacts-destination", str(folder / "files")) as address:
        yield address


@pytest.fixture(scope="module", params=["served", "direct"])
def server(request: pytest.FixtureRequest, address: str, s3_server: seaweedfs.S3Server) -> Iterator[Mlflow]:
    bucket, direct = s3_server.environ(), request.param == "direct"
    environ = {name: bucket[name] for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION")} if direct else {}
    with seaweedfs.variables(bucket), tracked.tracking_address():
        tracking = mlflow_registry.connect(address)
        location = f"s3://{seaweedfs.BUCKET}/mlflow" if direct else None
        experiment = tracking.client.create_experiment(EXPERIMENT, location)
        selection = Selection(("lstm",), {"lstm": 1.0}, tie=False)
        registered = log_run(tracking, [tracked.candidate("lstm")], tracked.score_table(), selection, {}, {})
        files = tracking.client.get_model_version_download_uri("EURUSD_LSTM", "1")
        assert files.startswith("s3://" if direct else "mlflow-artifacts:/")
        yield Mlflow(tracking, registered["lstm"], environ | {"MLFLOW_TRACKING_URI": address})
        tracking.client.delete_registered_model("EURUSD_LSTM")
        tracking.client.rename_experiment(
            experiment, request.param
        )  # the name of a deleted experiment cannot be used again


def folder(path: Path, environ: dict[str, str]) -> tuple[Store, Settings]:
    """A store with prices and nothing published."""
    settings = Settings.from_env({"STORE_DIR": str(path)} | environ)
    store = open_store(settings)
    tracked.put_prices(store)
    return store, settings


def point(store: Store, **changes: Any) -> Pointer:
    """Publishes a pointer of the old form."""
    pointer = replace(Pointer.parse(OLD), **changes)
    foreign.put(store, POINTER, pointer.to_json())
    return pointer


def active(store: Store) -> Active:
    return Active.parse(store.read(keys.ACTIVE_KEY).data)


def log_onnx(server: Mlflow, data: bytes) -> str:
    """Registers the file as a version of EURUSD_LSTM and gives its address."""
    with server.by_hand():
        logged = mlflow.onnx.log_model(
            onnx.load_model_from_string(data),
            name="by_hand",
            save_as_external_data=False,
            pip_requirements=["onnx"],
            registered_model_name="EURUSD_LSTM",
        )
    return f"models:/EURUSD_LSTM/{logged.registered_model_version}"


def test_the_old_form_is_activated(server: Mlflow, tmp_path: Path) -> None:
    store, settings = folder(tmp_path, server.environ)
    found = server.registered
    uri = "models:/EURUSD_LSTM/1"
    point(store, model_uri=uri, model_version="1", extra={"note": "kept"})
    assert activate(store, settings, NOW) == Activation("activated", 1, "EURUSD_LSTM version 1")
    exported = tracked.candidate("lstm").model
    now_active = active(store)
    assert now_active.champion.sha256 == found.sha256 == hashlib.sha256(exported).hexdigest()
    assert store.read(now_active.serving_key).data == exported
    pointer = now_active.pointer
    assert (pointer.model_version, pointer.model_uri, pointer.run_id) == ("1", uri, found.run_id)
    assert (pointer.pair, pointer.trained_through, pointer.scores) == ("EURUSD", foreign.AS_OF, ())
    assert pointer.metrics == {"rmse": 0.00512} and pointer.extra == {"note": "kept"}
    assert golden_of(exported, pointer) == pointer.golden
    assert activate(store, settings, NOW) == Activation("unchanged", 1, "generation 1 is active")


def golden_of(model: bytes, pointer: Pointer) -> tuple[Golden, ...]:
    """The golden forecasts, made again from their inputs."""
    champion = Champion.load(model)
    batches = [{name: np.array([values]) for name, values in golden.inputs.items()} for golden in pointer.golden]
    forecasts = [champion.forecast(batch) for batch in batches]
    return tuple(
        Golden(golden.inputs, forecast.quantiles[0].tolist(), forecast.mean[0].tolist())
        for golden, forecast in zip(pointer.golden, forecasts, strict=True)
    )


def test_an_alias_that_is_moved_by_hand_is_followed(server: Mlflow, tmp_path: Path) -> None:
    store, settings = folder(tmp_path, server.environ)
    point(store, model_version="1")
    server.champion("models:/EURUSD_LSTM/1")
    assert activate(store, settings, NOW)[:2] == ("activated", 1)
    moved = log_onnx(server, tracked.candidate("lstm", spread=0.0071).model)
    assert activate(store, settings, NOW)[:2] == ("unchanged", 1)
    server.champion(moved)
    number = moved.rpartition("/")[2]
    assert activate(store, settings, NOW) == Activation("activated", 2, f"EURUSD_LSTM version {number}")
    pointer = active(store).pointer
    assert (pointer.model_version, pointer.metrics) == (number, {})  # they were the other version's
    server.champion("models:/EURUSD_LSTM/1")
    assert activate(store, settings, NOW)[:2] == ("activated", 3)


def published(server: Mlflow, store: Store, settings: Settings, uri: str, message: str) -> None:
    """What an alias then means is refused, once for each champion, while the good one goes on serving."""
    server.champion("models:/EURUSD_LSTM/1")
    point(store)
    activate(store, settings, NOW)
    before = store.read(keys.ACTIVE_KEY)
    server.champion(uri)
    with pytest.raises(Refused, match=message):
        activate(store, settings, NOW)
    assert activate(store, settings, NOW)[:2] == ("refused", 1)
    assert store.read(keys.ACTIVE_KEY) == before
    assert len(store.list("serving/refused")) == 1


def test_a_model_that_is_no_onnx_is_refused_with_the_cure(server: Mlflow, tmp_path: Path) -> None:
    with server.by_hand():
        logged = mlflow.sklearn.log_model(
            DummyRegressor().fit([[0.0]], [0.0]),
            name="pickled",
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
            registered_model_name="EURUSD_LSTM",
        )
    uri = f"models:/EURUSD_LSTM/{logged.registered_model_version}"
    what = "it has .*model.pkl|has no .*/artifacts/model.onnx"
    message = rf"{uri}: .*\bmodel\.onnx\b.*\b1: .*({what}).*eurusd publish models:/NAME"
    published(server, *folder(tmp_path, server.environ), uri, message)


def test_an_onnx_of_another_shape_is_refused_with_the_cure(server: Mlflow, tmp_path: Path) -> None:
    uri = log_onnx(server, foreign.champion_bytes(props={"horizon": "4"}))
    message = rf"{uri}: .*\bmodel\.onnx\b.*\b1: .*; .*float64 \[2, 4, 5\].*; .*eurusd publish"
    published(server, *folder(tmp_path, server.environ), uri, message)


@pytest.mark.parametrize("uri", ["models:/EURUSD_LSTM/99", "models:/EURUSD_LSTM@best", "models:/EURUSD_None@champion"])
def test_what_the_registry_does_not_have_is_refused(server: Mlflow, tmp_path: Path, uri: str) -> None:
    store, settings = folder(tmp_path, server.environ)
    point(store, model_uri=uri, model_name=uri.partition("/")[2].replace("@", "/").partition("/")[0])
    with pytest.raises(Refused, match=f"{uri}: {settings.mlflow_tracking_uri} .*no such version .*not found.*; "):
        activate(store, settings, NOW)


def test_training_goes_on_after_the_old_form(server: Mlflow, tmp_path: Path) -> None:
    """What is published next is newer than what the old form activated."""
    store, settings = folder(tmp_path, server.environ)
    point(store, model_uri="models:/EURUSD_LSTM/1")
    activate(store, settings, NOW)
    assert tracked.publish(store, settings, "arima").generation == 2
    assert active(store).pointer.model_name == "EURUSD_ARIMA"


# Made-up servers: what they are asked, and every way to fail.

SHA256 = hashlib.sha256(CHAMPION).hexdigest()


def resolved(address: str, uri: str = "models:/EURUSD_LSTM@champion", **environ: str) -> Pointer:
    settings = Settings.from_env({"MLFLOW_TRACKING_URI": address} | environ)
    with Sandbox() as sandbox:
        pointer, data = resolve(replace(Pointer.parse(OLD), model_uri=uri), settings, environ, NOW, sandbox)
    assert data == CHAMPION
    return pointer


@pytest.mark.parametrize(
    ("uri", "route", "query"),
    [
        ("models:/EURUSD_LSTM@champion", "registered-models/alias", {"alias": ["champion"]}),
        ("models:/EURUSD_LSTM/3", "model-versions/get", {"version": ["3"]}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/tracking/mlflow"])
def test_three_gets_resolve_a_pointer(uri: str, route: str, query: dict[str, list[str]], prefix: str) -> None:
    with recording(Fake({})) as server:
        pointer = resolved(f"{server.address}{prefix}/", uri)
    paths = [urlsplit(asked.path) for asked in server.asked]
    assert [path.path for path in paths] == [
        f"{prefix}/api/2.0/mlflow/{route}",
        f"{prefix}/api/2.0/mlflow/model-versions/get-download-uri",
        f"{prefix}/api/2.0/mlflow-artifacts/artifacts/{FOLDER}/model.onnx",
    ]
    assert [asked.method for asked in server.asked] == ["GET"] * 3
    named = {"name": ["EURUSD_LSTM"]}
    assert parse_qs(paths[0].query) == named | query and parse_qs(paths[1].query) == named | {"version": ["3"]}
    assert all("authorization" not in asked.headers for asked in server.asked)
    assert pointer.created_at == datetime.fromtimestamp(1793376300, UTC)
    assert pointer.champion is not None and pointer.champion.sha256 == SHA256


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def logins(server: Recorder) -> set[str | None]:
    return {asked.headers.get("authorization") for asked in server.asked}


def test_the_login_of_the_secret_reaches_the_server() -> None:
    secret = {"SecretString": json.dumps({"username": "reader", "password": "p:ä"})}
    with recording(Fake({})) as server, recording(lambda _: Reply(200, json.dumps(secret).encode())) as aws:
        resolved(
            server.address,
            MLFLOW_SECRET_ARN="arn:aws:secretsmanager:us-east-1:1:secret:reaches",
            AWS_ENDPOINT_URL_SECRETS_MANAGER=aws.address,
            AWS_ACCESS_KEY_ID="a",
            AWS_SECRET_ACCESS_KEY="b",
            MLFLOW_TRACKING_USERNAME="unused",
        )
    assert logins(server) == {basic("reader", "p:ä")} and len(server.asked) == 3


def test_the_login_of_mlflows_own_client_reaches_the_server() -> None:
    with recording(Fake({})) as server:
        resolved(server.address, MLFLOW_TRACKING_USERNAME="reader", MLFLOW_TRACKING_PASSWORD="pw")
    assert logins(server) == {basic("reader", "pw")}
    with recording(Fake({})) as server:
        resolved(server.address.replace("//", "//reader:p%40w@"))
    assert logins(server) == {basic("reader", "p@w")}


def test_another_server_of_the_files_does_not_get_the_login() -> None:
    with recording(Fake({})) as files:
        other = files.address.removeprefix("http://")
        with recording(Fake({}, f"mlflow-artifacts://{other}/{FOLDER}")) as server:
            resolved(server.address, MLFLOW_TRACKING_USERNAME="reader", MLFLOW_TRACKING_PASSWORD="pw")
    assert len(server.asked) == 2 and len(files.asked) == 1
    assert logins(files) == {None}


def test_the_files_of_a_server_that_has_moved_are_told_with_the_cure() -> None:
    with recording(Fake({}, f"mlflow-artifacts://u:hunter2@127.0.0.1:9/{FOLDER}")) as server:
        with pytest.raises(Unavailable, match=r"its files .*\b127\.0\.0\.1:9,.*nothing listens.*has moved") as error:
            resolved(server.address)
    assert "hunter2" not in str(error.value) and server.address in str(error.value)


def error(status: int, code: str, message: str) -> Reply:
    return Reply(status, json.dumps({"error_code": code, "message": message}).encode())


def listing(*names: str) -> Reply:
    return Reply(
        200, json.dumps({"files": [{"path": name, "is_dir": False} for name in names]} if names else {}).encode()
    )


GONE = error(500, "INTERNAL_ERROR", "cannot download")
FAILURES: dict[str, tuple[dict[str, Reply], type[Exception], str]] = {
    "no login": ({"alias": Reply(401, b"You are not authenticated.")}, Unavailable, "MLFLOW_SECRET_ARN"),
    "login refused for the file": (
        {"model.onnx": Reply(403, b"no")},
        Unavailable,
        r"answers 403 \(no\); put user name",
    ),
    "host not allowed": ({"alias": Reply(403, b"Invalid Host header")}, Unavailable, "Invalid Host.*--allowed-hosts"),
    "no alias": (
        {"alias": error(400, "INVALID_PARAMETER_VALUE", "Registered model alias champion not found.")},
        ContractError,
        r"no such version \(Registered model alias champion not found\.\); .*eurusd publish models:/",
    ),
    "no model": (
        {"alias": error(404, "RESOURCE_DOES_NOT_EXIST", "gone")},
        ContractError,
        r"no such version \(gone\); ",
    ),
    "not MLflow": ({"alias": Reply(404, b"<html>nothing</html>")}, Unavailable, "404; .*MLflow server"),
    "another method": ({"alias": Reply(405, b"no")}, Unavailable, r"405 \(no\); .*MLflow server"),
    "a login page": ({"alias": Reply(200, b"<html>log in</html>")}, Unavailable, r"200; .*\blogin\b"),
    "a redirect": (
        {"alias": Reply(301, b"", {"Location": "https://x/ml/api/2.0/mlflow/registered-models/alias?name=hunter2"})},
        Unavailable,
        "answers 301; it redirects to https://x/ml: set MLFLOW_TRACKING_URI to that, unless",
    ),
    "a redirect to nowhere": ({"alias": Reply(302, b"")}, Unavailable, "answers 302; correct the address"),
    "a redirect of the file": (
        {"model.onnx": Reply(302, b"", {"Location": "//b/x"})},
        Unavailable,
        "redirects to //b/x",
    ),
    "another JSON": (
        {"alias": Reply(200, b'{"hello": 1}')},
        Unavailable,
        "without a model_version.*MLflow server",
    ),
    "a file behind a login": (
        {"model.onnx": Reply(200, b"\n<!doctype html><title>Log in</title>")},
        Unavailable,
        r"200; .*\blogin\b",
    ),
    "down": ({"alias": error(503, "TEMPORARILY_UNAVAILABLE", "try\nlater")}, Unavailable, r"answers 503 \(try\); corr"),
    "no files address": ({"get-download-uri": Reply(200, b"{}")}, ContractError, "artifact_uri: missing"),
    "no file": ({"model.onnx": GONE, "?path=": listing("MLmodel", "model.pkl")}, ContractError, "it has MLmodel, mode"),
    "no files": ({"model.onnx": GONE, "?path=": listing()}, ContractError, "has no model.onnx.*it has no files"),
    "a file that fails": ({"model.onnx": GONE, "?path=": listing("model.onnx")}, Unavailable, "500 .cannot download"),
    "files not served": (
        {"artifacts": Reply(503, b"disabled due to the mlflow server running with `--no-serve-artifacts`")},
        Unavailable,
        "--no-serve-artifacts",
    ),
    "no ONNX": (
        {"model.onnx": Reply(200, b"hello")},
        ContractError,
        r"model\.onnx\b.*: champion: .*\bONNX file\b",
    ),
    "too large": (
        {"model.onnx": Reply(200, bytes(contract.MAX_MODEL_BYTES + 10))},
        ContractError,
        "33554433 bytes, at most 33554432 are allowed",
    ),
    "an odd tag": (
        {"alias": Reply(200, json.dumps({"model_version": VERSION | {"tags": [7]}}).encode())},
        ContractError,
        r"\.tags\[0\]: .*\ban object\b",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_every_failure_is_told_with_its_cure(case: str) -> None:
    change, kind, message = FAILURES[case]
    with recording(Fake(change)) as server, pytest.raises(kind, match=message) as told:
        resolved(server.address.replace("//", "//reader:hunter2@"))
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "reply", [error(503, "TEMPORARILY_UNAVAILABLE", "later"), Reply(200, b"<html>log in</html>"), Reply(404, b"")]
)
def test_aliases_of_a_server_that_fails_are_not_an_empty_list(reply: Reply) -> None:
    with recording(Fake({"registered-models/search": reply})) as server, pytest.raises(Unavailable):
        MlflowServer(server.address, None).aliases("EURUSD")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(404, "RESOURCE_DOES_NOT_EXIST", "gone"), ContractError),
        (error(500, "INTERNAL_ERROR", "later"), Unavailable),
        (Reply(404, b"<html>nothing</html>"), Unavailable),
    ],
)
def test_a_change_that_fails_is_told_apart_from_a_server_that_fails(reply: Reply, kind: type[Exception]) -> None:
    with recording(Fake({"alias": reply, "set-tag": reply})) as server:
        changes, alias = MlflowServer(server.address, None), Alias("champion", "EURUSD_LSTM", "3")
        for change in (
            changes.set_alias,
            changes.delete_alias,
            lambda _: changes.set_tag("EURUSD_LSTM", "3", "k", "v"),
        ):
            with pytest.raises(kind):
                change(alias)


@pytest.mark.parametrize(
    "uri",
    "models:/EURUSD_LSTM/Production models:/EURUSD_LSTM EURUSD_LSTM models:/EURUSD_ARIMA@champion "
    "models:/EURUSD_LSTM@ models:/EURUSD_LSTM/3/x models:/EURUSD_LSTM@a@b models:/EURUSD_LSTM/3?x".split(),
)
def test_a_model_uri_that_names_no_version_is_refused(uri: str) -> None:
    message = rf"^(pointer\.model_uri: )?{re.escape(uri)}\W.*; .*eurusd publish models:/"
    with recording(Fake({})) as server, pytest.raises(ContractError, match=message):
        resolved(server.address, uri)
    assert server.asked == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "is unset"),
        ("sqlite:///mlflow.db", "is a database"),
        ("postgresql://u:hunter2@h/db", "is a database"),
        ("mysql+pymysql://u:hunter2@h/db", "is a database"),
        ("file:///x", "is a folder"),
        ("mlruns", "is a folder"),
        ("./mlruns", "is a folder"),
        ("http://", "has no host"),
        ("http://[::1", "has no scheme|is a folder"),
        ("databricks", "is Databricks"),
        ("databricks-uc://hunter2", "is Databricks"),
        ("arn:aws:sagemaker:eu-central-1:123456789012:mlflow-tracking-server/x", "SageMaker"),
        ("mlflow.example.com:5000", "write http:// or https:// before mlflow.example.com:5000"),
        ("mlflow.example.com", "write http:// or https:// before"),
        ("localhost:5000", "write http:// or https:// before"),
        ("'http://127.0.0.1:9'", "in quotes"),
        ('"http://127.0.0.1:9"', "in quotes"),
        ("ftp://u:hunter2@a/b", "the scheme ftp"),
    ],
)
def test_without_a_server_the_old_form_is_refused_with_why_and_the_cure(address: str, why: str) -> None:
    message = rf"^pointer\.champion: missing, .*{why}.*eurusd publish models:/EURUSD_LSTM@champion"
    with pytest.raises(ContractError, match=message) as error:
        resolved(address)
    assert "hunter2" not in str(error.value)


def test_a_server_that_is_not_there_is_not_the_champions_fault(tmp_path: Path) -> None:
    store, settings = folder(tmp_path, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    point(store)
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9 does not answer"):
        activate(store, settings, NOW)
    assert store.list("serving") == []


def test_a_bucket_that_refuses_is_told_with_the_cure(s3_server: seaweedfs.S3Server) -> None:
    wrong = s3_server.environ() | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    files = f"s3://{seaweedfs.BUCKET}/mlflow/{FOLDER}"
    endpoint = {name: wrong[name] for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION")}
    with recording(Fake({}, files)) as server, seaweedfs.variables(wrong):
        with pytest.raises(Unavailable, match=r"^models:/EURUSD_LSTM/3: .*; .*\bs3:GetObject\b.*eurusd publ"):
            resolved(server.address, **endpoint)


def test_the_login_is_in_no_representation() -> None:
    assert "c2VjcmV0" not in repr(MlflowServer("http://a", "Basic c2VjcmV0"))


def identity() -> bytes:
    """An ONNX file with the right names that is no champion: it has no metadata."""
    value = helper.make_tensor_value_info("close", TensorProto.DOUBLE, ["batch", 20])
    mean = helper.make_tensor_value_info("mean", TensorProto.DOUBLE, ["batch", 20])
    graph = helper.make_graph([helper.make_node("Identity", ["close"], ["mean"])], "identity", [value], [mean])
    return foreign.with_props(graph, {})


OTHER_FILES = {
    "no metadata": (identity, r"has no model\.onnx of contract 1: metadata\.contract_version: missing"),
    "another version": (
        lambda: foreign.champion_bytes(props={"contract_version": "2"}),
        r"has no model\.onnx of contract 1: .*\bcontract_version: .*\b1, not 2; ",
    ),
    "another window": (
        lambda: foreign.champion_bytes(props={"window": "21"}),
        r"has no model\.onnx of contract 1: .*input close has shape \['batch', 20\]; it must be \[batch, 21\]",
    ),
    "another pair": (lambda: foreign.champion_bytes(pair="GBPUSD"), "pointer.pair: GBPUSD is not EURUSD"),
    "absurd": (lambda: foreign.champion_bytes(drift=0.5), r"\bmedian is 50\.0%"),
}


@pytest.mark.parametrize("case", OTHER_FILES)
def test_another_onnx_is_refused(tmp_path: Path, case: str) -> None:
    made, cure = OTHER_FILES[case]
    with recording(Fake({"model.onnx": Reply(200, made())})) as server:
        store, settings = folder(tmp_path, {"MLFLOW_TRACKING_URI": server.address})
        point(store)
        with pytest.raises(Refused, match=cure):
            activate(store, settings, NOW)
        assert activate(store, settings, NOW).outcome == "refused"
    assert len(store.list("serving")) == 1


def test_each_champion_of_an_alias_is_refused_on_its_own(tmp_path: Path) -> None:
    fake = Fake({})
    with recording(fake) as server:
        store, settings = folder(tmp_path, {"MLFLOW_TRACKING_URI": server.address})
        point(store)
        for number in (1, 2):
            fake.change["model.onnx"] = Reply(200, foreign.champion_bytes(drift=0.02 + 0.01 * number))
            with pytest.raises(Refused, match=f"the median is {number + 2}"):
                activate(store, settings, NOW)
            assert activate(store, settings, NOW).outcome == "refused"
        fake.change.clear()
        assert activate(store, settings, NOW)[:2] == ("activated", 1)
        fake.change["model.onnx"] = Reply(200, foreign.champion_bytes(drift=0.03))
        with pytest.raises(Refused, match="the median is 3"):
            activate(store, settings, NOW)
        assert len(store.list("serving/refused")) == 1, "a record a pointer"


@pytest.mark.parametrize("sha256", [SHA256, "0" * 64])
def test_a_tag_tells_whether_the_file_was_changed(sha256: str) -> None:
    tags = [{"key": "family", "value": ""}, {"key": "sha256", "value": sha256}]
    version = json.dumps({"model_version": VERSION | {"tags": tags}}).encode()
    with recording(Fake({"alias": Reply(200, version)})) as server:
        if sha256 == SHA256:
            resolved(server.address)
        else:
            with pytest.raises(ContractError, match=rf"^models:/EURUSD_LSTM/3: .*{SHA256}.* 0{{64}}: "):
                resolved(server.address)


@pytest.mark.parametrize("files", ["/var/mlruns/1/models", "ftp://host/x", "s3:///x", "dbfs:/x", "http://[::1"])
def test_files_where_serving_cannot_reach_are_refused_with_the_cure(files: str) -> None:
    message = rf"^models:/EURUSD_LSTM/3: .*{re.escape(files)}\b.*; .*--artifacts-destination\b.*eurusd publish models:"
    with recording(Fake({}, files)) as server, pytest.raises(ContractError, match=message):
        resolved(server.address)
