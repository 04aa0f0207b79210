"""`python -m infra.redrive STACK`: invoke the functions again with events that have failed, and print why they failed.

Refresh and ingest are idempotent.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import OutputsError, read_outputs
from infra.session import SessionError, open_session

FUNCTIONS = ("Refresh", "Ingest")
VISIBILITY_TIMEOUT_S = 120  # nobody else receives a message while its function is invoked
WAIT_S = 1  # long polling asks all of SQS's servers; a request without it may miss messages
# Every message that a queue has, also those that another receiver holds.
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class Failure(NamedTuple):
    """A message of a failure queue: the event of the function (None if damaged), and why it failed."""

    receipt: str
    event: bytes | None
    reason: str

    @classmethod
    def from_message(cls, message: Any) -> "Failure":
        """Parse a message as Lambda writes it to a destination."""
        try:
            body = json.loads(message["Body"])
            response = body.get("responsePayload") or {}
            error = ": ".join(filter(None, [response.get("errorType"), response.get("errorMessage")]))
            condition = body.get("requestContext", {}).get("condition", "")
            return cls(message["ReceiptHandle"], json.dumps(body["requestPayload"]).encode(), error or condition)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"message {message['MessageId']}: damaged ({type(error).__name__}); it stays in the queue"
            return cls(message["ReceiptHandle"], None, reason)


class RedriveResult(NamedTuple):
    """The result for one queue: a line for each message, the number of retried events, and the number of messages.

    `messages` is SQS's approximate number before the first was received.
    """

    lines: list[str]
    retries: int
    messages: int


def redrive(queue: str, function: str, session: boto3.Session, keep: bool = False) -> RedriveResult:
    """Invoke a function with the events of its queue, and delete each message when its event is accepted.

    A message that is damaged or whose event is not accepted does not stop the others; it stays in the queue. Messages
    that stay can be received again at once.

    Args:
        queue: URL of the failure queue.
        function: Name of the function.
        session: AWS session.
        keep: Only list the messages.
    """
    sqs, functions = session.client("sqs"), session.client("lambda")
    numbers = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(COUNTS))["Attributes"]
    failures, lines, remaining = _receive(queue, sqs), [], []
    for failure in failures:
        lines.append(failure.reason)
        if failure.event is None or keep:
            remaining.append(failure.receipt)
            continue
        try:
            functions.invoke(FunctionName=function, InvocationType="Event", Payload=failure.event)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=failure.receipt)
        except ClientError as error:
            lines[-1] += f"; not retried: {error}"
            remaining.append(failure.receipt)
    for receipt in remaining:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    return RedriveResult(lines, len(failures) - len(remaining), sum(int(numbers[name]) for name in COUNTS))


def _receive(queue: str, sqs: Any) -> list[Failure]:
    """Receive all messages of a queue. Each is hidden until the timeout, so none is received twice."""
    failures: dict[str, Failure] = {}
    while messages := sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_TIMEOUT_S, WaitTimeSeconds=WAIT_S
    ).get("Messages"):
        count = len(failures)
        failures |= {message["MessageId"]: Failure.from_message(message) for message in messages}
        if len(failures) == count:
            break
    return list(failures.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 when AWS refuses, or when messages stay that should have been retried."""
    parser = argparse.ArgumentParser("python -m infra.redrive", description="Retry the failed events of a stack.")
    parser.add_argument("stack", help="name of the stack, e.g. eurusd-forecast")
    parser.add_argument("--keep", action="store_true", help="only list the failed events and their errors")
    args = parser.parse_args(arguments)
    errors, retries, messages = 0, 0, 0
    try:
        session = open_session(os.environ)
        outputs = read_outputs(args.stack, session)
        for name in FUNCTIONS:
            queue, function = outputs[f"{name}FailuresUrl"], outputs[f"{name}FunctionName"]
            result = redrive(queue, function, session, args.keep)
            sys.stdout.writelines(f"{name.lower()}: {line}\n" for line in result.lines)
            errors, retries = errors + len(result.lines), retries + result.retries
            messages += result.messages
    except KeyError as error:
        sys.stderr.write(f"{args.stack}: no output {error}; give the name of the service's stack\n")
        return 1
    except (SessionError, OutputsError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if args.keep:
        sys.stdout.write(f"{errors} failed events are waiting\n")
    else:
        sys.stdout.write(f"{retries} events are retried; see the logs of the functions\n")
    if messages > errors:
        sys.stdout.write(f"{messages - errors} more are held by another receiver; repeat in {VISIBILITY_TIMEOUT_S} s\n")
    return 0 if args.keep or retries == errors else 1


if __name__ == "__main__":
    sys.exit(main())
