"""Credentials as people have them, against a real S3 server: profiles, processes, expired ones, none; what is told."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.loaders
import pytest

from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store import credentials, s3_errors
from lambda_fn.store.command_line import exit_code
from lambda_fn.store.object_store import Misconfigured, Place, Store, Unavailable
from lambda_fn.store.s3 import aws_address, open_store
from tests.support import seaweedfs
from tests.support.laptop import KEYS, PROCESS, aws, process
from tests.support.recorder import Reply, recording

ROOT = Path(__file__).parents[3]


def opened(environ: Mapping[str, str]) -> Store:
    return open_store(Settings.from_env(environ))


def test_a_profile_of_the_credentials_file_is_used(laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = f"aws_access_key_id = {seaweedfs.ACCESS_KEY}\naws_secret_access_key = {seaweedfs.SECRET_KEY}\n"
    aws(laptop["HOME"], "credentials", f"[default]\naws_access_key_id = x\naws_secret_access_key = y\n[work]\n{keys}")
    with pytest.raises(Misconfigured, match=r"as profile default: a: InvalidAccessKeyId"):
        opened(laptop).create("a", b"1")
    monkeypatch.setenv("AWS_PROFILE", "work")
    store = opened(laptop)
    assert store.create("a", b"1") and store.read("a").data == b"1"
    assert open_store(Settings.from_env(laptop), patient=True).read("a").data == b"1"


def test_a_credential_process_is_used_and_asked_again_before_it_expires(
    laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    count = process(laptop["HOME"], 3600)
    store = opened(laptop)
    for number in range(3):
        assert store.create(f"key-{number}", b"1")
    assert count.read_text() == "x", "asked once"
    monkeypatch.setattr(credentials, "ASK_AGAIN", timedelta(0))  # obstore asks for each request
    process(laptop["HOME"], 601)  # botocore renews what has less than fifteen minutes left
    store = opened(laptop)
    for number in range(2):
        assert store.read(f"key-{number}").data == b"1"
    assert len(count.read_text()) > 2


def test_expired_credentials_are_told_without_what_they_were(
    laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    process(laptop["HOME"], -60)
    with pytest.raises((Unavailable, SettingsError)) as caught:
        opened(laptop).create("a", b"1")
    said = str(caught.value)
    assert "profile work" in said and "log in again" in said
    assert seaweedfs.SECRET_KEY not in said and seaweedfs.ACCESS_KEY not in said
    assert exit_code(caught.value) == 75, "they may be renewed meanwhile"


def test_a_profile_that_is_not_there_is_a_mistake(laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(SettingsError, match=r"AWS_PROFILE: profile nobodys cannot be used \(ProfileNotFound\)"):
        opened(laptop)


def test_a_profile_without_credentials_is_a_mistake(laptop: dict[str, str]) -> None:
    aws(laptop["HOME"], "config", "[default]\nregion = us-east-1\n")
    with pytest.raises(SettingsError, match=r"^AWS_PROFILE: .*\bdefault has no\b.*; .*aws configure .*aws sso login"):
        opened(laptop)


def test_without_boto3_it_says_what_to_set(laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    process(laptop["HOME"], 3600, "work")
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setenv("AWS_PROFILE", "work")
    with pytest.raises(SettingsError, match=r'^AWS_PROFILE: work .*\bboto3\b.*; .*eval "\$\(aws configure export-cred'):
        opened(laptop)


def test_keys_in_the_environment_win_and_nothing_of_boto_is_imported(bucket_environ: Mapping[str, str]) -> None:
    code = """
