"""Check deliveries of MLflow's webhooks: their size, signature and age.

MLflow signs `<delivery id>.<timestamp>.<body>` with HMAC-SHA256 and the secret of the webhook
(mlflow/webhooks/delivery.py). It repeats a delivery up to three times with the same id, timestamp and signature.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from lambda_fn import fields
from lambda_fn.fields import ContractError
from lambda_fn.store import schema

PATH = "/hooks/mlflow"
ALIAS = "champion"
MAX_BODY = 2**14  # bytes; a delivery has about 180
MAX_AGE = timedelta(minutes=5)  # four attempts of 30 seconds and their pauses fit, and clocks that differ
RETRY_AFTER_S = 20  # MLflow obeys it, so its attempts last a minute instead of seven seconds
SHORTEST_SECRET = 16  # characters
SECRETS_FORM = f"one secret of at least {SHORTEST_SECRET} characters of ASCII, or several by commas"
VERSION = "v1,"  # begins a signature
_ID, _TIMESTAMP, _SIGNATURE = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
_ALIAS_EVENT = {"entity": schema.TEXT, "action": schema.TEXT, "data": schema.object_of({}, keep=True)}
_ALIAS_DATA = {"name": schema.NAME, "alias": schema.TEXT}


class UntrustedDelivery(Exception):
    """The request is not a recent delivery of this webhook; the message is for the log."""


class AliasEvent(NamedTuple):
    """Somebody has given the alias champion to a version of the registered model, at a time of MLflow's clock."""

    model: str
    sent_at: datetime


def parse_secrets(text: str) -> tuple[str, ...]:
    """Parse the secrets of a webhook, of which there are several while it is being changed.

    Raises ValueError, which does not quote them, if one is not of SECRETS_FORM.
    """
    secrets = tuple(part.strip() for part in text.split(","))
    if any(len(secret) < SHORTEST_SECRET or not (secret.isascii() and secret.isprintable()) for secret in secrets):
        raise ValueError(f"not {SECRETS_FORM}")
    return secrets


def read_delivery(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], pairs: Sequence[str], now: datetime
) -> AliasEvent | None:
    """Return the event of a delivery, or None if it is another event than the alias champion of a served pair.

    Args:
        headers: of the request, by name in lower case.
        body: the bytes of the request.
        secrets: of the webhook.
        pairs: the served pairs.
        now: the current time, UTC.

    Raises UntrustedDelivery.
    """
    if len(body) > MAX_BODY:
        raise UntrustedDelivery(f"its body has more than {MAX_BODY} bytes")
    timestamp = headers.get(_TIMESTAMP, "")
    try:
        sent_at = datetime.fromtimestamp(int(timestamp) if timestamp.isascii() else -1, UTC)
        signature = base64.b64decode(headers.get(_SIGNATURE, "").removeprefix(VERSION), validate=True)
    except (ValueError, OverflowError, OSError, binascii.Error):
        raise UntrustedDelivery("its timestamp or signature is missing or cannot be read") from None
    text = f"{headers.get(_ID, '')}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    expected = [hmac.digest(secret.encode(), text, "sha256") for secret in secrets]
    if not any([hmac.compare_digest(signature, digest) for digest in expected]):  # a list: all are compared
        raise UntrustedDelivery("its signature does not match")
    if abs(now - sent_at) > MAX_AGE:
        raise UntrustedDelivery(f"it was signed at {fields.utc_text(sent_at)}, more than {MAX_AGE} from now")
    try:
        event = schema.read_object(body, "delivery", _ALIAS_EVENT)
        if (event["entity"], event["action"]) != ("model_version_alias", "created"):
            return None
        data = schema.parse_as(schema.object_of(_ALIAS_DATA), event["data"], "delivery.data")
    except ContractError:
        return None
    is_served = data["name"].partition("_")[0] in pairs
    return AliasEvent(data["name"], sent_at) if is_served and data["alias"] == ALIAS else None
