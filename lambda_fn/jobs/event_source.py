"""Recognise the events of the refresh function: a name for the log, and the pairs whose pointers may have changed.

Refresh reads the pointer and not the event: events repeat, arrive out of order and get lost, and activation is
idempotent. So an unknown event refreshes every pair. Only events that are known to concern something else are ignored:
other objects, a pair that is not served, or S3's test event.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote_plus

from lambda_fn import fields
from lambda_fn.fields import ContractError
from lambda_fn.registry.webhook import ALIAS, AliasEvent
from lambda_fn.store import schema

MAX_DEPTH = 4  # S3 in SNS in SQS takes three
MAX_NAMES = 5
MAX_NAME = 200
_ALIAS_EVENT = schema.object_of({"model": schema.NAME, "sent_at": schema.MOMENT})
_SCHEDULERS = ("aws.events", "aws.scheduler")
_ENVELOPES = {"aws:sqs": ("SQS", ("body",)), "aws:sns": ("SNS", ("Sns", "Message"))}


class Trigger(NamedTuple):
    """The name of an event, and the pairs that it can concern, in the order in which they are served.

    `pairs` is empty if the event is known to concern something else.
    """

    name: str
    pairs: tuple[str, ...]


Pointers: TypeAlias = Mapping[str, str]
"""The served pairs by the keys of their pointers."""


def recognise(event: object, pointers: Pointers) -> Trigger:
    """Return the trigger of an event, which may be any JSON. Never raises.

    Recognises S3 notifications of any version, directly or in an SQS or SNS envelope, a record or a list of records, S3
    events of EventBridge and of CloudTrail, {"bucket": ..., "key": ...}, schedules of EventBridge, S3's test event, an
    alias in MLflow ({"alias": "champion", "model": ..., "sent_at": ...}) and a manual invocation: {}, {"force": true}
    or {"rollback": true}, each also with "pair".
    """
    triggers = list(_triggers(event, pointers, 0))
    names = list(dict.fromkeys(trigger.name[:MAX_NAME] for trigger in triggers))
    more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    concerned = {pair for trigger in triggers for pair in trigger.pairs}
    return Trigger(", ".join(names[:MAX_NAMES] + more), tuple(pair for pair in pointers.values() if pair in concerned))


def alias_event(event: AliasEvent) -> dict[str, str]:
    """Return the event that starts refresh for the alias champion of a model in MLflow, as JSON types."""
    return {"alias": ALIAS, "model": event.model, "sent_at": fields.utc_text(event.sent_at)}


def read_alias_event(event: object) -> AliasEvent | None:
    """Return what `alias_event` wrote, None for any other event."""
    if not isinstance(event, dict) or event.get("alias") != ALIAS:
        return None
    try:
        return AliasEvent(**schema.parse_as(_ALIAS_EVENT, event, "event"))
    except ContractError:
        return None


def _triggers(event: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    """Yield the triggers in `event`, at least one."""
    every = tuple(pointers.values())
    if isinstance(event, list) and event and depth <= MAX_DEPTH:
        for record in event:
            yield from _record_triggers(record, pointers, depth)
    elif not isinstance(event, dict) or depth > MAX_DEPTH:
        yield Trigger("unknown event", every)
    elif (alias := read_alias_event(event)) is not None:
        yield Trigger(f"alias champion of {alias.model}", tuple(p for p in every if alias.model.startswith(f"{p}_")))
    elif "rollback" in event:
        yield _manual_trigger("rollback by hand", event, every)
    elif event.keys() <= {"force", "pair"}:
        yield _manual_trigger("manual invocation", event, every)
    elif isinstance(records := event.get("Records"), list) and records:
        for record in records:
            yield from _record_triggers(record, pointers, depth)
    elif event.get("Event") == "s3:TestEvent":
        yield Trigger("S3 test event", ())
    elif event.get("Type") == "Notification":
        yield from _envelope_triggers("SNS", event.get("Message"), pointers, depth)
    elif event.get("source") == "aws.s3":
        key = _get(event, "detail", "object", "key") or _get(
            event, "detail", "requestParameters", "key"
        )  # CloudTrail's
        yield _object_trigger("EventBridge S3", event.get("detail-type"), key, pointers)
    elif event.get("source") in _SCHEDULERS:
        yield Trigger("schedule", every)
    elif "s3" in event or "eventSource" in event or "EventSource" in event:
        yield from _record_triggers(event, pointers, depth)
    elif event.keys() == {"bucket", "key"}:
        yield _object_trigger("object", "named", event["key"], pointers)
    else:
        yield Trigger("unknown event", every)


def _manual_trigger(name: str, event: Mapping[str, Any], every: tuple[str, ...]) -> Trigger:
    if (requested := event.get("pair")) is None:
        return Trigger(name, every)
    if requested in every:
        return Trigger(f"{name} of {requested}", (requested,))
    names = [*every[:MAX_NAMES], *([f"{len(every) - MAX_NAMES} more"] if len(every) > MAX_NAMES else [])]
    return Trigger(f"{name} of {requested!r}, which is not one of {', '.join(names)}", ())


def _record_triggers(record: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    source = _get(record, "eventSource") or _get(record, "EventSource")
    if isinstance(source, str) and source in _ENVELOPES:
        name, path = _ENVELOPES[source]
        yield from _envelope_triggers(name, _get(record, *path), pointers, depth)
    elif _get(record, "s3") is not None:
        version = _get(record, "eventVersion")
        yield _object_trigger(
            f"S3 event {version}", _get(record, "eventName"), _get(record, "s3", "object", "key"), pointers
        )
    else:
        yield Trigger("unknown record", tuple(pointers.values()))


def _object_trigger(name: str, action: object, key: object, pointers: Pointers) -> Trigger:
    """Return the trigger of an event about one object.

    S3 form-encodes the keys in its notifications, EventBridge gets plain keys, and some servers encode them twice.

    Args:
        name: the kind of event.
        action: what happened to the object.
        key: the object's key in the event, encoded or not.
        pointers: the served pairs by the keys of their pointers.
    """
    if not isinstance(key, str):
        return Trigger(f"{name} without a key", tuple(pointers.values()))
    plain = unquote_plus(key)
    concerned = dict.fromkeys(pointers[text] for text in (key, plain, unquote_plus(plain)) if text in pointers)
    return Trigger(f"{name} {action} of {plain}", tuple(concerned))


def _envelope_triggers(name: str, text: object, pointers: Pointers, depth: int) -> Iterator[Trigger]:
    """Yield the triggers in the event that an envelope contains as text.

    Args:
        name: the kind of envelope.
        text: the event as JSON.
        pointers: the served pairs by the keys of their pointers.
        depth: number of envelopes and lists around this one.
    """
    try:
        event = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        event = None
    for trigger in _triggers(event, pointers, depth + 1):
        yield trigger._replace(name=f"{name}: {trigger.name}")


def _get(value: object, *path: str) -> Any:
    """Return the value at the path, None if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