import os, sys
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
open_store(Settings.from_env(os.environ)).create("a", b"1")
print([name for name in sys.modules if name.startswith(("boto", "lambda_fn.store.credentials"))])
"""
    environ = {**os.environ, **bucket_environ, "AWS_PROFILE": "nobodys"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["lambda_fn.refresh", "lambda_fn.record", "training"])
def test_commands_take_the_profile_and_end_with_2_for_a_mistake(laptop: dict[str, str], module: str) -> None:
    process(laptop["HOME"], 3600)
    environ = {name: value for name, value in os.environ.items() if name not in KEYS} | laptop
    environ["PYTHONPATH"] = str(ROOT)
    dotenv = Path(laptop["HOME"], ".env")
    call = [sys.executable, "-m", module, *(["status"] if module == "training" else [])]
    for name, codes in (("work", {0, 1}), ("nobodys", {2})):
        dotenv.write_text(f"AWS_PROFILE={name}\n")
        done = subprocess.run(call, cwd=laptop["HOME"], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode in codes, done.stderr
        assert "Traceback" not in done.stderr and seaweedfs.SECRET_KEY not in done.stdout + done.stderr
        assert ("AWS_PROFILE: profile nobodys" in done.stderr) == (name == "nobodys")


def refusing(status: int, code: str, message: str = "", more: str = "") -> Reply:
    said = f"<Message>{message}</Message>" if message else ""
    return Reply(status, f'<?xml version="1.0"?>\n<Error><Code>{code}</Code>{said}{more}</Error>'.encode())


ROLE = "User: arn:aws:sts::123456789012:assumed-role/api/x is not authorized to perform:"
DENIED = f"{ROLE} s3:GetObject on resource: &quot;arn:aws:s3:::eurusd/serving/active.json&quot;"


def denied(why: str, message: str = DENIED) -> Reply:
    return refusing(403, "AccessDenied", f"{message} {why}")


def explicitly_denied(policy: str) -> Reply:
    return denied(f"with an explicit deny in {policy}")


ANSWERS = {
    "wrong region": (Reply(301, b""), Misconfigured, r"\bAWS_REGION to its\b.* get-bucket-location --bucket eurusd$"),
    "wrong region in the signature": (
        refusing(400, "AuthorizationHeaderMalformed"),
        Misconfigured,
        r"\bnot in eu-west-1: .*\bAWS_REGION\b",
    ),
    "no right": (
        refusing(403, "AccessDenied"),
        Misconfigured,
        r"access key \.\.\.WXYZ lacks permission\b.*\bAWS_PROFILE\b",
    ),
    "no right and no word": (
        Reply(403, b""),
        Misconfigured,
        r"access key \.\.\.WXYZ lacks permission\b.*\bAWS_PROFILE\b",
    ),
    "no bucket": (refusing(404, "NoSuchBucket"), Misconfigured, r"\bdoes not exist: .*\bS3_BUCKET\b"),
    "expired": (
        refusing(400, "ExpiredToken", "The provided token has expired."),
        Unavailable,
        "ExpiredToken: .*log in again",
    ),
    "busy": (refusing(503, "SlowDown", "Please reduce your request rate."), Unavailable, "your request rate.*later"),
    "busy elsewhere": (refusing(429, "TooManyRequests"), Unavailable, "too many requests"),
    "busy and no word": (Reply(429, b""), Unavailable, "too many requests"),
    "busy KMS": (refusing(400, "ThrottlingException", "Rate exceeded"), Unavailable, "too many requests"),
    "down": (refusing(500, "InternalError", "We encountered an internal error."), Unavailable, "try again later"),
    "not in service": (refusing(503, "ServiceUnavailable"), Unavailable, "try again later"),
    "clock": (
        refusing(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            "<RequestTime>20260801T162148Z</RequestTime><ServerTime>2026-08-03T16:21:50Z</ServerTime>",
        ),
        Misconfigured,
        "current time is too large.*clock is wrong .20260801T162148Z here, 2026-08-03T16:21:50Z at S3",
    ),
    "clock of another server": (refusing(403, "RequestTimeTooSkewed"), Misconfigured, "clock is wrong"),
    "archived": (
        refusing(403, "InvalidObjectState", "The operation is not valid", "<StorageClass>DEEP_ARCHIVE</StorageClass>"),
        Misconfigured,
        r"archived \(DEEP_ARCHIVE\): restore it",
    ),
    "KMS denied": (
        denied("because no identity-based policy allows the kms:Decrypt action", f"{ROLE} kms:Decrypt on resource: k"),
        Misconfigured,
        r"\.\.\.WXYZ .*\bKMS key: .*\bkms:Decrypt\b",
    ),
    "KMS disabled": (refusing(400, "KMS.DisabledException", "key is disabled."), Misconfigured, "disabled.*enable it"),
    "KMS deleted": (refusing(400, "KMSInvalidStateException"), Misconfigured, "cancel its deletion"),
    "KMS deleted, too": (refusing(400, "KMS.KMSInvalidStateException"), Misconfigured, "cancel its deletion"),
    "no KMS key": (refusing(400, "KMS.NotFoundException"), Misconfigured, r"\bKMS key .*\bcannot be used: "),
    "an endpoint's policy": (
        denied("because no VPC endpoint policy allows it"),
        Misconfigured,
        r"; .*\bVPC endpoint\b",
    ),
    "an endpoint's denial": (
        explicitly_denied("a VPC endpoint policy"),
        Misconfigured,
        r"; .*\bVPC endpoint\b",
    ),
    "an endpoint in the bucket's policy": (
        refusing(403, "AccessDenied", "Access Denied by bucket policy: aws:SourceVpce"),
        Misconfigured,
        r"; .*\bVPC endpoint\b",
    ),
    "the bucket's policy": (
        explicitly_denied("a resource-based policy"),
        Misconfigured,
        r"; .*\bbucket's policy: .*\bs3:GetObject\b",
    ),
    "the organisation": (explicitly_denied("a service control policy"), Misconfigured, "organisation"),
    "the boundary": (denied("because no permissions boundary allows it"), Misconfigured, "permissions boundary of"),
    "the session": (denied("because no session policy allows it"), Misconfigured, "session policy of"),
    "the role": (denied("because no identity-based policy allows it"), Misconfigured, "allow s3:GetObject"),
    "an empty key": (
        refusing(
            400,
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.",
        ),
        Misconfigured,
        r"; .*\bkey is empty\b.*\bAWS_PROFILE\b",
    ),
    "the region by name": (
        refusing(400, "AuthorizationHeaderMalformed", "the region 'a' is wrong", "<Region>eu-north-1</Region>"),
        Misconfigured,
        "set AWS_REGION to eu-north-1",
    ),
    "the region in words": (
        refusing(400, "AuthorizationHeaderMalformed", "the region 'a' is wrong; expecting 'eu-north-1'"),
        Misconfigured,
        "set AWS_REGION to eu-north-1",
    ),
    "a token of other keys": (refusing(400, "InvalidToken"), Misconfigured, "unset AWS_SESSION_TOKEN"),
    "no such key": (refusing(403, "InvalidAccessKeyId"), Misconfigured, "keys are invalid"),
    "a wrong key": (refusing(403, "SignatureDoesNotMatch"), Misconfigured, "keys are invalid"),
    "the account": (refusing(403, "AllAccessDisabled"), Misconfigured, "billing"),
    "Object Lock": (
        refusing(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object"),
        Misconfigured,
        "AWS_CHECKSUM_ALGORITHM=SHA256",
    ),
    "another server": (refusing(501, "NotImplemented", "A header you provided"), Misconfigured, "If-None-Match"),
    "a proxy": (Reply(403, b"<html><body>denied by proxy</body></html>"), Misconfigured, "not from S3"),
    "another address": (Reply(404, b"<!doctype html>\n<title>Not Found</title>"), Misconfigured, "not from S3"),
    "an API": (Reply(404, b'{"detail": "Not Found"}'), Misconfigured, "not from S3"),
    "what nobody knows": (refusing(418, "Teapot", "I am a teapot."), Unavailable, "Teapot: I am a teapot.$"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_each_answer_of_s3_is_told_with_place_identity_and_cure(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones do not come on demand from the server of these tests: these are as AWS documents them."""
    reply, kind, cure = ANSWERS[case]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNNEXAMPWXYZ")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with recording(lambda _: reply) as server:
        environ = {"USE_S3": "true", "S3_BUCKET": "eurusd", "AWS_REGION": "eu-west-1"}
        store = opened(environ | {"AWS_ENDPOINT_URL_S3": server.address})
        with pytest.raises(Unavailable, match=cure) as caught:
            store.read("serving/active.json")
    assert type(caught.value) is kind
    assert exit_code(caught.value) == (2 if kind is Misconfigured else 75)
    said = str(caught.value)
    assert said.startswith("bucket eurusd in eu-west-1 as access key ...WXYZ: serving/active.json: ")
    assert "hunter2" not in said and "EXAMP" not in said
    assert "\n" not in said and "<?xml" not in said and len(said) < 800


