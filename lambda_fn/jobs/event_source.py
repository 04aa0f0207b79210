"""What an event that reaches the refresh function is: a name for the log, and the pairs whose pointers it can concern.

Refresh reads the pointer, never the event: events repeat, arrive out of order and get lost, and activating is
idempotent. So whatever is not known activates, too, and every pair. Nothing is done only for events that are known to
be of something else: all of other objects, of a pair that is not served, or S3's test event.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote_plus

MAX_DEPTH = 4  # S3 in SNS in SQS takes three
MAX_NAMES = 5
MAX_NAME = 200
_SCHEDULERS = ("aws.events", "aws.scheduler")
_ENVELOPES = {"aws:sqs": ("SQS", ("body",)), "aws:sns": ("SNS", ("Sns", "Message"))}


class Trigger(NamedTuple):
    """`pairs` are those that the event can concern, in the order in which they are served; none when it is known and of
    something else."""

    name: str
    pairs: tuple[str, ...]


Pointers: TypeAlias = Mapping[str, str]
"""The pairs that are served by the keys of their pointers."""


def recognise(event: object, pointers: Pointers) -> Trigger:
    """Of any JSON. Never raises.

    Knows S3 notifications of any version, directly or in an SQS or SNS envelope, a record or a list of records, S3
    events of EventBridge and of CloudTrail, {"bucket": ..., "key": ...}, schedules of EventBridge, S3's test event and
    a manual invocation: {}, {"force": true} or {"rollback": true}, each also with "pair".
    """
    found = list(_triggers(event, pointers, 0))
    names = list(dict.fromkeys(trigger.name[:MAX_NAME] for trigger in found))
    more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    concerned = {pair for trigger in found for pair in trigger.pairs}
    return Trigger(", ".join(names[:MAX_NAMES] + more), tuple(pair for pair in pointers.values() if pair in concerned))


def _triggers(event: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    """At least one."""
    every = tuple(pointers.values())
    if isinstance(event, list) and event and depth <= MAX_DEPTH:
        for record in event:
            yield from _of_record(record, pointers, depth)
    elif not isinstance(event, dict) or depth > MAX_DEPTH:
        yield Trigger("unknown event", every)
    elif "rollback" in event:
        yield _by_hand("rollback by hand", event, every)
    elif event.keys() <= {"force", "pair"}:
        yield _by_hand("manual invocation", event, every)
    elif isinstance(records := event.get("Records"), list) and records:
        for record in records:
            yield from _of_record(record, pointers, depth)
    elif event.get("Event") == "s3:TestEvent":
        yield Trigger("S3 test event", ())
    elif event.get("Type") == "Notification":
        yield from _inside("SNS", event.get("Message"), pointers, depth)
    elif event.get("source") == "aws.s3":
        key = _at(event, "detail", "object", "key") or _at(event, "detail", "requestParameters", "key")  # CloudTrail's
        yield _of_object("EventBridge S3", event.get("detail-type"), key, pointers)
    elif event.get("source") in _SCHEDULERS:
        yield Trigger("schedule", every)
    elif "s3" in event or "eventSource" in event or "EventSource" in event:
        yield from _of_record(event, pointers, depth)
    elif event.keys() == {"bucket", "key"}:
        yield _of_object("object", "named", event["key"], pointers)
    else:
        yield Trigger("unknown event", every)


def _by_hand(name: str, event: Mapping[str, Any], every: tuple[str, ...]) -> Trigger:
    if (asked := event.get("pair")) is None:
        return Trigger(name, every)
    served = [pair for pair in every if pair == asked]
    return Trigger(f"{name} of {asked if served else f'{asked!r}, which is none of {_listed(every)}'}", tuple(served))


def _listed(pairs: Sequence[str]) -> str:
    shown = list(pairs[:MAX_NAMES]) + ([f"{len(pairs) - MAX_NAMES} more"] if len(pairs) > MAX_NAMES else [])
    return ", ".join(shown)


def _of_record(record: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    source = _at(record, "eventSource") or _at(record, "EventSource")
    if isinstance(source, str) and source in _ENVELOPES:
        name, path = _ENVELOPES[source]
        yield from _inside(name, _at(record, *path), pointers, depth)
    elif _at(record, "s3") is not None:
        version = _at(record, "eventVersion")
        yield _of_object(f"S3 event {version}", _at(record, "eventName"), _at(record, "s3", "object", "key"), pointers)
    else:
        yield Trigger("unknown record", tuple(pointers.values()))


def _of_object(name: str, what: object, found: object, pointers: Pointers) -> Trigger:
    """S3 encodes the keys of its notifications as forms do, EventBridge gets them as they are, and some servers encode
    them twice."""
    if not isinstance(found, str):
        return Trigger(f"{name} without a key", tuple(pointers.values()))
    plain = unquote_plus(found)
    concerned = dict.fromkeys(pointers[key] for key in (found, plain, unquote_plus(plain)) if key in pointers)
    return Trigger(f"{name} {what} of {plain}", tuple(concerned))


def _inside(name: str, text: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    """What an envelope holds as text."""
    try:
        held = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        held = None
    for trigger in _triggers(held, pointers, depth + 1):
        yield trigger._replace(name=f"{name}: {trigger.name}")


def _at(found: object, *path: str) -> Any:
    """The value at the path, None where there is none."""
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
