"""The registry against a real SQLite database, a real MLflow server and servers of other versions."""

from __future__ import annotations

import base64
import http.server
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import onnx
import pandas as pd
import pytest

from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion
from lambda_fn.prices.price_file import parse
from tests.support import foreign, mlflow_database, mlflow_process, tracked
from tests.support.deferred import Deferred
from tests.support.errors import has_cure
from training.evaluation.selection import Selection
from training.export.candidate import Candidate, Registered
from training.publishing import mlflow_access
from training.publishing.mlflow_access import AliasHolders, RegistryError, RegistryUnreachable, check_database

if TYPE_CHECKING:
    import mlflow
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

    from training.publishing import cleanup
    from training.publishing import mlflow_registry as registry
    from training.publishing import mlflow_runs as experiment
    from training.publishing.mlflow_registry import Registry
else:
    mlflow = Deferred("mlflow")
    cleanup = Deferred("training.publishing.cleanup")
    experiment = Deferred("training.publishing.mlflow_runs")
    registry = Deferred("training.publishing.mlflow_registry")

Found: TypeAlias = "tuple[Registry, dict[str, Registered]]"


@pytest.fixture
def found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    with tracked.database(tmp_path, tmp_path_factory.getbasetemp()) as tracking:
        yield tracking


def log_one(tracking: Registry, candidate: Candidate, plots: dict[str, Figure] | None = None) -> Registered:
    selection = Selection((candidate.family,), {candidate.family: 1.0}, tie=False)
    return experiment.log_run(tracking, [candidate], tracked.score_table(), selection, plots or {}, {})[
        candidate.family
    ]


def test_a_run_is_a_parent_with_a_child_for_each_family(found: Found) -> None:
    tracking, registered = found
    client = tracking.client
    pair = client.get_experiment_by_name("EURUSD_Experiments")
    assert pair is not None
    runs = client.search_runs([pair.experiment_id])
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = {run.data.tags["family"]: run for run in runs if run.data.tags.get("mlflow.parentRunId")}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    assert {family: version.run_id for family, version in registered.items()} == {
        family: run.info.run_id for family, run in children.items()
    }
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert parent.info.run_name == "through 2026-10-30: lstm"
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"comparison.csv"}
    description = parent.data.tags["mlflow.note.content"]
    assert description.startswith("# EUR/USD: lstm is the champion\n\n3 families ")
    assert " through 2026-10-30" in description
    assert "By rank: lstm, arima, random_walk." in description
    assert "| family | 1 day |" in description and "\n| **lstm** | 0.09100 |" in description
    assert "\n| garch | " in description and description.count("\n| ") == 7, "three families, three baselines, the head"
    assert {run.info.run_name for run in children.values()} == {"lstm: champion", "arima", "random_walk"}
    lstm = children["lstm"].data
    assert lstm.params["order"] == "1,0,1" and lstm.params["features"] == '["level"]'
    assert lstm.tags["prices_sha256"] == "0" * 64 and lstm.tags["trained_through"] == "2026-10-30"
    assert lstm.tags["rank"] == "1" and lstm.tags["code"] == "test"
    assert lstm.tags["version"] == "models:/EURUSD_LSTM/1"
    assert lstm.metrics == pytest.approx({"relative_pinball": 0.99, "pinball_1d": 0.091, "skill_vs_ewma_1d": 0.01})


def test_a_version_tells_what_it_is(found: Found) -> None:
    version = found[0].client.get_model_version("EURUSD_LSTM", "1")
    card = str(version.description)
    assert card.startswith("# EUR/USD, lstm\n\n") and "\n| 1 | 0.09100 | +1.00 % |" in card
    assert f"- file: sha256 `{tracked.candidate('lstm').sha256}`" in card
    assert version.tags == {
        "sha256": tracked.candidate("lstm").sha256,
        "family": "lstm",
        "trained_through": "2026-10-30",
        "pinball_1d": "0.091",
        "skill_vs_ewma_1d": "0.01",
    }