@pytest.mark.parametrize("call", ["create", "list", "replace", "delete", "head", "tail"])
@pytest.mark.parametrize("case", ["clock", "KMS denied", "archived"])
def test_every_call_keeps_the_message_of_s3(case: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reply, kind, cure = ANSWERS[case]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNNEXAMPWXYZ")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    arguments = {"create": (b"1",), "replace": (b"1", "etag"), "head": (1,), "tail": (1,)}
    with recording(lambda _: reply) as server:
        store = opened({"USE_S3": "true", "S3_BUCKET": "eurusd", "AWS_ENDPOINT_URL_S3": server.address})
        with pytest.raises(kind, match=cure):
            getattr(store, call)("models", *arguments.get(call, ()))


SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==",
    "user:hunter2",
)


@pytest.mark.parametrize(
    "message",
    [
        *(f"The key {secret} is wrong, {secret}." for secret in SECRETS[:4]),
        f"See https://{SECRETS[4]}@bucket.example/?a=b",
        "Signed by x-amz-signature=hunter2&X-Amz-Security-Token=hunter2&X-Amz-Credential=hunter2",
        f"{SECRETS[2]} " * 1000,
        "long " * 1000,
    ],
)
def test_a_message_of_s3_is_short_and_without_secrets(message: str) -> None:
    told = str(s3_errors.to_error(Place("b", "r", "i"), "k", f"x: <?xml?><Code>Odd</Code><Message>{message}</Message>"))
    assert not [secret for secret in (*SECRETS, "hunter2") if secret in told]
    assert len(told) < 400


