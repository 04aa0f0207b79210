"""Errors of a bucket by their kind: what is not there, what does not answer, and what is no error of the bucket."""

from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Misconfigured, Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support.recorder import Reply, recording


def refusing(code: str) -> Reply:
    return Reply(404, f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>No.</Message></Error>'.encode())


def test_what_is_not_there_is_missing() -> None:
    store = Store(MemoryStore(), "memory")
    store.create("a", b"1")
    assert store.read("a").data == b"1"
    with pytest.raises(Missing) as missing:
        store.read("b")
    assert missing.value.key == "b"


# An answer of 404, and whether it says that the bucket has no such object.
ANSWERS = {
    "no key": (refusing("NoSuchKey"), True),
    "no bucket": (refusing("NoSuchBucket"), False),
    "nothing": (Reply(404, b""), True),
    "a page": (Reply(404, b"<!doctype html><title>Not Found</title>"), False),
    "an API": (Reply(404, b'{"detail": "Not Found"}'), False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_404_is_missing_where_the_bucket_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reply, is_missing = ANSWERS[name]
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "a")
    with recording(lambda _: reply) as server:
        environ = {"USE_S3": "true", "S3_BUCKET": "forecasts", "AWS_ENDPOINT_URL_S3": server.address}
        with pytest.raises(Missing if is_missing else Unavailable):
            open_store(Settings.from_env(environ)).read("serving/active.json")


class PanicException(BaseException):
    """As obstore's compiled half raises it."""


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(3), SystemExit),
        (ValueError("a bug"), ValueError),
        (PanicException("no header"), Misconfigured),
        (OSError("a disk"), Unavailable),
    ],
)
def test_what_is_no_error_of_the_bucket_stays_what_it_is(
    raised: BaseException, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise raised

    monkeypatch.setattr(obstore, "get", fail)
    with pytest.raises(kind) as error:
        Store(MemoryStore(), "memory").read("a")
    assert type(error.value) is kind
