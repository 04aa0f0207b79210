"""Deliveries of MLflow's webhook: what the real server sent is accepted, anything else is not."""

import base64
import hmac
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.registry.webhook import AliasEvent, UntrustedDelivery, parse_secrets, read_delivery
from tests.support import webhook_deliveries
from tests.support.webhook_deliveries import SECRET, Delivery

RECORDED = {delivery.action: delivery for delivery in webhook_deliveries.read()}
FIRST = RECORDED["champion is set"]
PAIRS = ("EURUSD", "GBPUSD")
MODELS = {
    "champion is set": "EURUSD_CALENDAR",
    "champion moves": "EURUSD_CALENDAR",
    "champion is set again": "EURUSD_CALENDAR",
    "champion of a second model": "EURUSD_LSTM",
    "champion of another pair": "GBPUSD_ARIMA",
}


def read(delivery: Delivery, after: timedelta = timedelta(seconds=1), **changes: Any) -> AliasEvent | None:
    arguments: dict[str, Any] = {"headers": delivery.headers, "body": delivery.body, "secrets": [SECRET]}
    return read_delivery(**(arguments | changes), pairs=PAIRS, now=delivery.sent_at + after)


def signed(body: bytes, timestamp: str = "1796028056") -> Delivery:
    """A delivery that MLflow could have made."""
    value = base64.b64encode(hmac.digest(SECRET.encode(), b"1." + timestamp.encode() + b"." + body, "sha256")).decode()
    names = {"x-mlflow-delivery-id": "1", "x-mlflow-timestamp": timestamp, "x-mlflow-signature": f"v1,{value}"}
    return Delivery("made up", names, body)


@pytest.mark.parametrize("action", RECORDED)
def test_a_delivery_of_the_real_server_is_accepted(action: str) -> None:
    delivery = RECORDED[action]
    model = MODELS.get(action)
    assert read(delivery) == (AliasEvent(model, delivery.sent_at) if model else None)


@pytest.mark.parametrize("action", RECORDED)
def test_a_forged_delivery_is_refused(action: str) -> None:
    delivery = RECORDED[action]
    headers = delivery.headers
    signed_names = [name for name in headers if name.startswith("x-mlflow")]
    odd = "".join(chr(ord(digit) + 0xFEE0) for digit in headers["x-mlflow-timestamp"])  # full-width digits
    changes: list[dict[str, Any]] = [
        {"body": delivery.body.replace(b'"', b"'", 1)},
        {"body": delivery.body + b" "},
        {"secrets": ["another-secret-of-the-tests"]},
        {"secrets": []},
        {"headers": {}},
        *({"headers": {name: value for name, value in headers.items() if name != absent}} for absent in signed_names),
        {"headers": headers | {"x-mlflow-delivery-id": "1"}},
        {"headers": headers | {"x-mlflow-timestamp": str(int(headers["x-mlflow-timestamp"]) + 1)}},
        {"headers": headers | {"x-mlflow-signature": "v1,"}},
        {"headers": headers | {"x-mlflow-signature": headers["x-mlflow-signature"][:-4]}},
        {"headers": headers | {"x-mlflow-signature": headers["x-mlflow-signature"].replace(",", ",*")}},
        *({"headers": headers | {"x-mlflow-timestamp": text}} for text in ("9" * 5000, "-1", odd, "1e9", "")),
    ]
    for change in changes:
        with pytest.raises(UntrustedDelivery):
            read(delivery, **change)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_replayed_delivery_is_refused_after_five_minutes(sign: int) -> None:
    assert read(FIRST, sign * timedelta(seconds=299)) is not None
    with pytest.raises(UntrustedDelivery, match="more than"):
        read(FIRST, sign * timedelta(seconds=302))


def test_an_oversized_delivery_is_refused_before_its_signature_is_computed() -> None:
    padded = FIRST.body + b" " * (2**14 - len(FIRST.body))
    assert read(signed(padded)) is not None
    with pytest.raises(UntrustedDelivery, match="16384 bytes"):
        read(signed(padded + b" "))


def test_each_of_several_secrets_is_accepted() -> None:
    assert read(FIRST, secrets=["another-secret-of-the-tests", SECRET]) is not None
    assert parse_secrets(f"{SECRET}, {SECRET[::-1]}") == (SECRET, SECRET[::-1])


@pytest.mark.parametrize("text", ["", "short", f"{SECRET},", f"{SECRET},x", "ä" * 20, "a" * 15])
def test_a_weak_secret_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters") as error:
        parse_secrets(text)
    assert SECRET not in str(error.value)


@given(st.binary(max_size=300))
def test_a_signed_body_that_is_no_event_of_ours_is_ignored(body: bytes) -> None:
    assert read(signed(body)) is None


@pytest.mark.parametrize(
    "data", ['{"name": "=cmd()_x", "alias": "champion"}', '{"name": 7, "alias": "champion"}', "[]", "null", "{}"]
)
def test_odd_data_are_ignored(data: str) -> None:
    body = f'{{"entity": "model_version_alias", "action": "created", "data": {data}}}'
    assert read(signed(body.encode())) is None
