"""Who may read and write what: the policies of the functions, decided as IAM decides them."""

import json
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store import keys
from tests.support.infra.access import (
    ACTIVE,
    BACKTEST,
    BUCKET,
    FORECAST,
    KEYS,
    LEDGER,
    POINTER,
    PRICES,
    READS,
    RECORD,
    REFUSED,
    SCORES,
    SERVED,
    allowed,
    as_list,
)
from tests.support.infra.aws_tools import stack

WRITES = {
    "ApiRole": set[str](),
    "RefreshRole": {ACTIVE, SERVED, REFUSED, FORECAST, RECORD, LEDGER, keys.PAIRS_KEY},
    "IngestRole": {PRICES, FORECAST, RECORD, LEDGER, keys.PAIRS_KEY, SCORES, BACKTEST, "prices/refused/x.zip"},
}


def policy(role: str, **parameters: str) -> list[dict[str, Any]]:
    properties = stack(**parameters)[role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    return [found for each in properties["Policies"] for found in each["PolicyDocument"]["Statement"]]


@pytest.mark.parametrize("role", READS)
def test_reads_and_writes(role: str) -> None:
    found = policy(role)
    assert {key for key in KEYS if allowed(found, "s3:GetObject", f"{BUCKET}/{key}")} == READS[role]
    assert {key for key in KEYS if allowed(found, "s3:PutObject", f"{BUCKET}/{key}")} == WRITES[role]


@pytest.mark.parametrize("role", READS)
def test_nothing_is_deleted_and_no_other_bucket_is_touched(role: str) -> None:
    found = policy(role)
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutBucketPolicy", "s3:PutObjectAcl"):
        assert not any(allowed(found, action, resource) for resource in (BUCKET, f"{BUCKET}/{ACTIVE}"))
    other = "arn:aws:s3:::another-bucket"
    for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"):
        assert not any(allowed(found, action, resource) for resource in (other, f"{other}/{ACTIVE}"))


@pytest.mark.parametrize("role", READS)
def test_a_missing_object_is_told_from_a_forbidden_one(role: str) -> None:
    """Without the right to list, S3 answers 403 where nothing is, and a first activation would never come."""
    (listing,) = [each for each in policy(role) if each["Action"] == "s3:ListBucket"]
    assert listing["Resource"] == [BUCKET]
    prefixes = listing["Condition"]["StringLikeIfExists"]["s3:prefix"]
    readable = {key for key in KEYS if any(fnmatchcase(key, prefix) for prefix in prefixes)}
    assert readable == READS[role]


@pytest.mark.parametrize("role", READS)
def test_only_what_a_parameter_asks_for_is_allowed_everywhere(role: str) -> None:
    everywhere = [each for each in policy(role) if "*" in as_list(each["Resource"])]
    assert everywhere == []
    traced = [each["Action"] for each in policy(role, Tracing="Active") if "*" in as_list(each["Resource"])]
    assert traced == [["xray:PutTraceSegments", "xray:PutTelemetryRecords"]]


def test_the_secret_and_the_artifacts_are_the_refreshs() -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf"
    given = {"MlflowSecretArn": secret, "MlflowArtifactsArn": "arn:aws:s3:::artifacts/*"}
    asked = (("secretsmanager:GetSecretValue", secret), ("s3:GetObject", "arn:aws:s3:::artifacts/1/model.onnx"))
    for role in READS:
        found = policy(role, **given)
        assert [allowed(found, *each) for each in asked] == [role == "RefreshRole"] * 2
    assert not any(allowed(policy("RefreshRole"), *each) for each in asked)


def test_an_existing_bucket_is_the_one_that_roles_name() -> None:
    found = policy("RefreshRole", CreateBucket="false", BucketName="mine")
    assert allowed(found, "s3:GetObject", f"arn:aws:s3:::mine/{POINTER}")
    assert not allowed(found, "s3:GetObject", f"{BUCKET}/{POINTER}")


def test_each_function_has_its_own_role_and_log() -> None:
    resources = stack()
    for name in ("Api", "Refresh", "Ingest"):
        assert resources[f"{name}Function"]["Properties"]["Role"] == f"<{name}Role.Arn>"
        logs = {f"<{each}Logs.Arn>" for each in ("Api", "Refresh", "Ingest")}
        written = {each for each in logs if allowed(policy(f"{name}Role"), "logs:PutLogEvents", each)}
        assert written == {f"<{name}Logs.Arn>"}
        queues = {f"<{each}Failures.Arn>" for each in ("Refresh", "Ingest")}
        kept = {each for each in queues if allowed(policy(f"{name}Role"), "sqs:SendMessage", each)}
        assert kept == ({f"<{name}Failures.Arn>"} & queues)


def test_another_pair_is_a_parameter_and_its_keys_may_be_written() -> None:
    """Those of its forecast and record; what is active is the refresh's alone, of any pair."""
    settings = Settings.from_env(
        stack(Pairs="GBPUSD,USDJPY")["IngestFunction"]["Properties"]["Environment"]["Variables"]
    )
    assert settings.pairs == ("GBPUSD", "USDJPY")
    assert settings.for_pair("USDJPY").model_info_key == "models/USDJPY/best_model_info.json"
    assert "EURUSD" not in json.dumps(stack(Pairs="GBPUSD"))
    made = [keys.forecast_key("GBPUSD"), keys.record_key("GBPUSD"), keys.price_key("GBPUSD", "ecb")]
    shared = [keys.PAIRS_KEY, keys.BOOK_KEY, keys.BOOK_RECORD_KEY, keys.book_ledger_key(date(2026, 10, 30))]
    for key in [*made, *shared, keys.scores_key("GBPUSD"), keys.ledger_key("GBPUSD", date(2026, 10, 30))]:
        assert allowed(policy("IngestRole"), "s3:PutObject", f"{BUCKET}/{key}"), key
    active = f"{BUCKET}/{keys.active_key('GBPUSD')}"
    assert [allowed(policy(role), "s3:PutObject", active) for role in WRITES] == [False, True, False]


def test_schedules_invoke_two_functions() -> None:
    found = policy("SchedulerRole")
    functions = ("ApiFunction", "RefreshFunction", "IngestFunction")
    invoked = {name for name in functions if allowed(found, "lambda:InvokeFunction", f"<{name}.Arn>")}
    assert invoked == {"RefreshFunction", "IngestFunction"}


def test_the_bucket_speaks_tls_only() -> None:
    (statement,) = stack()["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Resource"] == [BUCKET, f"{BUCKET}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
