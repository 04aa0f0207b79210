"""The API on a folder, called by events in this process, with a clock that tests set."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lambda_fn.api import App, handle_event
from lambda_fn.jobs.activation import Activation
from lambda_fn.refresh import RefreshResult, refresh
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.events import event

SIGN_IN = {
    "SIGN_IN_CLIENT_ID": "123-abc.apps.example.com",
    "SIGN_IN_ISSUER": "https://issuer.example/v2/",
    "SIGN_IN_AUTHORIZATION_ENDPOINT": "https://login.example/authorize?p=policy_1",
    "SIGN_IN_TOKEN_ENDPOINT": "https://login.example:8443/token?p=policy_1",
    "SIGN_OUT_URL": "https://login.example/logout?client_id=1&logout_uri=https%3A%2F%2Fx.example%2Fsign-in",
}
START = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)


class Clock:
    """Seconds since 1970, which only `ahead` moves."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now

    def ahead(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Answer:
    """What came back: `json` is the parsed body."""

    status: int
    headers: dict[str, str]
    json: Any

    @property
    def error(self) -> dict[str, str]:
        error: dict[str, str] = self.json["error"]
        return error


@dataclass(frozen=True)
class LocalApi:
    """A folder, its settings, and the API on it."""

    store: Store
    settings: Settings
    clock: Clock
    app: App
    folder: Path = field(compare=False)

    def promote(self, data: bytes, generation: int, **changes: Any) -> Activation:
        """Publishes and activates a champion."""
        foreign.publish_to(self.store, data, generation, **changes)
        return self.refresh().activation

    def refresh(self) -> RefreshResult:
        """As the timer does."""
        return refresh(self.store, self.settings, datetime.fromtimestamp(self.clock(), UTC))

    def call(self, found: dict[str, Any]) -> Answer:
        result = handle_event(self.app, found)
        return Answer(result["statusCode"], result["headers"], json.loads(result["body"] or "null"))

    def get(self, path: str, **query: str) -> Answer:
        return self.call(event("GET", path, query))

    def post(self, body: object, **query: str) -> Answer:
        return self.call(event("POST", "/api/predict", query, body))


def local_api(folder: Path) -> LocalApi:
    """The API on an empty folder."""
    settings = Settings.from_env({"STORE_DIR": str(folder), **SIGN_IN})
    store, clock = open_store(settings), Clock()
    return LocalApi(store, settings, clock, App(store, settings, clock), folder)
