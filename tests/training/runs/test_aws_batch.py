"""The shape of the calls to AWS Batch, against moto, which runs no container: states are set by the test."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambda_fn.settings import DEFAULTS
from training.__main__ import main
from training.runs import aws_batch
from training.runs.aws_batch import BatchError, Counts, Jobs

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

STACK = "eurusd-training"
RUN = "EURUSD-20261124T180000Z"
REGION = "eu-central-1"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["BatchClient"]:
    """Queue and job definitions as infra/training.yaml names them; jobs that never start by themselves."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"batch": {"use_docker": False}}):
        client = aws_batch.connect(REGION)
        role = boto3.client("iam", region_name=REGION).create_role(
            RoleName="batch", AssumeRolePolicyDocument="{}", Path="/"
        )["Role"]["Arn"]
        environment = client.create_compute_environment(
            computeEnvironmentName=STACK, type="UNMANAGED", state="ENABLED", serviceRole=role
        )["computeEnvironmentArn"]
        client.create_job_queue(
            jobQueueName=STACK,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
        )
        for name in ("task", "select"):
            client.register_job_definition(
                jobDefinitionName=f"{STACK}-{name}",
                type="container",
                parameters={"run": "none"},
                containerProperties={
                    "image": "training",
                    "vcpus": 1,
                    "memory": 2048,
                    "command": [name, "--run", "Ref::run"],
                },
            )
        yield client


@pytest.fixture
def submitted(client: "BatchClient") -> Jobs:
    return aws_batch.submit(client, STACK, RUN, 3, ["EURUSD"])


class Recorder:
    """What was asked of SubmitJob."""

    def __init__(self, client: "BatchClient") -> None:
        self.requests: list[dict[str, Any]] = []
        client.meta.events.register("provide-client-params.batch.SubmitJob", self._keep)

    def _keep(self, params: dict[str, Any], **_: Any) -> None:
        self.requests.append(params)


def test_tasks_are_an_array_and_the_selection_waits_for_it(client: "BatchClient") -> None:
    recorder = Recorder(client)
    jobs = aws_batch.submit(client, STACK, RUN, 12, ["EURUSD"])
    tasks, select = recorder.requests
    assert tasks["arrayProperties"] == {"size": 12}
    assert (tasks["jobDefinition"], select["jobDefinition"]) == (f"{STACK}-task", f"{STACK}-select")
    assert select["dependsOn"] == [{"jobId": jobs.tasks}]
    assert "arrayProperties" not in select
    for request, name in ((tasks, f"{RUN}-task"), (select, f"{RUN}-select")):
        assert request["jobQueue"] == STACK
        assert request["jobName"] == name
        assert request["parameters"] == {"run": RUN}
        assert request["tags"] == {"run": RUN, "pair": "EURUSD"}


def test_a_single_task_is_no_array_and_is_told_its_index(client: "BatchClient") -> None:
    recorder = Recorder(client)
    aws_batch.submit(client, STACK, RUN, 1, ["EURUSD"])
    assert "arrayProperties" not in recorder.requests[0]
    environment = recorder.requests[0]["containerOverrides"]["environment"]
    assert environment == [{"name": "AWS_BATCH_JOB_ARRAY_INDEX", "value": "0"}]


@pytest.mark.parametrize("size", [0, 10_001])
def test_what_no_array_takes_is_refused_before_any_call(client: "BatchClient", size: int) -> None:
    recorder = Recorder(client)
    with pytest.raises(BatchError, match=rf"^submit: {size} tasks; .* 1 to 10,000: .* --span$"):
        aws_batch.submit(client, STACK, RUN, size, ["EURUSD"])
    assert recorder.requests == []


def test_a_stack_that_is_not_there_is_named_with_the_cure(client: "BatchClient") -> None:
    with pytest.raises(BatchError, match=r"SubmitJob EURUSD.*deploy infra/training.yaml"):
        aws_batch.submit(client, "never", RUN, 3, "EURUSD")


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda self: None)
    with pytest.raises(BatchError, match="no AWS credentials"):
        aws_batch.connect(REGION)


