"""Credentials as people have them, against a real S3 server: profiles, processes, expired ones, none; what is told."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store import profile
from lambda_fn.store.connect import open_store
from lambda_fn.store.exit_code import code_of
from lambda_fn.store.objects import Misconfigured, Store, Unavailable
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
    monkeypatch.setattr(profile, "ASK_AGAIN", timedelta(0))  # obstore asks for each request
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
    assert code_of(caught.value) == 75, "they may be renewed meanwhile"


def test_a_profile_that_is_not_there_is_a_mistake(laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(SettingsError, match=r"AWS_PROFILE: profile nobodys cannot be used \(ProfileNotFound\)"):
        opened(laptop)


def test_a_profile_without_credentials_is_a_mistake(laptop: dict[str, str]) -> None:
    aws(laptop["HOME"], "config", "[default]\nregion = us-east-1\n")
    with pytest.raises(SettingsError, match=r"profile default has no credentials; run aws configure or aws sso login"):
        opened(laptop)


def test_without_boto3_it_says_what_to_set(laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    process(laptop["HOME"], 3600, "work")
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setenv("AWS_PROFILE", "work")
    with pytest.raises(SettingsError, match=r'work can be read with boto3 only; .*eval "\$\(aws configure export-cred'):
        opened(laptop)


def test_keys_in_the_environment_win_and_nothing_of_boto_is_imported(bucket_environ: Mapping[str, str]) -> None:
    code = """
import os, sys
from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
open_store(Settings.from_env(os.environ)).create("a", b"1")
print([name for name in sys.modules if name.startswith(("boto", "lambda_fn.store.profile"))])
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


def refusing(status: int, code: str) -> Reply:
    return Reply(status, f"<?xml?><Error><Code>{code}</Code></Error>".encode())


ANSWERS = {
    "wrong region": (Reply(301, b""), Misconfigured, "set AWS_REGION to its own, which is told by aws s3api get-buck"),
    "wrong region in the signature": (
        refusing(400, "AuthorizationHeaderMalformed"),
        Misconfigured,
        "the bucket is not in eu-west-1: set AWS_REGION",
    ),
    "no right": (refusing(403, "AccessDenied"), Misconfigured, "has no right to this"),
    "no right and no word": (Reply(403, b""), Misconfigured, r"access key \.\.\.WXYZ has no right to this"),
    "no bucket": (refusing(404, "NoSuchBucket"), Misconfigured, "there is no such bucket: correct S3_BUCKET"),
    "expired": (refusing(400, "ExpiredToken"), Unavailable, "ExpiredToken: .*log in again"),
    "busy": (refusing(503, "SlowDown"), Unavailable, "SlowDown: "),
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
    assert code_of(caught.value) == (2 if kind is Misconfigured else 75)
    said = str(caught.value)
    assert said.startswith("bucket eurusd in eu-west-1 as access key ...WXYZ: serving/active.json: ")
    assert "hunter2" not in said and "EXAMP" not in said


@pytest.mark.parametrize(
    ("more", "config", "region"),
    [
        ({}, "", "us-east-1"),
        ({}, "[default]\nregion = eu-west-3\n", "eu-west-3"),
        ({"AWS_PROFILE": "work"}, "[default]\nregion = eu-west-3\n[profile work]\nregion=eu-north-1\n", "eu-north-1"),
        ({"AWS_PROFILE": "other"}, "[default]\nregion = eu-west-3\n", "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-south-1"}, "[default]\nregion = eu-west-3\n", "eu-south-1"),
        ({"AWS_DEFAULT_REGION": "x", "AWS_REGION": "eu-central-1"}, "", "eu-central-1"),
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
