"""`python -m infra.redrive STACK`: gives events that failed for good to their functions once more, and says why each
had failed. Refresh and ingest may be called as often as one likes."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import OutputsError, outputs

FUNCTIONS = ("Refresh", "Ingest")
HELD_S = 120  # in which nobody else gets a message that is being given to its function


class Failure(NamedTuple):
    """A message of a queue: what the function was given, and what became of it."""

    receipt: str
    event: Any
    reason: str

    @classmethod
    def of(cls, message: Any) -> "Failure":
        """As Lambda writes it to a destination."""
        body = json.loads(message["Body"])
        answer = body.get("responsePayload") or {}
        words = [answer.get("errorType"), answer.get("errorMessage")]
        condition = body.get("requestContext", {}).get("condition", "")
        return cls(message["ReceiptHandle"], body["requestPayload"], ": ".join(filter(None, words)) or condition)


def failures(queue: str, session: boto3.Session) -> Iterator[Failure]:
    """The messages that wait, each once."""
    sqs = session.client("sqs")
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=HELD_S).get(
        "Messages"
    ):
        yield from map(Failure.of, messages)


def redrive(stack: str, session: boto3.Session, keep: bool = False) -> list[str]:
    """Invokes the functions without waiting for them; a message goes when its function has the event. With `keep` it
    only looks. Gives a line for each; raises OutputsError."""
    found, lines = outputs(stack, session), []
    for name in FUNCTIONS:
        queue, function = found[f"{name}FailuresUrl"], found[f"{name}FunctionName"]
        for failure in failures(queue, session):
            lines.append(f"{name.lower()}: {failure.reason}")
            if not keep:
                event = json.dumps(failure.event).encode()
                session.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=event)
                session.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=failure.receipt)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 after one sentence on standard error when AWS refuses."""
    parser = argparse.ArgumentParser("python -m infra.redrive", description="Try failed events of a stack again.")
    parser.add_argument("stack", help="such as eurusd-forecast")
    parser.add_argument("--keep", action="store_true", help="only say what waits, and why")
    asked = parser.parse_args(arguments)
    try:
        lines = redrive(asked.stack, boto3.Session(), asked.keep)
    except (OutputsError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    again = "wait" if asked.keep else "are tried again; the logs of the functions tell how it goes"
    sys.stdout.write("\n".join([*lines, f"{len(lines)} events {again}"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