def test_a_file_is_one_version(found: Found) -> None:
    tracking, registered = found
    again = log_one(tracking, tracked.candidate())
    assert again == registered["lstm"]
    tracking.client.set_model_version_tag("EURUSD_LSTM", "1", registry.SHA256_TAG, "0" * 64)
    assert log_one(tracking, tracked.candidate()).version == 2, "that version is of another file"
    made = tracked.candidate(dated=True)
    gone = log_one(tracking, made)
    folder = tracking.client.get_model_version_download_uri(gone.name, str(gone.version))
    (Path(folder.removeprefix("file://")) / "model.onnx").unlink()
    assert log_one(tracking, made).version == gone.version + 1, "the file of that version is gone"


def test_a_chosen_version_puts_the_champion_in_the_second_place(found: Found) -> None:
    tracking, registered = found
    registry.set_aliases(tracking, registry.rank_first(tracking, registered["random_walk"]))
    assert registry.alias_holders(tracking, "EURUSD") == {
        "champion": ("EURUSD_RandomWalk", 1),
        "challenger": ("EURUSD_LSTM", 1),
        "candidate": ("EURUSD_ARIMA", 1),
    }
    registry.set_alias(tracking, "champion", registered["lstm"])
    assert registry.alias_holders(tracking, "EURUSD") == {
        "champion": ("EURUSD_LSTM", 1),
        "candidate": ("EURUSD_ARIMA", 1),
    }


def test_a_registry_that_was_moved_finds_its_files(tmp_path: Path) -> None:
    """The folder of a clone is renamed; a copy of the database without its files is left as it is."""
    with tracked.tracking_address():
        before = registry.connect(f"sqlite:///{tmp_path}/clone/mlflow.db")
        made = log_one(before, tracked.candidate())
        (tmp_path / "alone").mkdir()
        shutil.copy(tmp_path / "clone/mlflow.db", tmp_path / "alone/mlflow.db")
        assert registry.connect(f"sqlite:///{tmp_path}/alone/mlflow.db").note is None
        (tmp_path / "clone").rename(tmp_path / "moved here")
        tables = dump(tmp_path / "moved here/mlflow.db")
        moved = registry.connect(f"sqlite:///{tmp_path}/moved here/mlflow.db")
        assert moved.note is not None and re.search(r" was moved: .* ln -s ", moved.note)
        assert registry.download(moved, registry.find_version(moved, made.uri)) == tracked.candidate().model
        assert len(experiment.read_scores(moved, made.run_id)) == 6 * foreign.HORIZON
        assert dump(tmp_path / "moved here/mlflow.db") == tables, "MLflow alone writes its tables"
        assert log_one(moved, tracked.candidate()) == made
        assert registry.connect(moved.tracking_uri).note is None
        assert not (tmp_path / "clone").exists()


