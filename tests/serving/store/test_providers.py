"""Who asks a bucket: keys, a role of a container and a profile, what may be told of them, and how long they hold."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.credentials import FULL, RELATIVE, ContainerCredentials, NoCredentials, ProfileCredentials
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import credential_provider, open_store
from tests.support.recorder import Reply, recording

GIVEN = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s" * 40, "Token": "session"}
SHORTEST, LONGEST = timedelta(minutes=9), timedelta(minutes=10)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_a_key_is_a_mistake(name: str) -> None:
    both = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert credential_provider(both) is None
    with pytest.raises(SettingsError) as refused:
        credential_provider({**both, name: ""})
    assert str(refused.value).startswith(f"{name}:")


@pytest.mark.parametrize(("key", "is_shown"), [("ABCDEWXYZ", True), ("ABCDWXYZ", False), ("WXYZ", False)])
def test_the_end_of_a_key_is_shown_where_most_of_it_is_not(
    key: str, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    environ = {"USE_S3": "true", "S3_BUCKET": "forecasts", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    with pytest.raises(Unavailable) as failed:
        open_store(Settings.from_env(environ)).read("a")
    assert ("WXYZ" in str(failed.value)) == is_shown
    assert "ABCD" not in str(failed.value)


@pytest.mark.parametrize(
    ("name", "address", "is_allowed"),
    [
        (FULL, "https://credentials.example/v1", True),
        (FULL, "http://127.0.0.1/v1", True),
        (RELATIVE, "/v2/credentials", True),
        (FULL, "https:///v1", False),
        (FULL, "http://credentials.example/v1", False),
        (FULL, "file://localhost/v1", False),
        (RELATIVE, "@credentials.example/v1", False),
    ],
)
def test_only_an_address_that_may_have_the_token_is_allowed(name: str, address: str, is_allowed: bool) -> None:
    if is_allowed:
        ContainerCredentials({name: address})
    else:
        with pytest.raises(SettingsError):
            ContainerCredentials({name: address})


@pytest.mark.parametrize("status", [201, 401, 404, 500])
def test_credentials_come_with_200(status: int) -> None:
    with recording(lambda _: Reply(status, json.dumps(GIVEN).encode())) as endpoint, pytest.raises(NoCredentials):
        ContainerCredentials({FULL: endpoint.address})()


def test_credentials_without_an_expiration_are_asked_for_again() -> None:
    with recording(lambda _: Reply(200, json.dumps(GIVEN).encode())) as endpoint:
        given = ContainerCredentials({FULL: endpoint.address})()
    assert given["access_key_id"] == GIVEN["AccessKeyId"]
    assert lasts_minutes(given["expires_at"])


def test_credentials_of_a_profile_are_asked_for_again() -> None:
    frozen = SimpleNamespace(access_key="a", secret_key="b", token=None)
    given = ProfileCredentials(SimpleNamespace(get_frozen_credentials=lambda: frozen), "profile work")()
    assert (given["access_key_id"], given["secret_access_key"]) == ("a", "b")
    assert lasts_minutes(given["expires_at"])


def lasts_minutes(expires_at: datetime | None) -> bool:
    assert expires_at is not None
    return SHORTEST < expires_at - datetime.now(UTC) <= LONGEST
