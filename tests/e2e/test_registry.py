"""Champions that come out of an MLflow registry: pointers of the old form, aliases moved by hand, models of others."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import mlflow as mlflow_client
import onnx
import pytest
from onnx import TensorProto, helper

from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.e2e.conftest import empty_bucket
from tests.support import tracked
from tests.support.e2e import front
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.command import training
from tests.support.e2e.deployment import SCHEDULE, Deployment, deployed
from tests.support.e2e.front import PREDICT, generation
from tests.support.e2e.lambda_container import Invocation
from tests.support.e2e.mlflow_server import OLD, MlflowServer
from tests.support.e2e.steps import Steps
from tests.support.seaweedfs import S3Server
from training.export.candidate import Registered
from training.publishing.mlflow_registry import Registry, connect

CURE = "eurusd publish models:/"


@pytest.fixture(scope="module", params=["mlflow", "old_mlflow"])
def server(request: pytest.FixtureRequest) -> MlflowServer:
    """Of the client's version, and of an old one."""
    found: MlflowServer = request.getfixturevalue(request.param)
    wanted = {"mlflow": mlflow_client.__version__, "old_mlflow": OLD}
    assert found.version == wanted[request.param]
    return found


@pytest.fixture(scope="module")
def environ(server: MlflowServer, s3_server: S3Server) -> Iterator[Mapping[str, str]]:
    """The variables of the server and of a bucket, which is empty when the tests of the server begin."""
    with empty_bucket(s3_server) as found:
        yield {**found, "MLFLOW_TRACKING_URI": server.uri}


@pytest.fixture(scope="module")
def deployment(image: str, bridge: Bridge, environ: Mapping[str, str]) -> Iterator[Deployment]:
    """With a refresh container that knows the server, and the prices that made-up champions are checked on."""
    settings = Settings.from_env(environ)
    with deployed(image, bridge, open_store(settings), settings, environ) as found:
        tracked.put_prices(found.store)
        yield found


@pytest.fixture
def registry(server: MlflowServer) -> Iterator[Registry]:
    with tracked.tracking_address():
        yield connect(server.uri)


def old_form(version: Registered) -> bytes:
    """The pointer as it was written before champions were files: it names an alias and nothing of the contract."""
    pointer = {
        "run_id": version.run_id,
        "model_type": version.name.removeprefix("EURUSD_"),
        "model_name": version.name,
        "model_version": version.version,
        "model_alias": "champion",
        "model_uri": f"models:/{version.name}@champion",
        "metrics": {"rmse": 0.00512},
        "baseline_metrics": {"rmse": 0.00521, "directional_accuracy": 0.503},
    }
    return json.dumps(pointer).encode()


def activated(invocation: Invocation) -> int:
    """The generation that a refresh activated."""
    assert invocation.payload["outcome"] == "activated", invocation
    return int(invocation.payload["generation"])


def served(deployment: Deployment) -> str | None:
    """The digest of the champion that the API serves now, None when it serves none."""
    answer = deployment.api.ask(PREDICT)
    return answer.json["champion"]["sha256"] if answer.status == 200 else None


def assert_serves(deployment: Deployment, number: int, version: Registered) -> None:
    answer = deployment.checked_since(datetime.now(UTC))
    assert generation(answer) == number
    champion = answer.json["champion"]
    assert (champion["name"], champion["version"]) == (version.name, str(version.version))
    assert champion["sha256"] == version.sha256


def test_a_pointer_of_the_old_form_follows_its_alias(
    step: Steps,
    registry: Registry,
    server: MlflowServer,
    deployment: Deployment,
    image: str,
    environ: Mapping[str, str],
) -> None:
    with step(f"MLflow {server.version}: three made-up families are registered"):
        champion = tracked.log(registry)["lstm"]
    with step(f"MLflow {server.version}: an old pointer goes live"):
        first = activated(deployment.put(old_form(champion)).invocation)
        assert_serves(deployment, first, champion)
    with step(f"MLflow {server.version}: its alias moves to a newer version, the hourly refresh follows"):
        newer = tracked.log(registry, spread=0.0071)["lstm"]
        assert newer.version > champion.version
        assert activated(deployment.refresh.invoke(SCHEDULE)) == first + 1
        assert deployment.refresh.invoke(SCHEDULE).payload["outcome"] == "unchanged"
        assert_serves(deployment, first + 1, newer)
        with front.emulator(image, environ) as cold:
            assert generation(cold.ask(PREDICT)) == first + 1


def test_an_alias_moved_by_hand_is_published_by_a_command(
    step: Steps,
    registry: Registry,
    server: MlflowServer,
    deployment: Deployment,
    environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    chosen = tracked.log(registry)["arima"]
    registry.client.set_registered_model_alias(chosen.name, "champion", str(chosen.version))
    with step(f"MLflow {server.version}: training publish models:/{chosen.name}@champion"):
        count = len(deployment.deliveries)
        done = training(tmp_path, environ, "publish", f"models:/{chosen.name}@champion")
        assert done.returncode == 0, done.stderr
        number = activated(deployment.delivered(count + 1).invocation)
    assert_serves(deployment, number, chosen)
    assert "champion" not in registry.client.get_registered_model("EURUSD_LSTM").aliases


def without_contract() -> onnx.ModelProto:
    """An ONNX model like many, which knows nothing of this contract."""
    value = helper.make_tensor_value_info
    x, y = (value(name, TensorProto.FLOAT, ["batch", 1]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "plain", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def register_strangers(registry: Registry) -> dict[str, Registered]:
    """A model that is ONNX but no champion, and one that is no ONNX at all."""
    client = registry.client
    experiment = client.get_experiment_by_name("strangers")
    number = experiment.experiment_id if experiment else client.create_experiment("strangers")
    with mlflow_client.start_run(experiment_id=number) as run:
        run_id = run.info.run_id
        client.log_text(run_id, "an LSTM, in the form of another library", "keras/model.keras")
        logged = mlflow_client.onnx.log_model(
            without_contract(), name="plain", save_as_external_data=False, pip_requirements=["onnx"]
        )
    sources = {"EURUSD_Plain": (f"models:/{logged.model_id}", logged.model_id)}
    sources["EURUSD_Keras"] = (f"{run.info.artifact_uri}/keras", None)
    found = {}
    for name, (source, model_id) in sources.items():
        client.create_registered_model(name)
        version = client.create_model_version(name, source, run_id=run_id, model_id=model_id)
        client.set_registered_model_alias(name, "champion", version.version)
        found[name] = Registered(name, int(version.version), run_id, "")
    return found


def test_a_registered_model_that_is_no_champion_is_refused_with_the_cure(
    step: Steps,
    registry: Registry,
    server: MlflowServer,
    deployment: Deployment,
    environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    strangers, before = register_strangers(registry), served(deployment)
    for name, version in strangers.items():
        with step(f"MLflow {server.version}: {name} is refused"):
            invocation = deployment.put(old_form(version)).invocation
            assert invocation.error == "Refused", invocation
            message = invocation.payload["errorMessage"]
            assert f"models:/{name}/{version.version}: has no model.onnx" in message
            assert CURE in message
            assert message in [record["reason"] for record in deployment.refused()]
    with step(f"MLflow {server.version}: training publish refuses both"), ThreadPoolExecutor() as pool:
        uris = [f"models:/{name}@champion" for name in strangers]
        for process in pool.map(lambda uri: training(tmp_path, environ, "publish", uri), uris):
            assert process.returncode == 2
            assert "eurusd run" in process.stderr
    assert deployment.refresh.counted("ChampionRefused") == len(strangers)
    assert served(deployment) == before
