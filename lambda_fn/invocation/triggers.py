"""What an event that reaches the refresh function is: a name for the log, and whether it can concern the pointer.

Refresh reads the pointer, never the event: events repeat, arrive out of order and get lost, and activating is
idempotent. So whatever is not known activates, too. Nothing is done only for events that are known to be of something
else: all of other objects, or S3's test event.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

MAX_DEPTH = 4  # S3 in SNS in SQS takes three
MAX_NAMES = 5
MAX_NAME = 200
_SCHEDULERS = ("aws.events", "aws.scheduler")
_ENVELOPES = {"aws:sqs": ("SQS", ("body",)), "aws:sns": ("SNS", ("Sns", "Message"))}


class Trigger(NamedTuple):
    """`wanted` is False when the event is known and of something else than the pointer."""

    name: str
    wanted: bool


def recognise(event: object, key: str) -> Trigger:
    """Of any JSON; `key` is the pointer's. Never raises.

    Knows S3 notifications of any version, directly or in an SQS or SNS envelope, S3 events of EventBridge, schedules
    of EventBridge, S3's test event and a manual invocation: {}, {"force": true} or {"rollback": true}.
    """
    found = list(_triggers(event, key, 0))
    names = list(dict.fromkeys(trigger.name[:MAX_NAME] for trigger in found))
    more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return Trigger(", ".join(names[:MAX_NAMES] + more), any(trigger.wanted for trigger in found))


def _triggers(event: object, key: str, depth: int) -> Iterator[Trigger]:
    """At least one."""
    if not isinstance(event, dict) or depth > MAX_DEPTH:
        yield Trigger("unknown event", True)
    elif "rollback" in event:
        yield Trigger("rollback by hand", True)
    elif event.keys() <= {"force"}:
        yield Trigger("manual invocation", True)
    elif isinstance(records := event.get("Records"), list) and records:
        for record in records:
            yield from _of_record(record, key, depth)
    elif event.get("Event") == "s3:TestEvent":
        yield Trigger("S3 test event", False)
    elif event.get("Type") == "Notification":
        yield from _inside("SNS", event.get("Message"), key, depth)
    elif event.get("source") == "aws.s3":
        yield _of_object("EventBridge S3", event.get("detail-type"), _at(event, "detail", "object", "key"), key)
    elif event.get("source") in _SCHEDULERS:
        yield Trigger("schedule", True)
    else:
        yield Trigger("unknown event", True)


def _of_record(record: object, key: str, depth: int) -> Iterator[Trigger]:
    source = _at(record, "eventSource") or _at(record, "EventSource")
    if isinstance(source, str) and source in _ENVELOPES:
        name, path = _ENVELOPES[source]
        yield from _inside(name, _at(record, *path), key, depth)
    elif _at(record, "s3") is not None:
        version = _at(record, "eventVersion")
        yield _of_object(f"S3 event {version}", _at(record, "eventName"), _at(record, "s3", "object", "key"), key)
    else:
        yield Trigger("unknown record", True)


def _of_object(name: str, what: object, found: object, key: str) -> Trigger:
    """S3 encodes the keys of its notifications as forms do, EventBridge gets them as they are."""
    if not isinstance(found, str):
        return Trigger(f"{name} without a key", True)
    plain = unquote_plus(found)
    return Trigger(f"{name} {what} of {plain}", key in (found, plain))


def _inside(name: str, text: object, key: str, depth: int) -> Iterator[Trigger]:
    """What an envelope holds as text."""
    try:
        held = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        held = None
    for trigger in _triggers(held, key, depth + 1):
        yield trigger._replace(name=f"{name}: {trigger.name}")


def _at(found: object, *path: str) -> Any:
    """The value at the path, None where there is none."""
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