@pytest.mark.parametrize("files", [True, False], ids=["with its files", "the database alone"])
def test_a_registry_that_was_copied_writes_nothing_where_it_came_from(tmp_path: Path, files: bool) -> None:
    """The copy has its own experiment from its first run on, and reads what it lacks from the old folder."""
    with tracked.tracking_address():
        before = registry.connect(mlflow_database.create(tmp_path / "clone/mlflow.db"))
        made = log_one(before, tracked.candidate())
        (tmp_path / "copy").mkdir()
        for name in ("mlflow.db", "mlruns")[: 1 + files]:
            source = tmp_path / "clone" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / "copy" / name)
        left = contents(tmp_path / "clone")
        copied = registry.connect(f"sqlite:///{tmp_path}/copy/mlflow.db")
        assert (copied.note or "").startswith("the registry was copied: ") == files
        assert registry.download(copied, registry.find_version(copied, made.uri)) == tracked.candidate().model
        assert len(experiment.read_scores(copied, made.run_id)) == 6 * foreign.HORIZON
        version = log_one(copied, tracked.candidate("arima"))
        folder = copied.client.get_model_version_download_uri(version.name, str(version.version))
        assert folder.startswith((tmp_path / "copy/mlruns").as_uri())
        assert registry.download(copied, registry.find_version(copied, made.uri)) == tracked.candidate().model
        assert contents(tmp_path / "clone") == left


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of each file below a folder, by its path."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def dump(path: Path) -> list[str]:
    """The tables of a database as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_runs_after_a_move_are_beside_the_database_and_a_clean_slate_has_them_all(tmp_path: Path) -> None:
    with tracked.tracking_address():
        log_one(registry.connect(mlflow_database.create(tmp_path / "clone/mlflow.db")), tracked.candidate())
        (tmp_path / "clone").rename(tmp_path / "moved")
        moved = registry.connect(f"sqlite:///{tmp_path}/moved/mlflow.db")
        version = log_one(moved, tracked.candidate("arima"))
        names = {found.name: found.artifact_location for found in moved.client.search_experiments()}
        assert names["EURUSD_Experiments"] == (tmp_path / "moved/mlruns").as_uri()
        assert names["EURUSD_Experiments-moved-1"] == (tmp_path / "clone/mlruns").as_uri()
        folder = moved.client.get_model_version_download_uri(version.name, str(version.version))
        assert folder.startswith((tmp_path / "moved/mlruns").as_uri())
        assert mlflow.pyfunc.load_model(version.uri) is not None
        assert len(cleanup.make_plan(moved, "EURUSD").runs) == 4, "two runs, each with its child"
        assert len(cleanup.make_plan(moved, "EURUSD").logged_models) == 2


def test_the_cure_for_a_move_makes_mlflow_find_the_files_of_earlier_runs(tmp_path: Path) -> None:
    with tracked.tracking_address():
        made = log_one(registry.connect(mlflow_database.create(tmp_path / "clone/mlflow.db")), tracked.candidate())
        (tmp_path / "clone").rename(tmp_path / "moved")
        note = str(registry.connect(f"sqlite:///{tmp_path}/moved/mlflow.db").note)
        subprocess.run(["sh", "-c", note.partition("link them: ")[2]], check=True)
        assert registry.connect(f"sqlite:///{tmp_path}/moved/mlflow.db").note is None
        assert mlflow.pyfunc.load_model(made.uri) is not None


def test_scores_of_a_run_that_kept_every_cell_as_a_metric_are_read(found: Found) -> None:
    client = found[0].client
    run = client.create_run("0", tags={"family": "lstm"})
    for name in ("n_h1", "pinball_h1", "ewma/pinball_h1"):
        client.log_metric(run.info.run_id, name, 2.0)
    scores = experiment.read_scores(found[0], run.info.run_id)
    assert scores["family"].tolist() == ["ewma", "lstm"] and scores["pinball"].tolist() == [2.0, 2.0]


def test_the_registered_file_is_the_exported_one(found: Found) -> None:
    tracking, registered = found
    for family, version in registered.items():
        exported = tracked.candidate(family)
        assert version.name == exported.name and version.sha256 == exported.sha256
        assert registry.download(tracking, version) == exported.model
        folder = tracking.client.get_model_version_download_uri(version.name, str(version.version))
        assert (Path(folder.removeprefix("file://")) / "model.onnx").read_bytes() == exported.model


@pytest.mark.parametrize("dated", [False, True])
def test_stock_mlflow_forecasts_what_serving_forecasts(found: Found, dated: bool) -> None:
    tracking, _ = found
    exported = tracked.candidate("lstm", dated=dated)
    version = log_one(tracking, exported)
    registry.set_alias(tracking, "champion", version)
    champion = Champion.load(exported.model)
    inputs = input_arrays(table_inputs(champion, parse(tracked.PRICE_FILE)))
    batch = {name: np.concatenate([values, values[:, ::-1]]) for name, values in inputs.items()}
    ours = champion.forecast(batch)
    theirs = mlflow.pyfunc.load_model("models:/EURUSD_LSTM@champion").predict(batch)
    np.testing.assert_array_equal(theirs["quantiles"], ours.quantiles)
    np.testing.assert_array_equal(theirs["mean"], ours.mean)


def test_stock_mlflow_refuses_a_window_of_another_length(found: Found) -> None:
    model = mlflow.pyfunc.load_model("models:/EURUSD_LSTM@champion")
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        model.predict({"close": np.ones((1, foreign.WINDOW - 1))})


def test_scores_come_back_from_the_run(found: Found) -> None:
    tracking, registered = found
    scores = experiment.read_scores(tracking, registered["arima"].run_id)
    table = tracked.score_table()
    pd.testing.assert_frame_equal(scores[list(table)], table)


def test_scores_of_an_unknown_run_are_an_error(found: Found) -> None:
    with pytest.raises(RegistryError, match=f"^run {'f' * 32}: .*sqlite:///"):
        experiment.read_scores(found[0], "f" * 32)


def test_a_plot_and_the_features_are_logged(found: Found) -> None:
    tracking, _ = found
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    version = log_one(tracking, tracked.candidate(dated=True), {"lstm": figure})
    assert {"features.json", experiment.PLOT} <= {
        artifact.path for artifact in tracking.client.list_artifacts(version.run_id)
    }


def test_bytes_that_mlflow_would_change_are_refused(found: Found) -> None:
    exported = tracked.candidate()
    tail = onnx.ModelProto(producer_name="appended").SerializeToString()  # valid: fields may come in any order
    odd = Candidate("lstm", "LSTM", exported.model + tail, exported.metadata, {})
    assert Champion.load(odd.model).metadata == odd.metadata
    with pytest.raises(RegistryError, match="SerializeToString"):
        log_one(found[0], odd)


def test_each_alias_is_on_one_model_of_the_pair(found: Found) -> None:
    tracking, registered = found
    other = tracked.log(tracking, pair="GBPUSD")
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_LSTM", 1)
    registry.set_aliases(tracking, [registered[family] for family in ("arima", "random_walk", "lstm")])
    aliases = {model.name: model.aliases for model in registry.list_models(tracking, "EURUSD")}
    assert aliases == {
        "EURUSD_ARIMA": {"champion": 1},
        "EURUSD_RandomWalk": {"challenger": 1},
        "EURUSD_LSTM": {"candidate": 1},
    }
    assert registry.alias_holder(tracking, "GBPUSD", "champion") == ("GBPUSD_LSTM", other["lstm"].version)


class DyingClient:
    """Passes everything on to MLflow's client until so many aliases were changed."""

    def __init__(self, client: MlflowClient, changes: int) -> None:
        self._client = client
        self._left = changes

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_registered_model_alias"):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
        return getattr(self._client, name)