def test_it_follows_the_children_to_a_good_end(client: "BatchClient", submitted: Jobs) -> None:
    shown: list[Counts] = []
    _put(submitted, "RUNNING")

    def pass_time(seconds: float) -> None:
        assert seconds == aws_batch.POLL_S
        _end(submitted, failed=())

    outcome = aws_batch.follow(client, submitted, shown.append, pass_time)
    assert outcome.succeeded
    assert shown == [Counts(0, 0, 3, 3), Counts(3, 0, 0, 3)]


def test_failed_children_are_named_with_the_cure(client: "BatchClient", submitted: Jobs) -> None:
    _end(submitted, failed=(2,))
    outcome = aws_batch.follow(client, submitted, lambda counts: None, lambda seconds: None)
    assert not outcome.succeeded
    assert outcome.notes[0].startswith("error: task 2 failed: ")
    assert len(outcome.notes) == 2
    assert f"eurusd task --run {RUN} --index N`" in outcome.notes[-1]
    assert f"eurusd select --run {RUN}`" in outcome.notes[-1]


def test_a_selection_that_fails_alone_is_told_apart(client: "BatchClient", submitted: Jobs) -> None:
    _end(submitted, failed=(), selection="FAILED")
    outcome = aws_batch.follow(client, submitted, lambda counts: None, lambda seconds: None)
    assert not outcome.succeeded
    (note,) = outcome.notes
    assert note.startswith("error: ") and f" selection of run {RUN} failed: " in note


def test_a_job_that_is_gone_is_an_error(client: "BatchClient", submitted: Jobs) -> None:
    gone = Jobs(RUN, submitted.tasks, "0" * 36, 3)
    with pytest.raises(BatchError, match=f"^run {RUN}: .* job {gone.select}; "):
        aws_batch.follow(client, gone, lambda counts: None, lambda seconds: None)


@pytest.mark.parametrize(("failed", "code"), [((), 0), ((1,), 1)])
def test_the_command_freezes_prints_the_ids_and_ends_as_the_run_does(
    client: "BatchClient",
    failed: tuple[int, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from moto.batch.models import batch_backends

    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
    for name, value in {"STORE_DIR": str(tmp_path), "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def submitted() -> list[str]:
        return [job for job in batch_backends["123456789012"][REGION]._jobs if ":" not in job]  # not the children

    def end(**_: Any) -> None:
        if len(submitted()) == 2:
            tasks, select = submitted()
            _end(Jobs(RUN, tasks, select, 3), failed)

    client.meta.events.register("after-call.batch.SubmitJob", end)
    monkeypatch.setattr(aws_batch, "connect", lambda region: client)
    small = ("--families", "random_walk", "--first-year", "2010", "--run", RUN)
    assert main(["submit", "--stack", STACK, *small, "--json"]) == code
    output = capsys.readouterr()
    told = json.loads(output.out)
    assert (told["run"], told["tasks"], told["task_job"], told["select_job"]) == (RUN, 3, *submitted())
    assert (tmp_path / f"runs/{RUN}/plan.json").is_file()
    assert ("task 1 failed" in output.err) == bool(failed)


def _put(jobs: Jobs, status: str) -> None:
    from moto.batch.models import batch_backends

    known = batch_backends["123456789012"][REGION]._jobs
    for job in (known[jobs.tasks], known[jobs.select], *(known[jobs.tasks]._child_jobs or [])):
        if job.is_alive():
            job.join(timeout=30)  # a thread, which would set another state
        job.status = status


def _end(jobs: Jobs, failed: tuple[int, ...], selection: str = "SUCCEEDED") -> None:
    """Put moto's jobs into the states in which Batch leaves them."""
    from moto.batch.models import batch_backends

    _put(jobs, "RUNNING")
    known = batch_backends["123456789012"][REGION]._jobs
    for child in known[jobs.tasks]._child_jobs or []:
        lost = int(child.job_id.rpartition(":")[2]) in failed
        child.status = "FAILED" if lost else "SUCCEEDED"
        child.status_reason = "Host EC2 (instance i-0) terminated." if lost else None
    known[jobs.tasks].status = "FAILED" if failed else "SUCCEEDED"
    known[jobs.select].status = "FAILED" if failed else selection
