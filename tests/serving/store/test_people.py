"""Commands on a laptop, each in a process of its own, against a real S3 server: with a profile, and with nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import ecb_server, foreign, seaweedfs
from tests.support.laptop import KEYS, process
from tests.support.recorder import Asked, Reply, recording
from tests.support.server_process import command, running, variables

WITHOUT_BOTO3 = "import sys; sys.modules['botocore.session'] = None; from {0} import main; sys.exit(main({1}))"
ROLE = "/latest/meta-data/iam/security-credentials/"
OPENED = """
import os, sys
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from lambda_fn.store.command_line import exit_code
from lambda_fn.store.object_store import Unavailable
for patient in (False, True):
    store = open_store(Settings.from_env(os.environ), patient)
    for call in (lambda: store.read("a"), lambda: store.create("a", b"1"), lambda: store.list("models")):
        try:
            call()
        except Unavailable as error:
            print(exit_code(error), error)
"""


def environ_of(laptop: Mapping[str, str], **more: str) -> dict[str, str]:
    """Of a process: what the tests' own has, without any credentials."""
    inherited = {name: value for name, value in variables({}).items() if name not in KEYS}
    return {**inherited, **laptop, **more}


def ran(environ: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    call = [sys.executable, *arguments]
    return subprocess.run(call, cwd=environ["HOME"], env=environ, capture_output=True, text=True, check=False)


def no_role(asked: Asked) -> Reply:
    """As a machine of EC2 without a role answers: a token, and nothing under it."""
    return Reply(200, b"a-token") if asked.path == "/latest/api/token" else Reply(404, b"")


@contextmanager
def refusing() -> Iterator[str]:
    """Nobody listens there, as on a laptop, where the address is unreachable."""
    yield "http://127.0.0.1:9"


@contextmanager
def answering(answer: Callable[[Asked], Reply]) -> Iterator[str]:
    with recording(answer) as server:
        yield server.address
    assert server.asked, "obstore did ask it"


NO_CREDENTIALS = (
    r"bucket test-bucket in us-east-1 as the role .*: .*"
    r"; .*\bno credentials\b.*: .*\bAWS_PROFILE\b.*\bAWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
MACHINES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "nobody listens": refusing,
    "nothing is known": lambda: answering(lambda _: Reply(404, b"")),
    "a machine without a role": lambda: answering(no_role),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_who_has_no_credentials_at_all_is_told_place_identity_and_cure(laptop: dict[str, str], machine: str) -> None:
    with MACHINES[machine]() as metadata:
        done = ran(environ_of(laptop, AWS_METADATA_ENDPOINT=metadata), "-c", OPENED)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    for line in lines:
        assert re.fullmatch(f"2 {NO_CREDENTIALS}", line), line


@pytest.mark.parametrize("module", ["lambda_fn.refresh", "lambda_fn.ingest", "training"])
def test_a_command_without_credentials_ends_with_2_and_that_sentence(laptop: dict[str, str], module: str) -> None:
    with ecb_server.running() as bank, refusing() as metadata:
        bank.files["history.zip"] = ecb_server.history(20)
        environ = environ_of(laptop, AWS_METADATA_ENDPOINT=metadata, ECB_URL=bank.url("history.zip"))
        done = ran(environ, "-m", module, *(["status"] if module == "training" else []))
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert re.search(NO_CREDENTIALS, said)
    assert "Traceback" not in done.stderr


def test_the_server_without_credentials_says_so_in_its_log_and_not_to_callers(laptop: dict[str, str]) -> None:
    with refusing() as metadata:
        environ = environ_of(laptop, AWS_METADATA_ENDPOINT=metadata)
        with running(Path(laptop["HOME"]), environ) as server:
            answer = server.ask("GET", "/api/predict")
    assert answer.status == 503 and "test-bucket" not in json.dumps(answer.json)
    log = server.log.read_text()
    assert re.search(NO_CREDENTIALS, log)


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_server_works_with_a_profile(laptop: dict[str, str], bucket_environ: Mapping[str, str], where: str) -> None:
    settings = Settings.from_env(bucket_environ)
    with seaweedfs.variables(bucket_environ):
        store = open_store(settings)
        foreign.publish_to(store)
        assert refresh(store, settings, datetime.now(UTC)).activation.outcome == "activated"
    process(laptop["HOME"], 3600)
    environ = environ_of(laptop)
    if where == ".env":
        Path(laptop["HOME"], ".env").write_text("AWS_PROFILE=work\n")
    else:
        environ["AWS_PROFILE"] = "work"
    with running(Path(laptop["HOME"]), environ, "--processes", "2") as server:
        answer = server.ask("GET", "/api/predict")
    assert (answer.status, answer.json["champion"]["generation"]) == (200, 1), server.log.read_text()


def test_the_ingest_works_with_a_profile(laptop: dict[str, str], bucket_environ: Mapping[str, str]) -> None:
    process(laptop["HOME"], 3600)
    with ecb_server.running() as bank:
        bank.files["history.zip"] = ecb_server.history(20)
        environ = environ_of(laptop, AWS_PROFILE="work", ECB_URL=bank.url("history.zip"))
        done = ran(environ, "-m", "lambda_fn.ingest", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "created"
    with seaweedfs.variables(bucket_environ):
        assert open_store(Settings.from_env(bucket_environ)).read("prices/EURUSD-ecb.csv").data.count(b"\n") == 21


@pytest.mark.parametrize("module", ["lambda_fn.server.__main__", "lambda_fn.ingest", "lambda_fn.refresh"])
def test_where_only_serving_is_installed_a_profile_is_answered_with_what_to_set(
    laptop: dict[str, str], module: str
) -> None:
    """In one sentence, before anything is done: no server that can serve nothing, no file of the bank's fetched."""
    process(laptop["HOME"], 3600)
    arguments = command("--port", "0")[3:] if "server" in module else []
    done = ran(environ_of(laptop, AWS_PROFILE="work"), "-c", WITHOUT_BOTO3.format(module, arguments))
    assert done.returncode == 2, done.stderr
    (sentence,) = done.stderr.splitlines()
    assert re.match(r"AWS_PROFILE: work .*\bboto3\b.*; .*aws configure export-credentials\b", sentence)