def test_killed_at_any_change_of_aliases_the_pair_keeps_a_champion(found: Found) -> None:
    tracking, registered = found
    rankings = [[registered[family] for family in RANKING] for RANKING in (tracked.RANKING, ("arima", "lstm"))]
    for changes in range(4):
        registry.set_aliases(tracking, rankings[0])
        dying = replace(tracking, client=cast("MlflowClient", DyingClient(tracking.client, changes)))
        with pytest.raises(KeyboardInterrupt):
            registry.set_aliases(dying, rankings[1])
        assert registry.alias_holder(tracking, "EURUSD", "champion")
        registry.set_aliases(tracking, rankings[1])
        holders = [model.name for model in registry.list_models(tracking, "EURUSD") if "champion" in model.aliases]
        assert holders == ["EURUSD_ARIMA"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("EURUSD_LSTM", "; write models:/NAME/3 or models:/NAME@challenger"),
        ("models:/EURUSD_LSTM", "; write models:/NAME/3 or models:/NAME@challenger"),
        ("models:/EURUSD_LSTM/99", "no such version; "),
        ("models:/EURUSD_LSTM@best", "no such version; "),
        ("models:/EURUSD_None/1", "no such version; "),
    ],
)
def test_an_unknown_version_is_an_error_with_its_cure(found: Found, uri: str, message: str) -> None:
    with pytest.raises(RegistryError, match=f"^{uri}: .*{message}"):
        registry.find_version(found[0], uri)


def test_versions_are_found_by_alias_and_number(found: Found) -> None:
    tracking, registered = found
    assert registry.find_version(tracking, "models:/EURUSD_ARIMA@challenger") == registered["arima"]
    assert registry.find_version(tracking, "models:/EURUSD_ARIMA/1") == registered["arima"]


