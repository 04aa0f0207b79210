"""One deployment for the whole suite: S3 with notifications, MLflow with its files there, and the image, built once."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import seaweedfs
from tests.support.e2e import mlflow_server, sam
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.containers import docker
from tests.support.e2e.mlflow_server import MlflowServer
from tests.support.e2e.steps import Steps
from tests.support.seaweedfs import S3Server

IMAGE = "eurusd-forecast:test"
TRAINING_IMAGE = "eurusd-training:test"
# Seconds. Tests wait so long for a swap; with less, a server would no longer look into the store beside its answers.
MAX_AGE_S = 1.0


TIMEOUT_S = 1200  # of a test with the servers that it is the first to need, on a loaded machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before the setting of the project, which is for tests of one process."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Says at once, and once, what is missing."""
    for command, cure in (
        (("docker", "version"), "install Docker Engine and start it, or set DOCKER_HOST to one that runs"),
        (("sam", "--version"), "install the AWS SAM CLI (pip install aws-sam-cli, in an environment of its own)"),
    ):
        if not shutil.which(command[0]) or subprocess.run(command, capture_output=True).returncode:
            pytest.exit(f"`{' '.join(command)}` fails: {cure}", returncode=2)


@pytest.fixture(scope="session")
def step(request: pytest.FixtureRequest) -> Steps:
    """Tells each step's time in the log."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    assert reporter and capture

    def write(words: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(words)

    return Steps(write)


@pytest.fixture(scope="session")
def image(step: Steps) -> str:
    """The id of the clone's image. Another clone's run may take the tag meanwhile."""
    with step("docker build: the image"):
        return docker("build", "--quiet", "--file=Dockerfile.lambda", f"--tag={IMAGE}", ".").strip()


@pytest.fixture(scope="session")
def training_image(step: Steps) -> str:
    """The id of the clone's image of training and of the MLflow server."""
    with step("docker build: the training image"):
        return docker("build", "--quiet", "--file=infra/training.Dockerfile", f"--tag={TRAINING_IMAGE}", ".").strip()


@pytest.fixture(scope="session")
def sam_build(step: Steps) -> None:
    """What SAM runs, of the clone as it is."""
    with step("sam build"):
        sam.build()


@pytest.fixture(scope="session")
def bridge() -> Iterator[Bridge]:
    with Bridge() as found:
        yield found


@pytest.fixture(scope="session")
def s3_server(step: Steps, bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all, which tells the bridge of every object."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    bridge.configure(folder)
    with ExitStack() as stack:
        with step("S3: SeaweedFS starts"):
            server = stack.enter_context(seaweedfs.running(folder))
        yield server


@pytest.fixture(scope="session")
def mlflow(step: Steps, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server of the client's version."""
    with ExitStack() as stack:
        with step("MLflow: the server starts"):
            folder = tmp_path_factory.mktemp("mlflow")
            server = stack.enter_context(mlflow_server.running(folder, s3_server.environ()))
        yield server


@pytest.fixture(scope="session")
def old_mlflow(step: Steps, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server of an old version, from an environment of its own."""
    with mlflow_server.running_old(tmp_path_factory.mktemp("old-mlflow"), s3_server.environ(), step) as server:
        yield server


@contextmanager
def empty_bucket(s3_server: S3Server) -> Iterator[Mapping[str, str]]:
    """The variables of a deployment on the bucket of the tests, which is emptied; set in this process too."""
    environ = {**s3_server.environ(), "CHAMPION_MAX_AGE_S": str(MAX_AGE_S)}
    with seaweedfs.variables(environ):
        store = open_store(Settings.from_env(environ))
        for key in store.list(""):
            store.delete(key)
        yield environ


@pytest.fixture
def store_environ(s3_server: S3Server) -> Iterator[Mapping[str, str]]:
    """Only buckets here: a Lambda function has no folder."""
    with empty_bucket(s3_server) as environ:
        yield environ
