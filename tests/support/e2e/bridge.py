"""S3's event notifications: SeaweedFS posts every change of a file, the bridge makes the S3 event of it and invokes."""

import json
import queue
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from tests.support.e2e.lambda_container import Invocation
from tests.support.e2e.steps import until

# As the template's S3 event of RefreshFunction.
PREFIX, SUFFIX = "models/", "best_model_info.json"
_BUCKETS = "/buckets/"  # where the filer keeps them
Invoke = Callable[[Mapping[str, Any]], Invocation]


class Delivery(NamedTuple):
    """An event and what the function made of it."""

    event: dict[str, Any]
    invocation: Invocation


class Bridge:
    """Receives the filer's notifications and, within `to`, invokes a function once for each object that S3 would tell
    it of, one after the other. S3 would deliver some twice, and Lambda repeat those that failed."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._events: queue.Queue[tuple[Invoke, dict[str, Any]] | None] = queue.Queue()
        self._invoke: Invoke | None = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._server.serve_forever, self._work)]
        self.deliveries: list[Delivery] = []
        self.lost: list[dict[str, Any]] = []

    def __enter__(self) -> "Bridge":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._events.put(None)
        for thread in self._threads:
            thread.join()

    def configure(self, folder: Path) -> None:
        """Writes the file that a SeaweedFS server started in this folder reads."""
        lines = [
            "[notification.webhook]",
            "enabled = true",
            f'endpoint = "http://127.0.0.1:{self._server.server_port}/"',
        ]
        lines += ['event_types = ["create", "update"]', f'path_prefixes = ["{_BUCKETS}"]', "max_retries = 0"]
        (folder / "notification.toml").write_text("\n".join(lines) + "\n")

    @contextmanager
    def to(self, invoke: Invoke) -> Iterator[list[Delivery]]:
        """The function to invoke from now on; gives the list to which deliveries are added."""
        self.deliveries, self._invoke = [], invoke
        try:
            yield self.deliveries
        finally:
            self._invoke = None
            self._events.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is written within is told to nobody: an event that got lost."""
        invoke, self._invoke = self._invoke, None
        lost = len(self.lost)
        try:
            yield
            until(lambda: len(self.lost) > lost, "the notification that gets lost")
        finally:
            self._invoke = invoke

    def received(self, notification: Mapping[str, Any]) -> None:
        """One notification of the filer."""
        event, invoke = s3_event(notification), self._invoke
        if event is not None and invoke is not None:
            self._events.put((invoke, event))
        elif event is not None:
            self.lost.append(event)

    def _work(self) -> None:
        while (item := self._events.get()) is not None:
            invoke, event = item
            try:
                self.deliveries.append(Delivery(event, invoke(event)))
            finally:
                self._events.task_done()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bridge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                bridge.received(json.loads(data))

            def log_message(self, *_: object) -> None:
                """No access log among the tests' output."""

        return Handler


def s3_event(notification: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event of S3 for a notification of the filer, None when S3's filter would hold it back.

    Source: "Event message structure" of the Amazon S3 user guide, version 2.1.
    """
    entry = notification["message"].get("new_entry") or {}
    bucket, _, key = str(notification["key"]).removeprefix(_BUCKETS).partition("/")
    if entry.get("is_directory") or not (key.startswith(PREFIX) and key.endswith(SUFFIX)):
        return None
    attributes, etag = entry["attributes"], entry.get("extended", {}).get("Seaweed-X-Amz-ETag", "")
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": datetime.fromtimestamp(attributes["mtime"], UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "bridge",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": attributes.get("file_size", 0),
                "eTag": b64decode(etag).decode(),
                "sequencer": f"{attributes['mtime']:016X}",
            },
        },
    }
    return {"Records": [record]}


def wait_for(deliveries: list[Delivery], n: int) -> Delivery:
    """Waits until there are `n` deliveries and gives the last of them."""
    until(lambda: len(deliveries) >= n, f"notification {n} of the pointer")
    return deliveries[n - 1]
