"""What reaches the refresh function is named, whatever it is; only what is known to be of something else is ignored."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.jobs.event_source import MAX_NAMES, Trigger, recognise

KEY = "models/best_model_info.json"
POINTERS = {KEY: "EURUSD"}
THREE = {KEY: "EURUSD", "models/GBPUSD/best_model_info.json": "GBPUSD", "models/USDJPY/best_model_info.json": "USDJPY"}


def s3_record(key: object = KEY, version: str = "2.1", **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-10-30T16:05:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "a-bucket", "arn": "arn:aws:s3:::a-bucket"},
            "object": {"key": key, "size": 1024, "eTag": "0" * 32, "versionId": "v", "sequencer": "0055AED6DCD90281E5"},
        },
        **more,
    }


def s3_event(*keys: object, version: str = "2.1") -> dict[str, Any]:
    return {"Records": [s3_record(key, version) for key in keys]}


def in_sqs(*bodies: object) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": "m", "eventSource": "aws:sqs", "body": body if isinstance(body, str) else json.dumps(body)}
            for body in bodies
        ]
    }


def in_sns(message: object) -> dict[str, Any]:
    sns = {"Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": json.dumps(message)}
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}


def eventbridge(key: object) -> dict[str, Any]:
    detail = {"version": "0", "bucket": {"name": "a-bucket"}, "object": {"key": key}, "reason": "PutObject"}
    return {"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": detail}


def cloudtrail(key: object) -> dict[str, Any]:
    detail = {"eventName": "PutObject", "requestParameters": {"bucketName": "a-bucket", "key": key}}
    return {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "detail": detail}


RULE = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
SCHEDULER = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"}
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "a-bucket", "RequestId": "r", "HostId": "h"}
PUT = f"ObjectCreated:Put of {KEY}"
KNOWN: dict[str, tuple[Any, str, bool]] = {
    **{
        f"S3 {version}": (s3_event(KEY, version=version), f"S3 event {version} {PUT}", True)
        for version in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3.0", "11.7")
    },
    "S3 without a version": (
        {"Records": [{"s3": {"object": {"key": KEY}}}]},
        f"S3 event None None of {KEY}",
        True,
    ),
    "URL-encoded": (s3_event("models%2Fbest%5Fmodel_info.json"), f"S3 event 2.1 {PUT}", True),
    "another object": (
        s3_event("models/history/00000001.json"),
        "S3 event 2.1 ObjectCreated:Put of models/history/00000001.json",
        False,
    ),
    "another object, encoded": (
        s3_event("models/GBP%2FUSD+%C3%BC/best_model_info.json"),
        "S3 event 2.1 ObjectCreated:Put of models/GBP/USD ü/best_model_info.json",
        False,
    ),
    "the pointer last": (
        s3_event("models/x", KEY),
        f"S3 event 2.1 ObjectCreated:Put of models/x, S3 event 2.1 {PUT}",
        True,
    ),
    "others only": (
        s3_event("a", "b"),
        "S3 event 2.1 ObjectCreated:Put of a, S3 event 2.1 ObjectCreated:Put of b",
        False,
    ),
    "the same twice": (s3_event(KEY, KEY), f"S3 event 2.1 {PUT}", True),
    "a key that is none": (s3_event(17), "S3 event 2.1 without a key", True),
    "S3's test event": (TEST_EVENT, "S3 test event", False),
    "SQS": (in_sqs(s3_event(KEY)), f"SQS: S3 event 2.1 {PUT}", True),
    "SQS of another object": (in_sqs(s3_event("x")), "SQS: S3 event 2.1 ObjectCreated:Put of x", False),
    "SQS, two messages": (
        in_sqs(s3_event("x"), s3_event(KEY)),
        f"SQS: S3 event 2.1 ObjectCreated:Put of x, SQS: S3 event 2.1 {PUT}",
        True,
    ),
    "SQS, test event": (in_sqs(TEST_EVENT), "SQS: S3 test event", False),
    "SQS, EventBridge": (in_sqs(eventbridge(KEY)), f"SQS: EventBridge S3 Object Created of {KEY}", True),
    "SQS, SNS": (in_sqs(in_sns(s3_event(KEY))["Records"][0]["Sns"]), f"SQS: SNS: S3 event 2.1 {PUT}", True),
    "SQS, no JSON": (in_sqs("hello"), "SQS: unknown event", True),
    "SQS, a dead letter of the schedule": (in_sqs(SCHEDULER), "SQS: schedule", True),
    "SNS": (in_sns(s3_event(KEY)), f"SNS: S3 event 2.1 {PUT}", True),
    "EventBridge": (eventbridge(KEY), f"EventBridge S3 Object Created of {KEY}", True),
    "EventBridge of another object": (eventbridge("a+b c"), "EventBridge S3 Object Created of a b c", False),
    "schedule of a rule": (RULE, "schedule", True),
    "schedule of the scheduler": (SCHEDULER, "schedule", True),
    "by hand": ({}, "manual invocation", True),
    "by hand, forced": ({"force": True}, "manual invocation", True),
    "no records": ({"Records": []}, "unknown event", True),
    "records that are none": ({"Records": "nonsense"}, "unknown event", True),
    "record that is none": ({"Records": [None, 7]}, "unknown record", True),
    "something else": ({"hello": "world"}, "unknown event", True),
    "no event": (None, "unknown event", True),
    "a list": ([{}], "unknown record", True),
    "an empty list": ([], "unknown event", True),
    "encoded twice": (s3_event("models%252Fbest_model_info.json"), f"S3 event 2.1 {PUT.replace('/', '%2F')}", True),
    "a record alone": (s3_record(), f"S3 event 2.1 {PUT}", True),
    "a record alone of another object": (s3_record("x"), "S3 event 2.1 ObjectCreated:Put of x", False),
    "a list of messages, as EventBridge Pipes sends it": (
        in_sqs(s3_event("x"))["Records"],
        "SQS: S3 event 2.1 ObjectCreated:Put of x",
        False,
    ),
    "CloudTrail": (cloudtrail(KEY), f"EventBridge S3 AWS API Call via CloudTrail of {KEY}", True),
    "CloudTrail of another object": (cloudtrail("x"), "EventBridge S3 AWS API Call via CloudTrail of x", False),
    "CloudTrail without a key": (cloudtrail(None), "EventBridge S3 without a key", True),
    "an input transformer": ({"bucket": "b", "key": KEY}, f"object named of {KEY}", True),
    "an input transformer of another object": ({"bucket": "b", "key": "x"}, "object named of x", False),
    "an input transformer with more": ({"bucket": "b", "key": "x", "more": 1}, "unknown event", True),
    "a destination of failures": ({"version": "1.0", "requestPayload": s3_event("x")}, "unknown event", True),
    "S3 Batch Operations": ({"invocationSchemaVersion": "1.0", "tasks": [{"s3Key": KEY}]}, "unknown event", True),
    "Kinesis": ({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "x"}}]}, "unknown record", True),
    "Firehose": ({"records": [{"data": "x"}]}, "unknown event", True),
    "a folder's mark": (s3_event("models/"), "S3 event 2.1 ObjectCreated:Put of models/", False),
    "a backup of the pointer": (s3_event(f"{KEY}.bak"), f"S3 event 2.1 {PUT}.bak", False),
    "a slash before the key": (s3_event(f"/{KEY}"), f"S3 event 2.1 ObjectCreated:Put of /{KEY}", False),
    "capitals": (s3_event(KEY.title()), f"S3 event 2.1 ObjectCreated:Put of {KEY.title()}", False),
}


@pytest.mark.parametrize("case", KNOWN)
def test_events_are_named(case: str) -> None:
    event, name, wanted = KNOWN[case]
    assert recognise(event, POINTERS) == Trigger(name, ("EURUSD",) if wanted else ())


SEVERAL: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a pair's pointer": (s3_event("models/GBPUSD/best_model_info.json"), ("GBPUSD",)),
    "EURUSD's pointer": (eventbridge(KEY), ("EURUSD",)),
    "two pointers, in the order of PAIRS": (
        in_sqs(s3_event("models/USDJPY/best_model_info.json"), s3_event(KEY), s3_event("x")),
        ("EURUSD", "USDJPY"),
    ),
    "a pair that is not served": (s3_event("models/EURCHF/best_model_info.json"), ()),
    "the schedule": (SCHEDULER, tuple(THREE.values())),
    "what is not known": ({"hello": "world"}, tuple(THREE.values())),
    "by hand": ({}, tuple(THREE.values())),
    "a pair by hand": ({"pair": "USDJPY"}, ("USDJPY",)),
    "a rollback of a pair": ({"rollback": True, "pair": "GBPUSD"}, ("GBPUSD",)),
    "another pair by hand": ({"pair": "EURCHF"}, ()),
    "no pair by hand": ({"rollback": True, "pair": ["GBPUSD"]}, ()),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_an_event_concerns_the_pairs_that_it_names_or_all(case: str) -> None:
    event, pairs = SEVERAL[case]
    assert recognise(event, THREE).pairs == pairs


def test_a_pair_that_is_not_served_is_named_with_those_that_are() -> None:
    trigger = recognise({"rollback": 3, "pair": "EURCHF"}, THREE)
    assert trigger.pairs == ()
    assert re.fullmatch("rollback by hand of 'EURCHF', .* EURUSD, GBPUSD, USDJPY", trigger.name)


def test_a_plus_in_the_pointers_own_key_is_found_either_way() -> None:
    for written in ("models/a+b/best_model_info.json", "models/a%2Bb/best_model_info.json"):
        assert recognise(s3_event(written), {"models/a+b/best_model_info.json": "EURUSD"}).pairs


def test_the_name_stays_short() -> None:
    trigger = recognise(s3_event(*(f"{number}/{'x' * 1000}" for number in range(1000))), POINTERS)
    assert not trigger.pairs
    assert len(trigger.name) < (MAX_NAMES + 1) * 210
    assert trigger.name.endswith(", and 995 more")


def test_envelopes_without_end_are_an_unknown_event() -> None:
    event: dict[str, Any] = s3_event("x")
    for _ in range(8):
        event = in_sqs(event)
    trigger = recognise(event, POINTERS)
    assert trigger.pairs and trigger.name.endswith("unknown event")
    assert recognise(in_sqs("[" * 100_000), POINTERS) == Trigger("SQS: unknown event", ("EURUSD",))


# JSON in which the names that matter are likely, so that wrong types turn up at every place.
WORDS = st.sampled_from(
    "Records s3 object key eventSource EventSource body Sns Message Type source detail detail-type Event force "
    f"aws:s3 aws:sqs aws:sns aws.s3 Notification {KEY}".split()
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
ANY_JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=25
)


@given(ANY_JSON, st.booleans())
def test_any_json_is_named(event: Any, enveloped: bool) -> None:
    trigger = recognise(in_sqs(event) if enveloped else event, POINTERS)
    assert trigger.name


@given(st.data())
def test_any_damage_to_a_real_event_is_named(data: st.DataObject) -> None:
    event, _, _ = KNOWN[data.draw(st.sampled_from(sorted(KNOWN)))]
    event = json.loads(json.dumps(event))
    places: list[tuple[Any, Any]] = [(event, key) for key in event] if isinstance(event, dict) else []
    for holder, key in places:
        below = holder[key]
        if isinstance(below, dict):
            places += [(below, name) for name in below]
        elif isinstance(below, list):
            places += [(below, index) for index in range(len(below))]
    if places:
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(ANY_JSON)
    assert recognise(event, POINTERS).name
