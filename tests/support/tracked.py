"""A registry with one logged run of three made-up families, on a SQLite database of its own for each test."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lambda_fn.champion.runtime import Champion
from lambda_fn.settings import Settings
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Store
from tests.support import foreign, mlflow_database
from training.evaluation.selection import Selection
from training.export.candidate import Candidate, Registered
from training.publishing import publish as publishing
from training.publishing.promotion import MoveAliases, Published
from training.publishing.publish import golden_windows, keep_aliases

if TYPE_CHECKING:
    from training.publishing.mlflow_registry import Registry

MODEL_TYPES = {"arima": "ARIMA", "lstm": "LSTM", "random_walk": "RandomWalk"}
RANKING = ("lstm", "arima", "random_walk")
NOW = datetime(2026, 10, 31, 9, 0, tzinfo=UTC)  # a Saturday, the day after the last price
PRICE_FILE = foreign.price_file(200)


def candidate(family: str = "lstm", **of_champion: Any) -> Candidate:
    """A champion of tests.support.foreign under a family's name; each family has another spread."""
    spread = 0.005 + 0.0001 * list(MODEL_TYPES).index(family)
    model = foreign.champion_bytes(**{"family": family, "spread": spread, **of_champion})
    return Candidate(family, MODEL_TYPES[family], model, Champion.load(model).metadata, {"order": "1,0,1", "lr": 0.01})


def score_table() -> pd.DataFrame:
    """Scores of the three families and the baselines, different in each cell, with the gaps that real ones have."""
    families = [*MODEL_TYPES, "constant", "ewma", "garch"]
    return pd.DataFrame(
        {
            "family": family,
            "horizon": horizon,
            "n": 4310,
            "pinball": 0.08 + 0.001 * number + 0.01 * horizon,
            "skill_ewma": float("nan") if family == "ewma" else 0.01 * number,
            "rmse": 0.5 + 0.01 * number,
            "mae": 0.4 + 0.01 * number,
            "direction": float("nan") if family in ("constant", "ewma", "garch") else 0.5 + 0.001 * number,
        }
        for number, family in enumerate(families)
        for horizon in range(1, foreign.HORIZON + 1)
    )


def log(registry: Registry, pair: str = "EURUSD", **of_champion: Any) -> dict[str, Registered]:
    """Log and register the three families, and rank them."""
    from training.publishing.mlflow_registry import set_aliases
    from training.publishing.mlflow_runs import log_run

    candidates = [candidate(family, pair=pair, **of_champion) for family in MODEL_TYPES]
    selection = Selection(RANKING, {"lstm": 0.99, "arima": 0.995, "random_walk": 1.0}, tie=False)
    registered = log_run(registry, candidates, score_table(), selection, {}, {"code": "test"})
    set_aliases(registry, [registered[family] for family in RANKING])
    return registered


@contextmanager
def database(folder: Path, base: Path) -> Iterator[tuple[Registry, dict[str, Registered]]]:
    """A copy in `folder` of a database that is made once in `base`: MLflow takes seconds to make one."""
    from training.publishing.mlflow_registry import connect

    template = base / "mlflow-template"
    with tracking_address():
        if not (template / "registered.json").exists():
            registered = log(connect(mlflow_database.create(template / "mlflow.db")))
            text = json.dumps({family: asdict(version) for family, version in registered.items()})
            (template / "registered.json").write_text(text)
        shutil.copy(template / "mlflow.db", folder / "mlflow.db")
        with closing(sqlite3.connect(folder / "mlflow.db")) as copy, copy:  # an experiment elsewhere gets no new runs
            query = "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)"
            copy.execute(query, (str(template), str(folder)))
        found = json.loads((template / "registered.json").read_text())
        registered = {family: Registered(**version) for family, version in found.items()}
        yield connect(f"sqlite:///{folder}/mlflow.db"), registered


@contextmanager
def tracking_address() -> Iterator[None]:
    """Restore MLflow's one tracking address for the process, which `connect` sets; MLflow itself is not imported."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        yield
    finally:
        if mlflow := sys.modules.get("mlflow"):
            mlflow.set_tracking_uri(before or "")


def put_prices(store: Store, pair: str = "EURUSD") -> None:
    """The price file that champions of this module are checked on."""
    store.create(price_key(pair, "ecb"), PRICE_FILE)


def publish(
    store: Store,
    settings: Settings,
    family: str = "lstm",
    version: int = 1,
    move: MoveAliases = keep_aliases,
    now: datetime = NOW,
    reason: str = "",
    **of_champion: Any,
) -> Published:
    """Publishes a made-up candidate as this version of its model, on the prices of this module."""
    made = candidate(family, pair=settings.pair, **of_champion)
    windows = golden_windows(store, Champion.load(made.model))
    registered = Registered(made.name, version, "f" * 32, made.sha256)
    return publishing.publish(store, settings, made, registered, score_table(), windows, now, move, reason=reason)
