"""The check of a release before it gets requests: the real handlers, through a client that invokes them here."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.release_check import handler as release_check
from lambda_fn import api, ingest, refresh
from lambda_fn.store.dry_run import DryRunStore
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Misconfigured, Missing, Unavailable
from tests.support import ecb_server, foreign
from tests.support.api_gateway import LambdaContext
from tests.support.ecb_server import history
from tests.support.infra.access import allowed
from tests.support.infra.aws_tools import stack

NAMES = {"NEW_VERSION": "api:2", "LIVE_VERSION": "api:live", "REFRESH": "refresh", "INGEST": "ingest"}


class Functions:
    """Lambda: `handlers` by function, of which an exception is a FunctionError."""

    def __init__(self, **handlers: Any) -> None:
        self.handlers = {"api:2": api.handler, "api:live": api.handler, "refresh": refresh.handler} | handlers
        self.handlers.setdefault("ingest", ingest.handler)
        self.requests = 0

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.requests += 1
        try:
            answer = self.handlers[FunctionName](json.loads(Payload), LambdaContext(aws_request_id=str(self.requests)))
        except Exception as error:  # noqa: BLE001
            payload = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(payload.encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    """The store of the functions of this process."""
    for name, value in {"STORE_DIR": str(tmp_path), "USE_S3": "false", "ECB_URL": "http://127.0.0.1:9/none"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(api, "_function", None)
    return FolderStore(tmp_path)


def failures(functions: Functions, environ: Mapping[str, str] = NAMES) -> list[str]:
    return list(release_check.find_failures(functions, environ))


def content(store: FolderStore) -> dict[str, bytes]:
    return {key: store.read(key).data for key in store.list("")}


def respond(status: int) -> Any:
    return lambda event, context: {"statusCode": status, "body": json.dumps({"path": event.get("rawPath")})}


def fail(event: object, context: object) -> None:
    raise ImportError("no module named numpy")


def test_a_release_before_the_first_training_passes(store: FolderStore) -> None:
    """All answers are 503, of the live version too; the ECB does not answer, which is no fault of the release."""
    assert failures(Functions()) == [] and content(store) == {}


def test_the_jobs_do_everything_and_write_nothing(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event, context = {"dry_run": True}, LambdaContext(aws_request_id="1")
    with ecb_server.running() as bank:
        bank.files["hist.zip"] = history(900)
        monkeypatch.setenv("ECB_URL", bank.url("hist.zip"))
        ingested = ingest.handler(event, context)
    assert ingested["dry_run"] and ingested["pairs"]["EURUSD"]["outcome"] == "created"
    assert content(store) == {}
    foreign.publish_to(store)
    before = content(store)
    refreshed = refresh.handler(event, context)["pairs"]["EURUSD"]
    assert (refreshed["outcome"], refreshed["forecast"]["outcome"]) == ("activated", "made")
    assert content(store) == before, "not even a ledger row"
    assert failures(Functions()) == []
    jobs = [line for line in capsys.readouterr().out.splitlines() if '"service":"api"' not in line.replace(" ", "")]
    assert not any("_aws" in line for line in jobs), "nothing is counted"


def test_a_store_that_refuses_for_good_stops_the_release(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as permissions that the release takes away; a store that is down for a while does not."""
    for error, is_failure in ((Misconfigured("forbidden"), True), (Unavailable("slow"), False)):

        def refuse(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(FolderStore, "read", refuse)
        found = [each for each in failures(Functions()) if "dry run of refresh" in each]
        assert bool(found) == is_failure and all("forbidden" in each for each in found)


def test_a_dry_run_reads_what_it_wrote(tmp_path: Path) -> None:
    base = FolderStore(tmp_path)
    base.create("a/1", b"one")
    base.create("a/2", b"two")
    dry = DryRunStore(base)
    assert not dry.create("a/1", b"other") and dry.create("a/3", b"three")
    etag = dry.read("a/1").etag
    assert dry.replace("a/1", b"ONE", etag) and not dry.replace("a/1", b"late", etag)
    dry.delete("a/2")
    with pytest.raises(Missing):
        dry.read("a/2")
    with pytest.raises(Missing):
        dry.head("a/2", 2)
    with pytest.raises(Missing):
        dry.tail("a/2", 2)
    assert dry.list("a") == dry.list("") == ["a/1", "a/3"] and dry.list("b") == []
    assert (dry.read("a/1").data, dry.head("a/3", 2).data, dry.tail("a/3", 2).data) == (b"ONE", b"th", b"ee")
    assert dry.read("a/1", dry.read("a/1").etag) is None and dry.find("a/2") is None
    assert dry.update("a/2", lambda data: (b"new", data)) is None and dry.read("a/2").data == b"new"
    assert dry.update("a/1", lambda data: (b"1", data)) == b"ONE" and dry.read("a/1").data == b"1"
    assert {key: base.read(key).data for key in base.list("")} == {"a/1": b"one", "a/2": b"two"}


@pytest.mark.parametrize("function", ["api:2", "refresh", "ingest"])
def test_a_function_that_cannot_start_stops_the_release(function: str, store: FolderStore) -> None:
    handlers = {"api:2": respond(200), "api:live": respond(200), "refresh": respond(200), "ingest": respond(200)}
    assert failures(Functions(**handlers)) == []
    found = failures(Functions(**{**handlers, function: fail}))
    assert found and all("no module named numpy" in each for each in found)


def test_only_what_the_live_version_does_better_counts(store: FolderStore) -> None:
    others = {"refresh": respond(200), "ingest": respond(200)}
    cases = {(200, 200): 0, (503, 503): 0, (200, 503): 0, (503, 200): 2, (404, 200): 2, (400, 503): 0}
    for (new, live), number in cases.items():
        functions = Functions(**{"api:2": respond(new), "api:live": respond(live), **others})
        found = failures(functions, {**NAMES, "BASE_PATH": "/fx"})
        assert len(found) == number, (new, live)
        assert all(f": {new} " in each and '"path": "/fx/' in each for each in found)


@pytest.mark.parametrize(("new", "status"), [(respond(200), "Succeeded"), (fail, "Failed"), (None, "Failed")])
def test_codedeploy_is_told_in_any_case(
    new: Any, status: str, store: FolderStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {"api:live": respond(200), "refresh": respond(200), "ingest": respond(200)}
    functions, told = Functions(**handlers, **{"api:2": new}), list[dict[str, str]]()
    if new is None:  # Lambda refuses the invocation
        monkeypatch.setattr(functions, "invoke", lambda **_: 1 / 0)

    class CodeDeploy:
        def put_lifecycle_event_hook_execution_status(self, **given: str) -> None:
            told.append(given)

    clients = {"lambda": functions, "codedeploy": CodeDeploy()}
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    for name, value in NAMES.items():
        monkeypatch.setenv(name, value)
    release_check.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}, None)
    assert told == [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": status}]
    assert ('"level": "ERROR"' in capsys.readouterr().out) == (status == "Failed")


def test_the_canary_runs_it_before_traffic_after_the_jobs_are_updated() -> None:
    resources = stack(BasePath="fx", DomainName="x.example.com", CertificateArn="arn:aws:acm:x")
    alias = resources["ApiFunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert alias["BeforeAllowTrafficHook"] == "<ReleaseCheck>"
    check = resources["ReleaseCheck"]["Properties"]
    assert check["FunctionName"] == "CodeDeployHook_eurusd-forecast-dev" and check["Handler"] == "handler.handler"
    variables = check["Environment"]["Variables"]
    assert variables["NEW_VERSION"].startswith("<ApiFunctionVersion") and variables["BASE_PATH"] == "/fx"
    assert (variables["REFRESH"], variables["INGEST"]) == ("<RefreshFunction>", "<IngestFunction>")
    timeouts = [resources[f"{name}Function"]["Properties"]["Timeout"] for name in ("Refresh", "Ingest")]
    assert max(timeouts) < release_check.TIMEOUT_S and sum(timeouts) < check["Timeout"]
    (policy,) = resources["ReleaseCheckRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    for target in ("<ApiFunction.Arn>:7", "<RefreshFunction.Arn>", "<IngestFunction.Arn>"):
        assert allowed(statements, "lambda:InvokeFunction", target)
