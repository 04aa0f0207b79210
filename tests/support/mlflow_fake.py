"""A made-up MLflow server that has one version of one model; `tests.support.recorder` serves it."""

import json
from dataclasses import dataclass

from tests.support import foreign
from tests.support.recorder import Asked, Reply

CHAMPION = foreign.champion_bytes()
VERSION = {"name": "EURUSD_LSTM", "version": "3", "creation_timestamp": 1793376300000, "run_id": "r" * 32}
FOLDER = "1/models/m-0123/artifacts"


@dataclass
class Fake:
    """Answers as MLflow does; `change` replaces the answers whose path contains the key."""

    change: dict[str, Reply]
    files: str = f"mlflow-artifacts:/{FOLDER}"

    def __call__(self, asked: Asked) -> Reply:
        for part, reply in self.change.items():
            if part in asked.path:
                return reply
        if "/registered-models/alias" in asked.path or "/model-versions/get?" in asked.path:
            return Reply(200, json.dumps({"model_version": VERSION}).encode())
        if "get-download-uri" in asked.path:
            return Reply(200, json.dumps({"artifact_uri": self.files}).encode())
        return Reply(200, CHAMPION)