def test_an_arn_is_told() -> None:
    told = str(s3_errors.to_error(Place("b", "r", "i"), "k", f"<Code>AccessDenied</Code><Message>{DENIED}</Message>"))
    assert 'assumed-role/api/x is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::eurusd/' in told


NETWORKS = {
    "no name": ("http://s3.invalid", r"\bhost name\b|cannot be reached"),
    "nobody listens": ("http://127.0.0.1:9", "cannot be reached"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_server_that_cannot_be_reached_is_told_with_what_to_look_at(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, cure = NETWORKS[case]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    store = opened({"USE_S3": "true", "S3_BUCKET": "eurusd", "AWS_ENDPOINT_URL_S3": address})
    with pytest.raises(Unavailable, match=cure) as caught:
        store.read("a")
    assert exit_code(caught.value) == 75


TIMED_OUT = "e: Error performing {} in 1.8s - HTTP error: error sending request\n\nDebug source:\n kind: {},"


def test_a_server_that_is_silent_is_told_with_what_to_look_at() -> None:
    said = s3_errors.to_error(Place("b", "r", "i"), "k", TIMED_OUT.format("GET http://s3/b/k", "Timeout"))
    assert type(said) is Unavailable and "gateway endpoint" in str(said)


@pytest.mark.parametrize("address", ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://127.0.0.1:80"])
def test_the_hop_limit_is_named_where_the_token_never_comes(address: str) -> None:
    for kind, is_named in (("Timeout", True), ("Connect", False)):
        text = TIMED_OUT.format(f"PUT {address}/latest/api/token", kind)
        said = s3_errors.to_error(Place("b", "r", "i"), "k", text)
        assert type(said) is Misconfigured and "set AWS_PROFILE" in str(said)
        assert ("--http-put-response-hop-limit 2" in str(said)) == is_named


def test_a_page_in_place_of_an_object_is_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that asks for a login: what is in memory goes on serving."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "ETag": '"h"',
        "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT",
    }
    with recording(lambda _: Reply(200, b"<html>Sign in</html>", headers)) as server:
        store = opened({"USE_S3": "true", "S3_BUCKET": "eurusd", "AWS_ENDPOINT_URL_S3": server.address})
        with pytest.raises(Unavailable, match=r"^bucket eurusd: a: .*\bHTML page\b.*; .*\bAWS_ENDPOINT_URL_S3\b"):
            store.read("a")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_key_that_no_header_can_have_is_a_mistake_and_no_crash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", name):
        monkeypatch.setenv(each, "hunter2\nhunter2" if each == name else "x")
    store = opened({"USE_S3": "true", "S3_BUCKET": "eurusd", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    with pytest.raises(Misconfigured, match=name) as caught:
        store.read("a")
    assert "hunter2" not in str(caught.value)


def test_object_lock_gets_its_sums_by_the_variable_that_the_error_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("CHECKSUM_ALGORITHM", "SHA256")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with recording(lambda _: Reply(200, b"", {"ETag": '"x"'})) as server:
        assert opened({"USE_S3": "true", "S3_BUCKET": "b", "AWS_ENDPOINT_URL_S3": server.address}).create("a", b"1")
    assert server.asked[0].headers["x-amz-checksum-sha256"]


@pytest.mark.parametrize("service", ["s3", "secretsmanager", "sts"])
def test_addresses_of_aws_are_botocores_in_every_partition(service: str) -> None:
    partitions = botocore.loaders.create_loader().load_data("partitions")["partitions"]
    for partition in partitions:
        for region in partition["regions"]:
            if not region.startswith("aws"):  # which is a name for all of them, such as aws-cn-global
                suffix = partition["outputs"]["dnsSuffix"]
                assert aws_address(service, region) == f"https://{service}.{region}.{suffix}"
    assert len(partitions) > 5


@pytest.mark.parametrize(
    ("more", "config", "region"),
    [
        ({}, "", "us-east-1"),
        ({}, "[default]\nregion = eu-west-3\n", "eu-west-3"),
        ({"AWS_PROFILE": "work"}, "[default]\nregion = eu-west-3\n[profile work]\nregion=eu-north-1\n", "eu-north-1"),
        ({"AWS_PROFILE": "other"}, "[default]\nregion = eu-west-3\n", "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-south-1"}, "[default]\nregion = eu-west-3\n", "eu-south-1"),
        ({"AWS_DEFAULT_REGION": "x", "AWS_REGION": "eu-central-1"}, "", "eu-central-1"),
        ({}, "[default]\nregion = eu-west-3\n[default]\noutput = json\n", "eu-west-3"),
        ({}, "no ini file", "us-east-1"),
        ({}, "[default]\nregion = %(odd)s\n", "%(odd)s"),
    ],
)
def test_the_region_is_the_one_that_awss_own_tools_take(
    more: dict[str, str], config: str, region: str, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    aws(str(tmp_path), "config", config)
    assert Settings.from_env({"HOME": str(tmp_path)} | more).aws_region == region
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(config)
    assert Settings.from_env({"AWS_CONFIG_FILE": str(elsewhere)} | more).aws_region == region


def test_a_process_of_credentials_prints_what_botocore_reads(tmp_path: Path) -> None:
    """So that the tests above test what they say."""
    (tmp_path / "process.py").write_text(PROCESS)
    call = [sys.executable, str(tmp_path / "process.py"), str(tmp_path / "count"), "60"]
    found = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert datetime.fromisoformat(found["Expiration"]) > datetime.now(UTC)
