"""Planted secrets, of every kind that is given to the service, come out of it nowhere: not in answers, not in logs, not
in what commands print, whether things work or fail."""

import http.client
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

import lambda_fn.ingest
import lambda_fn.record.__main__
import lambda_fn.refresh
import training.__main__
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.local_api import START
from tests.support.server_process import running

SECRET = "hunter2hunter2hunter2"
NOBODY = "127.0.0.1:9"  # nothing listens there
KEYS = {"AWS_ACCESS_KEY_ID": "known", "AWS_SECRET_ACCESS_KEY": "known"}  # without them a call ends before the endpoint
# Each kind alone, as the first that is wrong would hide the others.
PLANTED: dict[str, dict[str, str]] = {
    "access key": {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ACCESS_KEY_ID": "known"},
    "session token": {"AWS_SESSION_TOKEN": SECRET, "AWS_ACCESS_KEY_ID": "known", "AWS_SECRET_ACCESS_KEY": "known"},
    "endpoint": {"AWS_ENDPOINT_URL_S3": f"http://user:{SECRET}@{NOBODY}", **KEYS},
    "endpoint with an @": {"AWS_ENDPOINT_URL_S3": f"http://user:p@{SECRET}@{NOBODY}", **KEYS},
    "endpoint's query": {"AWS_ENDPOINT_URL_S3": f"http://{NOBODY}/?token={SECRET}", **KEYS},
    "source of prices": {"ECB_URL": f"https://user:{SECRET}@{NOBODY}/hist.zip"},
    "source's query": {"ECB_URL": f"https://{NOBODY}/hist.zip?token={SECRET}"},
    "registry": {"MLFLOW_TRACKING_URI": f"http://user:{SECRET}@{NOBODY}"},
    "registry with an @": {"MLFLOW_TRACKING_URI": f"http://user:p@{SECRET}@{NOBODY}"},
    "registry's password": {
        "MLFLOW_TRACKING_PASSWORD": SECRET,
        "MLFLOW_TRACKING_USERNAME": "user",
        "MLFLOW_TRACKING_URI": f"http://{NOBODY}",
    },
    "registry's token": {"MLFLOW_TRACKING_TOKEN": SECRET, "MLFLOW_TRACKING_URI": f"http://{NOBODY}"},
    "registry's token with a line end": {
        "MLFLOW_TRACKING_TOKEN": f"{SECRET}\n{SECRET}",
        "MLFLOW_TRACKING_URI": f"http://{NOBODY}",
    },
    "registry's database": {"MLFLOW_TRACKING_URI": f"postgresql://user:{SECRET}@{NOBODY}/db"},
    "endpoint of all services": {"AWS_ENDPOINT_URL": f"http://user:{SECRET}@{NOBODY}", **KEYS},
    "token of a container": {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": SECRET,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{NOBODY}/credentials?id={SECRET}",
    },
    "signed address of a bucket": {"S3_BUCKET": f"https://b.example/?X-Amz-Signature={SECRET}", **KEYS},
    "signing key": {"CHAMPION_SIGNING_KEY": SECRET},
}
BUCKET = {"USE_S3": "true", "S3_BUCKET": "bucket", "AWS_ENDPOINT_URL_S3": f"http://{NOBODY}"}
Command = Callable[[Sequence[str]], int]
COMMANDS: tuple[tuple[Command, list[str]], ...] = (
    (lambda_fn.refresh.main, []),
    (lambda_fn.ingest.main, []),
    (lambda_fn.record.__main__.main, []),
    (training.__main__.main, ["status"]),
    (training.__main__.main, ["publish", "models:/EURUSD_ARIMA@challenger"]),
)


@pytest.mark.parametrize("kind", PLANTED)
def test_no_command_tells_a_secret(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for place in (BUCKET, {"STORE_DIR": str(tmp_path)}):
        with monkeypatch.context() as inner:
            for name, value in {**place, **PLANTED[kind]}.items():
                inner.setenv(name, value)
            for main, arguments in COMMANDS:
                with suppress(SystemExit):
                    main(arguments)
                said = "".join(capfd.readouterr())
                assert said, "it did something"
                assert SECRET not in said, arguments


def test_no_server_tells_a_secret(tmp_path: Path) -> None:
    environ = {"STORE_DIR": str(tmp_path / "store")}
    settings = Settings.from_env(environ)
    foreign.publish_to(open_store(settings))
    refresh(open_store(settings), settings, START)
    with running(tmp_path, environ | PLANTED["registry's password"] | PLANTED["access key"]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        answers = ""
        for path in ("/health", "/api/predict", "/api/champion", "/"):
            for target in (path, f"{path}?token={SECRET}"):
                connection.request(
                    "GET", target, headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}"}
                )
                answers += connection.getresponse().read().decode()
        connection.request("POST", "/api/predict", f'{{"close": ["{SECRET}"]}}')
        refused = connection.getresponse().read().decode()
        connection.close()
    assert "unknown query parameter token" in answers
    assert SECRET not in answers
    assert "close[0]" in refused, "who sent it is told what it was, and nobody else"
    assert SECRET not in server.log.read_text()


def test_settings_show_no_secret() -> None:
    environ = {**BUCKET, "MLFLOW_TRACKING_URI": f"http://user:{SECRET}@{NOBODY}", "CHAMPION_SIGNING_KEY": SECRET}
    assert SECRET not in repr(Settings.from_env(environ))
