"""Outputs as variables, and failed events tried again: against a simulation of CloudFormation, SQS and Lambda."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra import outputs, redrive

STACK = "eurusd-forecast"
QUEUES = {f"{name}Failures": {"Type": "AWS::SQS::Queue", "Properties": {}} for name in ("Refresh", "Ingest")}
TEMPLATE = {
    "Resources": QUEUES,
    "Outputs": {
        "StoreBucket": {"Value": "a-bucket"},
        **{f"{name}Url": {"Value": {"Ref": name}} for name in QUEUES},
        **{f"{name}FunctionName": {"Value": f"{STACK}-{name}"} for name in ("Refresh", "Ingest")},
    },
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """An account in which the stack was deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        made = boto3.Session()
        made.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        yield made


@pytest.fixture
def invoked(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Lambda is asked for: the simulation has no functions."""
    asked: list[dict[str, Any]] = []
    session.events.register("provide-client-params.lambda.Invoke", lambda params, **_: asked.append(params))
    session.events.register("before-call.lambda.Invoke", lambda **_: (_Answered(), {"StatusCode": 202}))
    monkeypatch.setattr(boto3, "Session", lambda: session)
    return asked


class _Answered:
    status_code = 202


def fail(session: boto3.Session, output: str, event: object, **more: object) -> None:
    """As Lambda tells a destination of it."""
    queue = outputs.read_outputs(STACK, session)[output]
    body = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event, **more}
    session.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))


def test_each_event_goes_to_its_function_once(
    session: boto3.Session, invoked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"errorType": "EcbError", "errorMessage": "cannot be fetched"}
    fail(session, "IngestFailuresUrl", {"source": "aws.scheduler"}, responsePayload=answer)
    fail(session, "RefreshFailuresUrl", {})
    assert redrive.main([STACK]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["refresh: RetriesExhausted", "ingest: EcbError: cannot be fetched"]
    assert [(each["FunctionName"], json.loads(each["Payload"])) for each in invoked] == [
        (f"{STACK}-Refresh", {}),
        (f"{STACK}-Ingest", {"source": "aws.scheduler"}),
    ]
    assert {each["InvocationType"] for each in invoked} == {"Event"}
    assert redrive.redrive(STACK, session) == [], "the queues are empty"


def test_looking_takes_nothing(session: boto3.Session, invoked: list[dict[str, Any]]) -> None:
    fail(session, "RefreshFailuresUrl", {})
    assert redrive.redrive(STACK, session, keep=True) == ["refresh: RetriesExhausted"]
    queue = outputs.read_outputs(STACK, session)["RefreshFailuresUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counted = session.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert sum(map(int, counted.values())) == 1
    assert invoked == []


def test_outputs_are_variables_of_the_shell(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert outputs.main([STACK]) == 0
    script = capsys.readouterr().out + 'echo "$STORE_BUCKET $S3_BUCKET $USE_S3 $AWS_REGION $INGEST_FUNCTION_NAME"'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["a-bucket", "a-bucket", "true", "eu-central-1", f"{STACK}-Ingest"]


def test_an_unknown_stack_is_one_sentence(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert outputs.main(["another"]) == redrive.main(["another"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors and all(re.fullmatch(r"another: .*; .* AWS_REGION and AWS_PROFILE", line) for line in errors)
