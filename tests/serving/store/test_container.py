"""Credentials of a container's role: SnapStart's token in the environment, EKS's in a file, ECS's path. The other
variables are absent, and a stub gives what AWS's endpoint gives."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambda_fn.registry import secrets_manager
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store import credentials
from lambda_fn.store.credentials import ContainerCredentials, NoCredentials
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import clean_variables, credential_provider, open_store
from tests.support.laptop import KEYS
from tests.support.recorder import Asked, Recorder, Reply, recording

KEY_ID = "ASIASNAPSTARTEXAMPLE"
GIVEN = {"AccessKeyId": KEY_ID, "SecretAccessKey": "t" * 40, "Token": "session", "Expiration": "2099-01-01T00:00:00Z"}
NAMES = (
    *KEYS,
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    *(credentials.FULL, credentials.RELATIVE, credentials.TOKEN, credentials.TOKEN_FILE),
)


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in the environment says who one is; proxies are set, which a credentials endpoint must not go through."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HOME", str(tmp_path))


def lambdas(asked: Asked) -> Reply:
    """Lambda's endpoint of credentials."""
    if asked.headers.get("authorization") != "TOKEN123":
        return Reply(401, b"hunter2")
    return Reply(200, json.dumps(GIVEN).encode())


def s3(asked: Asked) -> Reply:
    """A bucket with one object, for who comes with those credentials."""
    if KEY_ID not in asked.headers.get("authorization", "") or asked.headers.get("x-amz-security-token") != "session":
        return Reply(403, b"<?xml?><Error><Code>AccessDenied</Code></Error>")
    return Reply(200, b"1", {"ETag": '"x"', "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"})


def snapstart(endpoint: Recorder, **more: str) -> dict[str, str]:
    return {credentials.FULL: f"{endpoint.address}/2021-04-23/credentials", credentials.TOKEN: "TOKEN123"} | more


def in_file(endpoint: Recorder, path: Path) -> dict[str, str]:
    path.write_text("TOKEN123\n")
    return {credentials.FULL: f"{endpoint.address}/v1/credentials", credentials.TOKEN_FILE: str(path)}


def read(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], bucket: Recorder, patient: bool = False) -> bytes:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name)  # obstore would ask S3 through them
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    given = {"USE_S3": "true", "S3_BUCKET": "forecasts", "AWS_ENDPOINT_URL_S3": bucket.address}
    store = open_store(Settings.from_env(given), patient)
    for _ in range(3):
        found = store.read("serving/active.json").data
    return found


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("kind", ["environment", "file", "both"])
def test_the_store_is_read_with_the_role_of_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, patient: bool
) -> None:
    """The file wins, as in AWS's own tools; the credentials are asked for once."""
    with recording(lambdas) as endpoint, recording(s3) as bucket:
        by_kind = {"environment": snapstart(endpoint), "file": in_file(endpoint, tmp_path / "token")}
        by_kind["both"] = by_kind["file"] | {credentials.TOKEN: "another"}
        assert read(monkeypatch, by_kind[kind], bucket, patient) == b"1"
    assert [(asked.method, asked.headers["authorization"]) for asked in endpoint.asked] == [("GET", "TOKEN123")]


def test_no_proxy_is_asked_for_credentials() -> None:
    with recording(lambdas) as endpoint:
        assert ContainerCredentials(snapstart(endpoint))()["token"] == "session"


