"""A frozen run on AWS Batch: its tasks as one array job, and the selection as a job that depends on it.

`infra/training.yaml` creates the queue and the job definitions: `<stack>`, `<stack>-task` and `<stack>-select`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from training.errors import NamedError

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

MAX_CHILDREN = 10_000  # of an array job: docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
POLL_S = 10.0
FINAL_STATUSES = ("SUCCEEDED", "FAILED")


class BatchError(NamedError, RuntimeError):
    """AWS Batch cannot be used; the message names what is wrong and the cure."""


@dataclass(frozen=True)
class Jobs:
    """Ids of the submitted jobs, with the name of their run and its number of tasks."""

    run: str
    tasks: str
    select: str
    size: int


class Counts(NamedTuple):
    """Children of the array job by status."""

    succeeded: int
    failed: int
    running: int
    size: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.running} running{failed}"


class Outcome(NamedTuple):
    """The end of a run, and sentences to print."""

    succeeded: bool
    notes: tuple[str, ...]


def connect(region: str) -> "BatchClient":
    """Create a client that retries with backoff when it is throttled; raises BatchError without credentials."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=region)
    if session.get_credentials() is None:
        raise BatchError("submit: no AWS credentials found; set AWS_PROFILE or sign in with `aws sso login`")
    client: BatchClient = session.client("batch", config=Config(retries={"mode": "adaptive", "total_max_attempts": 8}))
    return client


def submit(client: "BatchClient", stack: str, run: str, size: int, pairs: Sequence[str]) -> Jobs:
    """Submit the tasks 0 to size - 1 of a frozen run, and its selection after them; raises BatchError.

    Args:
        client: A client of AWS Batch.
        stack: The name of the CloudFormation stack of the queue and the job definitions.
        run: The name of the frozen run.
        size: Its number of tasks.
        pairs: Its pairs.
    """
    if not 1 <= size <= MAX_CHILDREN:
        raise BatchError(f"submit: {size} tasks; an array job can have 1 to {MAX_CHILDREN:,}: choose a larger --span")
    common: dict[str, Any] = {
        "jobQueue": stack,
        "parameters": {"run": run},
        "tags": {"run": run, "pair": pairs[0] if len(pairs) == 1 else f"{len(pairs)} pairs"},
        "propagateTags": True,
    }
    # An array has at least two children; a single task is a plain job with its index in the environment.
    single = {"containerOverrides": {"environment": [{"name": "AWS_BATCH_JOB_ARRAY_INDEX", "value": "0"}]}}
    shape = {"arrayProperties": {"size": size}} if size > 1 else single
    tasks = _submit_job(client, jobName=f"{run}-task", jobDefinition=f"{stack}-task", **shape, **common)
    dependency = {"dependsOn": [{"jobId": tasks}]}
    select = _submit_job(client, jobName=f"{run}-select", jobDefinition=f"{stack}-select", **dependency, **common)
    return Jobs(run, tasks, select, size)


def follow(
    client: "BatchClient",
    jobs: Jobs,
    show: Callable[[Counts], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Poll until the selection has ended, showing the children's counts; raises BatchError when a job no longer exists.

    Args:
        client: A client of AWS Batch.
        jobs: The submitted jobs.
        show: Called with the counts after each poll.
        sleep: Called with the seconds between polls.
    """
    while True:
        with _named_errors("DescribeJobs"):
            response = client.describe_jobs(jobs=[jobs.tasks, jobs.select])
        descriptions: dict[str, Any] = {job["jobId"]: job for job in response["jobs"]}
        if missing := {jobs.tasks, jobs.select} - set(descriptions):
            raise BatchError(
                f"run {jobs.run}: Batch has no job {sorted(missing)[0]}; it may have been deleted: submit the run again"
            )
        tasks, select = descriptions[jobs.tasks], descriptions[jobs.select]
        summary = tasks.get("arrayProperties", {}).get("statusSummary", {}) if jobs.size > 1 else {tasks["status"]: 1}
        show(Counts(summary.get("SUCCEEDED", 0), summary.get("FAILED", 0), summary.get("RUNNING", 0), jobs.size))
        if select["status"] in FINAL_STATUSES:
            break
        sleep(POLL_S)
    if select["status"] == "SUCCEEDED":
        return Outcome(True, (f"run {jobs.run} was selected and published",))
    if tasks["status"] != "FAILED":
        reason = select.get("statusReason", "Batch gives no reason")
        return Outcome(False, (f"error: the selection of run {jobs.run} failed: {reason}{_log_stream(select)}",))
    cure = (
        f"run a task again with `eurusd task --run {jobs.run} --index N`, then `eurusd select "
        f"--run {jobs.run}`, which leaves out families without results"
    )
    return Outcome(False, (*_describe_failures(client, jobs, tasks), cure))


def _describe_failures(client: "BatchClient", jobs: Jobs, tasks: Mapping[str, Any]) -> list[str]:
    """A sentence for each child that failed."""
    if jobs.size == 1:
        return [f"error: task 0 failed: {tasks.get('statusReason', 'no reason given')}{_log_stream(tasks)}"]
    pages = client.get_paginator("list_jobs").paginate(arrayJobId=jobs.tasks, jobStatus="FAILED")
    children = [child for page in pages for child in page["jobSummaryList"]]
    reasons = {int(child["jobId"].rpartition(":")[2]): child.get("statusReason") for child in children}
    return [f"error: task {index} failed: {reason or 'no reason given'}" for index, reason in sorted(reasons.items())]


def _log_stream(job: Mapping[str, Any]) -> str:
    stream = job.get("container", {}).get("logStreamName")
    return f" (log stream {stream})" if stream else ""


def _submit_job(client: "BatchClient", **request: Any) -> str:
    with _named_errors(f"SubmitJob {request['jobName']}"):
        return str(client.submit_job(**request)["jobId"])


@contextmanager
def _named_errors(call: str) -> Iterator[None]:
    """Turn botocore's errors into one that names the call and the cure."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        cure = "deploy infra/training.yaml, name its stack with --stack, and use credentials that may submit jobs"
        raise BatchError(f"{call}: {error}; {cure}") from error
