"""`python -m infra.redrive STACK`: invoke the functions again with events that have failed, and print why they failed.

Refresh and ingest are idempotent.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import OutputsError, read_outputs

FUNCTIONS = ("Refresh", "Ingest")
VISIBILITY_TIMEOUT_S = 120  # nobody else receives a message while its function is invoked


class Failure(NamedTuple):
    """A message of a failure queue: the event of the function, and why it failed."""

    receipt: str
    event: Any
    reason: str

    @classmethod
    def from_message(cls, message: Any) -> "Failure":
        """Parse a message as Lambda writes it to a destination."""
        body = json.loads(message["Body"])
        response = body.get("responsePayload") or {}
        error = ": ".join(filter(None, [response.get("errorType"), response.get("errorMessage")]))
        condition = body.get("requestContext", {}).get("condition", "")
        return cls(message["ReceiptHandle"], body["requestPayload"], error or condition)


def receive_failures(queue: str, session: boto3.Session) -> Iterator[Failure]:
    """Yield the messages of a queue, each once."""
    sqs = session.client("sqs")
    while messages := sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_TIMEOUT_S
    ).get("Messages"):
        yield from map(Failure.from_message, messages)


def redrive(stack: str, session: boto3.Session, keep: bool = False) -> list[str]:
    """Invoke the functions asynchronously, and delete each message when its function has accepted the event.

    With `keep` it only lists. Returns a line for each message. Raises OutputsError.
    """
    outputs, lines = read_outputs(stack, session), []
    for name in FUNCTIONS:
        queue, function = outputs[f"{name}FailuresUrl"], outputs[f"{name}FunctionName"]
        for failure in receive_failures(queue, session):
            lines.append(f"{name.lower()}: {failure.reason}")
            if not keep:
                event = json.dumps(failure.event).encode()
                session.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=event)
                session.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=failure.receipt)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 after one line on standard error when AWS refuses."""
    parser = argparse.ArgumentParser("python -m infra.redrive", description="Retry the failed events of a stack.")
    parser.add_argument("stack", help="name of the stack, e.g. eurusd-forecast")
    parser.add_argument("--keep", action="store_true", help="only list the failed events and their errors")
    args = parser.parse_args(arguments)
    try:
        lines = redrive(args.stack, boto3.Session(), args.keep)
    except (OutputsError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    result = "failed events are waiting" if args.keep else "events are retried; see the logs of the functions"
    sys.stdout.write("\n".join([*lines, f"{len(lines)} {result}"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
