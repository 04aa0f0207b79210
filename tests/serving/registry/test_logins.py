"""What is asked of an MLflow server and of the buckets that it names, before anything is sent."""

from datetime import UTC, datetime

import pytest

from lambda_fn.fields import ContractError
from lambda_fn.registry.mlflow_access import access
from lambda_fn.registry.mlflow_client import MlflowServer
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Misconfigured
from tests.support.mlflow_fake import Fake
from tests.support.recorder import recording

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
CLOSED = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("token", "header"),
    [
        ("T0K", "Bearer T0K"),
        (" T0K\n", "Bearer T0K"),
        ("!~", "Bearer !~"),
        ("T0\nK", None),
        ("T0 K", None),
        ("T0\N{LATIN SMALL LETTER U WITH DIAERESIS}", None),
        ("T0\x7f", None),
    ],
)
def test_a_token_is_what_a_header_can_have(token: str, header: str | None) -> None:
    settings, environ = Settings.from_env({"MLFLOW_TRACKING_URI": CLOSED}), {"MLFLOW_TRACKING_TOKEN": token}
    if header:
        assert access(settings, environ, NOW).authorization == header
    else:
        with pytest.raises(Misconfigured) as refused:
            access(settings, environ, NOW)
        assert str(refused.value).startswith("MLFLOW_TRACKING_TOKEN:")


@pytest.mark.parametrize("bucket", ["a*b", "fore%20casts", "..", "a:80", "x" * 256])
def test_files_are_asked_of_no_bucket_without_a_proper_name(bucket: str) -> None:
    settings = Settings.from_env({"AWS_ENDPOINT_URL_S3": CLOSED})
    with recording(Fake({}, f"s3://{bucket}/mlflow/1/models")) as server:
        registry = MlflowServer(server.address, None)
        with pytest.raises(ContractError):
            registry.model(registry.version("models:/EURUSD_LSTM/3"), settings)
