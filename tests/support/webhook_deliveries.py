"""Deliveries that the locked MLflow server sends: `python -m tests.support.webhook_deliveries` records them anew.

The record is DELIVERIES beside this file. Its secret is for tests only.
"""

import base64
import hmac
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import mlflow_process
from tests.support.recorder import Asked, Reply, recording

DELIVERIES = Path(__file__).with_suffix(".json")
SECRET = "a-secret-of-the-tests-0123456789"
# Without these MLflow delivers by https to public addresses only; a list of webhooks is cached for a minute otherwise.
LOOPBACK = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}
EVENTS = [
    {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"},
    {"entity": "MODEL_VERSION_TAG", "action": "SET"},
]
DELIVERY_S = 30.0  # longest time from an action to its delivery on a busy machine


class Delivery(NamedTuple):
    """A delivery: what was done, and the request as it came."""

    action: str
    headers: dict[str, str]
    body: bytes

    @property
    def sent_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.headers["x-mlflow-timestamp"]), UTC)


def read() -> list[Delivery]:
    """The recorded deliveries."""
    return [Delivery(row["action"], row["headers"], row["body"].encode()) for row in json.loads(DELIVERIES.read_text())]


def sign(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers of a delivery that MLflow signs at this time."""
    timestamp = str(int(at.timestamp()))
    value = hmac.digest(secret.encode(), f"1.{timestamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(value).decode()}"
    return {"x-mlflow-delivery-id": "1", "x-mlflow-timestamp": timestamp, "x-mlflow-signature": signature}


def body_of(model: str, alias: str = "champion", version: str = "1") -> bytes:
    """The body of the delivery for an alias that is set."""
    data = {"name": model, "alias": alias, "version": version}
    return json.dumps({"entity": "model_version_alias", "action": "created", "data": data}).encode()


def call(address: str, method: str, route: str, body: Mapping[str, Any]) -> Any:
    """One request to MLflow's REST API."""
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{route}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {route}: {error.read().decode()}") from error


def register(address: str, url: str, secret: str = SECRET) -> str:
    """Make a webhook; returns its id."""
    webhook = {"name": "service", "url": url, "secret": secret, "events": EVENTS, "status": "ACTIVE"}
    return str(call(address, "POST", "webhooks", webhook)["webhook"]["webhook_id"])


def record() -> list[Delivery]:
    """Do on a real server what people do, and return what it delivers."""
    found: list[Delivery] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        recording(lambda _: Reply(204, b"")) as receiver,
        mlflow_process.running(Path(folder), environ=LOOPBACK) as address,
    ):
        webhook = register(address, f"{receiver.address}/hooks/mlflow")
        for model in ("EURUSD_CALENDAR", "EURUSD_LSTM", "GBPUSD_ARIMA", "Other"):
            call(address, "POST", "registered-models/create", {"name": model})
            for _ in range(2):
                call(address, "POST", "model-versions/create", {"name": model, "source": "s3://bucket/m"})

        def do(action: str, method: str, route: str, **body: str) -> None:
            count = len(receiver.asked)
            call(address, method, route, body)
            deadline = time.monotonic() + DELIVERY_S
            while len(receiver.asked) == count and time.monotonic() < deadline:
                time.sleep(0.02)
            if len(receiver.asked) == count:
                raise RuntimeError(f"{action}: nothing was delivered")
            found.append(_keep(action, receiver.asked[-1]))

        alias = "registered-models/alias"
        do("champion is set", "POST", alias, name="EURUSD_CALENDAR", alias="champion", version="1")
        do("champion moves", "POST", alias, name="EURUSD_CALENDAR", alias="champion", version="2")
        do("champion is set again", "POST", alias, name="EURUSD_CALENDAR", alias="champion", version="2")
        do("champion of a second model", "POST", alias, name="EURUSD_LSTM", alias="champion", version="1")
        do("champion of another pair", "POST", alias, name="GBPUSD_ARIMA", alias="champion", version="1")
        do("champion of a model of no pair", "POST", alias, name="Other", alias="champion", version="1")
        do("challenger", "POST", alias, name="EURUSD_LSTM", alias="challenger", version="2")
        do("champion is removed", "DELETE", alias, name="EURUSD_LSTM", alias="champion")
        tag = {"name": "EURUSD_LSTM", "version": "1", "key": "serving", "value": "active"}
        do("a tag", "POST", "model-versions/set-tag", **tag)
        do("the test of a webhook", "POST", f"webhooks/{webhook}/test")
    return found


def _keep(action: str, asked: Asked) -> Delivery:
    names = ("content-type", "user-agent", "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")
    return Delivery(action, {name: asked.headers[name] for name in names}, asked.body)


def main() -> None:
    rows = [delivery._asdict() | {"body": delivery.body.decode()} for delivery in record()]
    DELIVERIES.write_text(json.dumps(rows, indent=1) + "\n")
    sys.stdout.write(f"{len(rows)} deliveries in {DELIVERIES}\n")


if __name__ == "__main__":
    main()
