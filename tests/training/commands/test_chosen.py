"""From `training run` to a version of another model that is chosen in MLflow: signed, with all that training knew."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambda_fn.champion.candidate import FILE, is_chosen
from lambda_fn.contract import Active
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import refresh
from lambda_fn.registry.webhook import AliasEvent
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from tests.support import mlflow_process, tracked
from tests.support.commands import command
from tests.support.webhook_deliveries import call
from training.publishing.publish import GOLDEN_COUNT
from training.publishing.signing import make_key

pytestmark = pytest.mark.usefixtures("cached_refits")

RUN = ("run", "--families", "random_walk,calendar", "--first-year", "2026")
MODELS = {"random_walk": "EURUSD_RandomWalk", "calendar": "EURUSD_Calendar"}


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The variables of a deployment that accepts signed champions only, with a real MLflow server."""
    private, public = make_key()
    folder = tmp_path / "mlflow"
    with mlflow_process.running(folder, f"--artifacts-destination={folder}/files") as address:
        variables = {
            "STORE_DIR": str(tmp_path / "store"),
            "MLFLOW_TRACKING_URI": address,
            "CHAMPION_PUBLIC_KEYS": public,
            "STACK": "production",
        }
        for name, value in (dict.fromkeys(DEFAULTS, "") | variables | {"CHAMPION_SIGNING_KEY": private}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "store").mkdir()
        monkeypatch.chdir(tmp_path)
        with tracked.tracking_address():
            yield variables
    for name in DEFAULTS:
        os.environ.pop(name, None)


def test_a_version_that_training_did_not_select_is_served_with_its_own_scores(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = command(capsys, *RUN)
    [family] = {*MODELS} - {trained["champion"]}
    settings, address = Settings.from_env(environ), environ["MLFLOW_TRACKING_URI"]
    store = open_store(settings)
    published = Active.parse(store.read(keys.active_key()).data)

    def click(model: str) -> Active:
        call(address, "POST", "registered-models/alias", {"name": model, "alias": "champion", "version": "1"})
        now = datetime.now(UTC)
        refresh(store, settings, now, environ, registry=AliasEvent(model, now))
        return Active.parse(store.read(keys.active_key()).data)

    active = click(MODELS[family])
    pointer, before = active.pointer, published.pointer
    assert (active.generation, pointer.model_name, pointer.model_version) == (2, MODELS[family], "1")
    assert is_chosen(pointer) and active.champion.sha256 != published.champion.sha256

    printed = {(row["family"], row["horizon"]): row["pinball"] for row in trained["scores"]}
    assert {family, "constant", "ewma", "garch"} <= {row["family"] for row in pointer.scores}
    for row in pointer.scores:
        assert row["pinball"] == pytest.approx(printed[row["family"], row["horizon"]], rel=1e-3)
    assert pointer.metrics and pointer.metrics != before.metrics and pointer.baseline_metrics == before.baseline_metrics
    assert pointer.golden != before.golden and len(pointer.golden) == len(before.golden) == GOLDEN_COUNT
    assert pointer.benchmarks == before.benchmarks
    assert pointer.benchmarks and all(store.find(file.key) for file in pointer.benchmarks.values())
    assert pointer.backtest and before.backtest and pointer.backtest.keys() == before.backtest.keys()
    assert pointer.backtest != before.backtest
    assert pointer.trained_through == before.trained_through
    assert json.loads(store.read(keys.forecast_key()).data)["generation"] == 2

    assert command(capsys, "status")["differences"] == []

    [file] = [path for path in (tmp_path / "mlflow").rglob(FILE) if before.model_name in path.read_text()]
    file.write_text(file.read_text().replace('"pinball"', '"pinbal"', 1))
    with pytest.raises(Refused, match=r"pointer\.signature"):
        click(before.model_name)