def test_a_version_without_onnx_is_refused(found: Found, tmp_path: Path) -> None:
    tracking, _ = found
    (tmp_path / "pickled").mkdir()
    version = tracking.client.create_model_version("EURUSD_ARIMA", (tmp_path / "pickled").as_uri())
    with pytest.raises(RegistryError, match=r"EURUSD_ARIMA/2 holds no model\.onnx.*train it again"):
        registry.download(tracking, Registered("EURUSD_ARIMA", int(version.version), "", ""))


def test_a_file_that_was_changed_is_refused(found: Found) -> None:
    tracking, _ = found
    tracking.client.set_model_version_tag("EURUSD_LSTM", "1", registry.SHA256_TAG, "0" * 64)
    with pytest.raises(
        RegistryError, match=f"^models:/EURUSD_LSTM/1: .* {tracked.candidate('lstm').sha256}, .* {'0' * 64}; "
    ):
        registry.download(tracking, registry.find_version(tracking, "models:/EURUSD_LSTM/1"))


def test_a_deleted_experiment_is_brought_back(found: Found) -> None:
    tracking, _ = found
    name = experiment.experiment_name("EURUSD")
    before = tracking.client.get_experiment_by_name(name)
    assert before is not None
    tracking.client.delete_experiment(before.experiment_id)
    assert log_one(tracking, tracked.candidate(dated=True)).version == 2


def test_a_new_database_is_made_quietly_and_keeps_its_files_beside_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracked.tracking_address():
        tracking = registry.connect(f"sqlite:///{tmp_path}/new/mlflow.db")
        log_one(tracking, tracked.candidate())
    assert capfd.readouterr().out == ""
    assert list((tmp_path / "new" / "mlruns").rglob("model.onnx"))


def test_an_address_that_mlflow_refuses_is_an_error(tmp_path: Path) -> None:
    with tracked.tracking_address(), pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI"):
        registry.connect((tmp_path / "mlruns").as_uri())


@contextmanager
def answering(status: int, text: str) -> Iterator[str]:
    """The address of a server that gives this answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (200, "2.22.0", r"MLflow 2\.22\.0.*upgrade it to 3\.0 or newer"),
        (200, "<html>hello</html>", "/version .*; correct"),
        (404, "not here", "/version .*; correct"),
        (401, "who are you", "MLFLOW_TRACKING_USERNAME"),
        (403, "Invalid Host header", "--allowed-hosts"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused(status: int, text: str, message: str) -> None:
    with tracked.tracking_address(), answering(status, text) as uri, pytest.raises(RegistryError, match=message):
        registry.connect(uri)
    with answering(status, text) as uri, pytest.raises(RegistryError, match=message):
        mlflow_access.read_aliases(uri, "EURUSD", {})


def test_no_server_is_an_error() -> None:
    with socket.socket() as silent:  # its port is taken, and nobody listens there
        silent.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with tracked.tracking_address(), pytest.raises(RegistryUnreachable, match=f" at {nobody}; "):
            registry.connect(nobody)
        with pytest.raises(RegistryUnreachable, match=f" at {nobody}; "):
            mlflow_access.read_aliases(nobody, "EURUSD", {})


@pytest.mark.parametrize("variable", [*mlflow_access.CLIENT_LOGINS, *mlflow_access.CLIENT_TRUST])
def test_a_login_that_only_mlflows_client_knows_is_left_to_it(variable: str) -> None:
    assert mlflow_access.read_aliases("https://127.0.0.1:9", "EURUSD", {variable: "any"}) is None


@pytest.mark.parametrize("uri", ["postgresql://one@two/three", "sqlite:///:memory:", "sqlite:///file:a?uri=true"])
def test_an_address_that_only_mlflows_client_knows_is_left_to_it(uri: str) -> None:
    assert mlflow_access.read_aliases(uri, "EURUSD", {}) is None


def test_the_login_goes_to_the_server_and_into_no_message() -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_error(401)

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        at = f"127.0.0.1:{server.server_address[1]}"
        for uri, environ in (
            (f"http://ann:secret%21@{at}", {}),
            (f"http://{at}", {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "secret!"}),
        ):
            with pytest.raises(RegistryError, match="answers 401") as refused:
                mlflow_access.read_aliases(uri, "EURUSD", environ)
            assert "secret" not in str(refused.value)
        server.shutdown()
    assert asked == ["Basic " + base64.b64encode(b"ann:secret!").decode()] * 2


@pytest.fixture(params=["text", "folder", "header", "pages"])
def no_database(request: pytest.FixtureRequest, found: Found, tmp_path: Path) -> Path:
    """What somebody's sqlite:/// address may name: no database, or one that is damaged."""
    path = tmp_path / "broken" / "mlflow.db"
    path.parent.mkdir()
    whole = bytearray((tmp_path / "mlflow.db").read_bytes())
    if request.param == "folder":
        path.mkdir()
    elif request.param == "text":
        path.write_text("runs and models\n" * 1000)
    else:
        start = 0 if request.param == "header" else 4096
        whole[start : start + 4096 * 16] = b"\xff" * 4096 * 16
        path.write_bytes(whole)
    return path