def test_a_path_is_asked_of_ecs(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(lambdas) as endpoint:
        monkeypatch.setattr(credentials, "ECS", endpoint.address)
        environ = {credentials.RELATIVE: "/v2/credentials/id", credentials.TOKEN: "TOKEN123"}
        assert ContainerCredentials(environ | {credentials.FULL: "http://127.0.0.1:9"})()["access_key_id"] == KEY_ID
    assert [asked.path for asked in endpoint.asked] == ["/v2/credentials/id"]


@pytest.mark.parametrize("expiration", ["2020-01-01T00:00:00Z", "2026-10-30T17:00:00.5+00:00", "", None])
def test_credentials_are_asked_for_again_before_they_expire(
    monkeypatch: pytest.MonkeyPatch, expiration: str | None
) -> None:
    """Without an expiration they are kept for a while."""
    body = json.dumps(GIVEN | {"Expiration": expiration}).encode()
    with recording(lambda _: Reply(200, body)) as endpoint, recording(s3) as bucket:
        assert read(monkeypatch, snapstart(endpoint), bucket) == b"1"
    assert len(endpoint.asked) == (3 if expiration else 1)


BAD = {
    "refused": Reply(401, b"hunter2"),
    "down": Reply(500, b"hunter2"),
    "no JSON": Reply(200, b"hunter2"),
    "a list": Reply(200, b'["hunter2"]'),
    "no key": Reply(200, b'{"SecretAccessKey": "hunter2"}'),
    "no time": Reply(200, json.dumps(GIVEN | {"Expiration": "hunter2"}).encode()),
    "a redirect": Reply(302, b"", {"Location": "http://127.0.0.1:9/hunter2"}),
    "half": Reply(200, b"hunter2", {"Connection": "close"}, 100),
}


@pytest.mark.parametrize("case", BAD)
def test_an_endpoint_without_credentials_is_named_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    with recording(lambda _: BAD[case]) as endpoint, recording(s3) as bucket:
        with pytest.raises(Unavailable) as caught:
            read(monkeypatch, snapstart(endpoint), bucket)
        with pytest.raises(Unavailable) as of_secret:
            secrets_manager.login("mlflow", "us-east-1", snapstart(endpoint), datetime.now(UTC))
    for error in (caught.value, of_secret.value):
        assert credentials.FULL in str(error) and credentials.TOKEN in str(error)
        assert "hunter2" not in str(error) and "TOKEN123" not in str(error) and "log in again" not in str(error)
    assert bucket.asked == []


def test_nothing_listens_and_no_file() -> None:
    for environ in (
        {credentials.FULL: "http://127.0.0.1:9/x"},
        {credentials.FULL: "http://127.0.0.1:9/x", credentials.TOKEN_FILE: "/nowhere/token"},
    ):
        with pytest.raises(NoCredentials, match="AWS_CONTAINER_"):
            ContainerCredentials(environ)()


@pytest.mark.parametrize(
    ("address", "is_asked"),
    [
        ("http://127.0.0.1:9001/2021-04-23/credentials", True),
        ("http://localhost:1338/latest/meta-data/container/security-credentials", True),
        ("http://169.254.170.2/v2/credentials", True),
        ("http://169.254.170.23/v1/credentials", True),
        ("http://[fd00:ec2::23]/v1/credentials", True),
        ("http://[::1]:80/", True),
        ("https://credentials.example/", True),
        ("http://credentials.example/", False),
        ("http://192.0.2.1/", False),
        ("http://[::", False),
        ("ftp://127.0.0.1/", False),
        ("/v1/credentials", False),
        ("hunter2", False),
    ],
)
def test_the_token_goes_to_this_machine_or_by_tls_only(address: str, is_asked: bool) -> None:
    """The rule of AWS's own tools."""
    environ = {credentials.FULL: address, credentials.TOKEN: "TOKEN123"}
    if is_asked:
        assert credential_provider(environ) is not None
        return
    with pytest.raises(SettingsError, match=credentials.FULL) as caught:
        credential_provider(environ)
    assert "TOKEN123" not in str(caught.value)


def test_secrets_manager_is_asked_with_the_role_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    login = {"SecretString": json.dumps({"username": "reader", "password": "pw"})}
    with recording(lambdas) as endpoint, recording(lambda _: Reply(200, json.dumps(login).encode())) as manager:
        environ = snapstart(endpoint, AWS_ENDPOINT_URL_SECRETS_MANAGER=manager.address)
        found = secrets_manager.login("snapstart", "us-east-1", environ, datetime.now(UTC))
    secrets_manager._cache.clear()
    assert found == ("reader", "pw")
    assert f"Credential={KEY_ID}/" in manager.asked[0].headers["authorization"]
    assert manager.asked[0].headers["x-amz-security-token"] == "session"


def test_keys_and_a_web_identity_come_first() -> None:
    container = {credentials.FULL: "http://127.0.0.1:9/"}
    assert credential_provider(container | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}) is None
    assert credential_provider(container | {"AWS_WEB_IDENTITY_TOKEN_FILE": "f", "AWS_ROLE_ARN": "arn"}) is None
    assert isinstance(credential_provider(container | {"AWS_WEB_IDENTITY_TOKEN_FILE": "f"}), ContainerCredentials)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_a_mistake_that_names_the_other_half(name: str) -> None:
    other = "AWS_SECRET_ACCESS_KEY" if name == "AWS_ACCESS_KEY_ID" else "AWS_ACCESS_KEY_ID"
    with pytest.raises(SettingsError, match=f"^{other}: missing") as caught:
        credential_provider({name: "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_empty_variables_of_aws_count_as_unset_and_blanks_are_no_part_of_a_key() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "", "AWS_SESSION_TOKEN": " \n", "AWS_REGION": " eu-central-1\n", "HOME": ""}
    clean_variables(environ)
    assert environ == {"AWS_REGION": "eu-central-1", "HOME": ""}


def test_a_role_is_used_where_compose_passes_empty_keys_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(lambdas) as endpoint, recording(s3) as bucket:
        empty = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"), "")
        assert read(monkeypatch, snapstart(endpoint) | empty, bucket) == b"1"
