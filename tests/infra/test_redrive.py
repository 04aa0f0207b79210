"""Outputs as variables, and failed events tried again: child processes against moto's server."""

import json
import subprocess

import pytest

from infra import redrive
from tests.support.infra.aws_account import REGION, Account

STACK = "eurusd-forecast"
QUEUES = {f"{name}Failures": {"Type": "AWS::SQS::Queue", "Properties": {}} for name in redrive.FUNCTIONS}
OUTPUTS = {
    "StoreBucket": "a-bucket",
    **{f"{name}Url": {"Ref": name} for name in QUEUES},
    **{f"{name}FunctionName": f"{STACK}-{name}" for name in redrive.FUNCTIONS},
}
DAMAGED = ("no JSON", "[]", "null", "{}", '{"requestPayload": {}, "requestContext": 1}')
SHELL = {"AWS_REGION": REGION}  # all that the runbook sets


@pytest.fixture
def stack(account: Account) -> Account:
    """An account in which the stack was deployed."""
    account.create_stack(STACK, OUTPUTS, QUEUES)
    for name in redrive.FUNCTIONS:
        account.create_function(f"{STACK}-{name}")
    return account


def queue(account: Account, name: str) -> str:
    url: str = account.client("sqs").list_queues(QueueNamePrefix=f"{STACK}-{name}Failures")["QueueUrls"][0]
    return url


def fail(account: Account, name: str, event: object, **more: object) -> None:
    """As Lambda tells a destination of it."""
    body = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event, **more}
    account.client("sqs").send_message(QueueUrl=queue(account, name), MessageBody=json.dumps(body))


def waiting(account: Account, name: str) -> int:
    """Messages that anybody may receive at once."""
    counted = account.client("sqs").get_queue_attributes(QueueUrl=queue(account, name), AttributeNames=["All"])
    return int(counted["Attributes"]["ApproximateNumberOfMessages"])


def test_each_event_goes_to_its_function_once(stack: Account) -> None:
    answer = {"errorType": "EcbError", "errorMessage": "cannot be fetched"}
    fail(stack, "Ingest", {"source": "aws.scheduler"}, responsePayload=answer)
    fail(stack, "Refresh", {})
    done = stack.run("infra.redrive", STACK, **SHELL)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["refresh: RetriesExhausted", "ingest: EcbError: cannot be fetched"]
    assert lines[2].startswith("2 events are retried;")
    assert stack.invoked() == [
        (f"{STACK}-Refresh", "Event", {}),
        (f"{STACK}-Ingest", "Event", {"source": "aws.scheduler"}),
    ]
    again = stack.run("infra.redrive", STACK, **SHELL)
    assert again.stdout.startswith("0 events are retried;"), "the queues are empty"


def test_listing_returns_the_messages_at_once(stack: Account) -> None:
    for number in range(12):  # more than SQS gives at a time
        fail(stack, "Refresh", {"number": number})
    done = stack.run("infra.redrive", STACK, "--keep", **SHELL)
    *lines, total = done.stdout.splitlines()
    assert lines == ["refresh: RetriesExhausted"] * 12 and total.startswith("12 ")
    assert waiting(stack, "Refresh") == 12
    assert stack.invoked() == []


def test_damaged_messages_stay_and_stop_no_other(stack: Account) -> None:
    for body in DAMAGED:
        stack.client("sqs").send_message(QueueUrl=queue(stack, "Refresh"), MessageBody=body)
    fail(stack, "Refresh", {"number": 1})
    done = stack.run("infra.redrive", STACK, **SHELL)
    assert done.returncode == 1
    assert done.stdout.count("damaged") == len(DAMAGED) and "1 events are retried" in done.stdout
    assert waiting(stack, "Refresh") == len(DAMAGED)


def test_an_event_that_lambda_refuses_stays_and_stops_no_other(stack: Account) -> None:
    fail(stack, "Refresh", {})
    fail(stack, "Ingest", {})
    stack.refuse(f"{STACK}-Refresh")
    done = stack.run("infra.redrive", STACK, **SHELL)
    assert done.returncode == 1
    assert "refresh: RetriesExhausted; not retried: " in done.stdout and "1 events are retried" in done.stdout
    assert (waiting(stack, "Refresh"), waiting(stack, "Ingest")) == (1, 0)


def test_messages_that_another_receiver_holds_are_counted(stack: Account) -> None:
    fail(stack, "Refresh", {})
    stack.client("sqs").receive_message(QueueUrl=queue(stack, "Refresh"), VisibilityTimeout=600)
    done = stack.run("infra.redrive", STACK, "--keep", **SHELL)
    first, second = done.stdout.splitlines()
    assert first.startswith("0 ") and second.startswith("1 more ")


def test_it_waits_for_messages(stack: Account) -> None:
    """Long polling asks all of SQS's servers; without it, a queue with messages may look empty."""
    session, asked = stack.session(), list[int]()
    session.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: asked.append(params["WaitTimeSeconds"])
    )
    with stack.variables():
        redrive.redrive(queue(stack, "Refresh"), f"{STACK}-Refresh", session, keep=True)
    assert asked and all(seconds > 0 for seconds in asked)


def test_messages_that_come_twice_are_one_and_end_the_loop(stack: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue so large that the first messages are visible again before the last are received."""
    monkeypatch.setattr(redrive, "VISIBILITY_TIMEOUT_S", 0)
    for number in range(3):
        fail(stack, "Refresh", {"number": number})
    with stack.variables():
        result = redrive.redrive(queue(stack, "Refresh"), f"{STACK}-Refresh", stack.session())
    assert (result.retries, waiting(stack, "Refresh")) == (3, 0)
    assert sorted(event["number"] for _, _, event in stack.invoked()) == [0, 1, 2]


def test_outputs_are_variables_of_the_shell(stack: Account) -> None:
    script = f'eval "$(python -m infra.outputs {STACK})"; unset AWS_ENDPOINT_URL; env'
    done = subprocess.run(["sh", "-euc", script], env={**stack.environ, **SHELL}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    expected = {"STORE_BUCKET": "a-bucket", "S3_BUCKET": "a-bucket", "USE_S3": "true", "STACK": STACK}
    expected |= {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "INGEST_FUNCTION_NAME": f"{STACK}-Ingest"}
    assert expected.items() <= variables.items()


@pytest.mark.parametrize("module", ["infra.outputs", "infra.redrive", "infra.releases"])
def test_an_unknown_stack_is_one_sentence(module: str, account: Account) -> None:
    done = account.run(module, "another", **SHELL)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("another: ") and line.endswith("AWS_REGION and AWS_PROFILE")


@pytest.mark.parametrize("module", ["infra.redrive", "infra.releases"])
def test_the_stack_of_something_else_is_one_sentence(module: str, account: Account) -> None:
    account.create_stack("eurusd-mlflow", {"TrackingUri": "http://any:5000"})
    done = account.run(module, "eurusd-mlflow", **SHELL)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("eurusd-mlflow: ") and "service's stack" in line