def test_what_is_no_database_is_refused_at_once_and_left_as_it_is(no_database: Path) -> None:
    before = no_database.read_bytes() if no_database.is_file() else None
    start = f"^MLFLOW_TRACKING_URI: {re.escape(str(no_database))} .*; restore a copy"
    with tracked.tracking_address(), pytest.raises(RegistryError, match=start) as refused:
        registry.connect(f"sqlite:///{no_database}")
    assert "\n" not in str(refused.value)
    assert before == (no_database.read_bytes() if no_database.is_file() else None)


def test_reading_aliases_makes_and_changes_no_database(found: Found, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    before = path.read_bytes()
    held = mlflow_access.read_aliases(f"sqlite:///{path}", "EURUSD", {})
    assert held is not None and held.aliases["champion"] == ("EURUSD_LSTM", 1)
    assert path.read_bytes() == before
    missing = mlflow_access.read_aliases(f"sqlite:///{tmp_path}/none/mlflow.db", "EURUSD", {})
    assert missing is not None and missing.aliases == {}
    assert f"{tmp_path}/none/mlflow.db: " in str(missing.note) and has_cure(str(missing.note))
    assert not (tmp_path / "none").exists()


def test_a_database_that_another_process_writes_is_no_broken_one(found: Found, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryUnreachable, match=r"has locked .*; try again"):
            check_database(tmp_path / "mlflow.db")


def test_another_version_of_the_server_is_reported() -> None:
    with answering(200, "3.7.0") as uri:
        note = registry.check_server(uri)
    assert note is not None and "3.7.0" in note and metadata.version("mlflow") in note
    with answering(200, metadata.version("mlflow")) as uri:
        assert registry.check_server(uri) is None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on SQLite that keeps and serves the files itself."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    with mlflow_process.running(folder, f"--artifacts-destination={folder}/files") as address:
        yield address


def test_a_remote_server_does_all_that_a_database_does(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    with tracked.tracking_address():
        tracking = registry.connect(server)
        registered = tracked.log(tracking)
        version = registry.find_version(tracking, "models:/EURUSD_LSTM@champion")
        assert tracking.note is None
        assert mlflow_access.read_aliases(server, "EURUSD", {}) == AliasHolders(
            registry.alias_holders(tracking, "EURUSD"), None, ("models:/EURUSD_LSTM/1",)
        )
        assert version == registered["lstm"]
        assert registry.download(tracking, version) == tracked.candidate("lstm").model
        assert len(experiment.read_scores(tracking, version.run_id)) == 6 * foreign.HORIZON
        folder = tracking.client.get_model_version_download_uri(version.name, str(version.version))
        path = folder.removeprefix("mlflow-artifacts:/")
        url = f"{server}/api/2.0/mlflow-artifacts/artifacts/{path}/model.onnx"
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == tracked.candidate("lstm").model
    assert capfd.readouterr().out == ""
