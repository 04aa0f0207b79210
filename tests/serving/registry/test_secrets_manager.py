"""The secret is asked for with a signature that AWS accepts, kept for a while, and in no message."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.registry import secrets_manager
from lambda_fn.registry.secrets_manager import Keys, Login, login, sign
from lambda_fn.settings import SettingsError
from lambda_fn.store.object_store import Unavailable
from tests.support.recorder import Asked, Recorder, Reply, recording

NOW = datetime(2026, 10, 30, 17, 0, 5, tzinfo=UTC)
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf"
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
TOKEN = {"AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE//////////wEaDGV1LWNlbnRyYWwtMSJ="}


def by_botocore(url: str, headers: dict[str, str], body: bytes, keys: Keys, region: str, now: datetime) -> str:
    """The authorization header that AWS's own library gives the same request."""
    request = AWSRequest("POST", url, headers, body)
    request.context["timestamp"] = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    if keys.token:
        request.headers["X-Amz-Security-Token"] = keys.token
    auth = SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.token), "secretsmanager", region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.headers["Authorization"])


VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    st.sampled_from(["https://secretsmanager.eu-central-1.amazonaws.com/", "http://127.0.0.1:4566/", "https://a.b/c/"]),
    st.binary(max_size=200),
    st.builds(Keys, VISIBLE, VISIBLE, st.none() | VISIBLE),
    st.sampled_from(["us-east-1", "eu-central-1"]),
    st.datetimes(timezones=st.just(UTC)),
)
def test_the_signature_is_botocores(url: str, body: bytes, keys: Keys, region: str, now: datetime) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
    signed = sign(url, headers, body, keys, region, "secretsmanager", now)
    assert signed["authorization"] == by_botocore(url, headers, body, keys, region, now)


def answer(**fields: Any) -> Reply:
    return Reply(200, json.dumps({"ARN": ARN, "Name": "mlflow", **fields}).encode())


GOOD = answer(SecretString=json.dumps({"username": "reader", "password": "p:ä s", "more": 1}))


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    secrets_manager._cache.clear()
    yield
    secrets_manager._cache.clear()


def ask(server: Recorder, now: datetime = NOW, environ: dict[str, str] | None = None, arn: str = ARN) -> Login:
    known = ENVIRON if environ is None else environ
    return login(arn, "us-east-1", known | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.address}, now)


@pytest.mark.parametrize("more", [{}, TOKEN], ids=["user", "role"])
def test_the_secret_is_read_with_one_signed_post(more: dict[str, str]) -> None:
    with recording(lambda _: GOOD) as server:
        assert ask(server, environ=ENVIRON | more) == Login("reader", "p:ä s")
    [asked] = server.asked
    assert asked.method == "POST" and asked.path == "/"
    assert json.loads(asked.body) == {"SecretId": ARN}
    assert asked.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert asked.headers["content-type"] == "application/x-amz-json-1.1"
    assert asked.headers.get("x-amz-security-token") == more.get("AWS_SESSION_TOKEN")
    assert accepted(asked, server.address, more.get("AWS_SESSION_TOKEN"))


def accepted(asked: Asked, address: str, token: str | None) -> bool:
    """As AWS checks it: signs again what arrived. The region is the ARN's."""
    keys = Keys(ENVIRON["AWS_ACCESS_KEY_ID"], ENVIRON["AWS_SECRET_ACCESS_KEY"], token)
    headers = {name: asked.headers[name] for name in ("content-type", "host", "x-amz-target")}
    return asked.headers["authorization"] == by_botocore(f"{address}/", headers, asked.body, keys, "eu-central-1", NOW)


def test_the_secret_is_kept_for_a_while() -> None:
    with recording(lambda _: GOOD) as server:
        for minutes in (0, 1, 4):
            ask(server, NOW + timedelta(minutes=minutes))
        assert len(server.asked) == 1
        ask(server, NOW + timedelta(minutes=5))
        ask(server, NOW)  # the clock was set back
        ask(server, arn=ARN + "2")
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("arn", "region", "address"),
    [
        (ARN, "us-east-1", "https://secretsmanager.eu-central-1.amazonaws.com/"),
        ("mlflow", "us-west-2", "https://secretsmanager.us-west-2.amazonaws.com/"),
        (
            "arn:aws-cn:secretsmanager:cn-north-1:1:secret:x",
            "us-east-1",
            "https://secretsmanager.cn-north-1.amazonaws.com.cn/",
        ),
        ("mlflow", "cn-northwest-1", "https://secretsmanager.cn-northwest-1.amazonaws.com.cn/"),
    ],
)
def test_the_address_is_of_the_secrets_region(arn: str, region: str, address: str) -> None:
    assert secrets_manager._url(arn, region, {"AWS_ENDPOINT_URL_SECRETS_MANAGER": " "}) == address
    of_all = {"AWS_ENDPOINT_URL": "http://localhost:4566/"}
    assert secrets_manager._url(arn, region, of_all) == "http://localhost:4566/"
    assert secrets_manager._url(arn, region, of_all | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://a"}) == "http://a/"


DENIED = b'{"__type":"com.amazonaws#AccessDeniedException","Message":"User: arn:aws:sts::1:x is not authorized"}'
NO_LOGIN = r'\{"username": .*"password": .*\}; '
BAD: dict[str, tuple[Reply, str]] = {
    "denied": (Reply(400, DENIED), r"answers 400 \(AccessDeniedException\) for .*secretsmanager:GetSecretValue"),
    "down": (Reply(503, b"<html>"), "answers 503 for arn"),
    "no JSON": (Reply(200, b"hunter2"), NO_LOGIN),
    "binary": (answer(SecretBinary="aHVudGVyMg=="), NO_LOGIN),
    "a text": (answer(SecretString="hunter2"), NO_LOGIN),
    "no password": (answer(SecretString='{"username": "hunter2"}'), NO_LOGIN),
    "a number": (answer(SecretString='{"username": "hunter2", "password": 7}'), NO_LOGIN),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told_without_telling_the_secret(case: str) -> None:
    reply, message = BAD[case]
    with recording(lambda _: reply) as server, pytest.raises(Unavailable, match=message) as told:
        ask(server)
    whole = f"{told.value} {told.value.__cause__}"
    assert whole.startswith("MLFLOW_SECRET_ARN: ") and "hunter2" not in whole


def test_without_aws_credentials_the_cure_is_told() -> None:
    with recording(lambda _: GOOD) as server:
        with pytest.raises(
            Unavailable,
            match=r"^MLFLOW_SECRET_ARN: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY .*MLFLOW_TRACKING_USERNAME",
        ):
            ask(server, environ={})
        with pytest.raises(SettingsError, match="AWS_SECRET_ACCESS_KEY: missing"):
            ask(server, environ={"AWS_ACCESS_KEY_ID": "a"})
        assert server.asked == []
