"""`python -m training` as a person uses it, on a folder and a database of its own: small settings, nothing replaced."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import training.prices
from lambda_fn.prices.ecb import TIMEOUT_S
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.command_line import TEMPORARY_FAILURE
from lambda_fn.web.page import record_view
from tests.support import mlflow_database, tracked
from tests.support.commands import command, parsed
from tests.support.facts import lacking
from training.__main__ import command_line, main
from training.commands.options import Fresh
from training.prices.windows import complete_origins, windows

pytestmark = pytest.mark.usefixtures("cached_refits")

SMALL = ("--families", "random_walk,calendar", "--first-year", "2026")
BASELINES = {"constant", "ewma", "garch"}
EXPIRED = 75  # the forecast from the embedded prices, whose days have all begun


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a `.env` that names store and registry."""
    from lambda_fn import api
    from lambda_fn.settings import DEFAULTS

    for name in DEFAULTS:
        monkeypatch.setenv(name, "")  # restored afterwards, also what the command adds
        monkeypatch.delenv(name)
    # An absolute path, as MLflow keeps one engine an address for the whole process.
    address = mlflow_database.create(tmp_path / "mlflow.db")
    (tmp_path / "store").mkdir()
    (tmp_path / ".env").write_text(f"STORE_DIR=store\nMLFLOW_TRACKING_URI={address}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_function", None)
    with tracked.tracking_address():
        yield tmp_path
    for name in DEFAULTS:
        os.environ.pop(name, None)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one error that the command names."""
    capsys.readouterr()
    assert main(arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    return output.err


def test_from_prices_to_rollback(place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """One life: train, look, publish by hand, move the alias away, go back, forecast, clean, train again."""
    import mlflow

    result = command(capsys, "run", *SMALL)
    assert result["champion"] in ("random_walk", "calendar")
    rows = result["scores"]
    assert {row["family"] for row in rows} == {"random_walk", "calendar"} | BASELINES
    assert {row["horizon"] for row in rows} == {1, 2, 3, 4, 5, 21}
    assert all(row["pinball"] > 0 for row in rows)
    official = Official.parse((place / "store/serving/forecast.json").read_bytes(), "EURUSD")
    shown = {score.family: score.badge for score in record_view.scores(official)}
    challenger = ({"random_walk", "calendar"} - {result["champion"]}).pop()
    assert shown == {result["champion"]: "champion", challenger: None} | dict.fromkeys(BASELINES, "benchmark")
    backtest = json.loads((place / "store/models/best_model_info.json").read_text())["backtest"]
    covered = {row["event"]: row["coverage"]["80"] for row in backtest["events"]}
    assert list(covered) == ["payrolls", "FOMC", "ECB", "CPI", "none"]
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in covered.values())

    status = command(capsys, "status")
    assert status["active"]["generation"] == 1
    assert status["differences"] == []
    assert status["prices"][0]["last_date"] == "2026-10-30"

    chosen = command(capsys, "publish", "models:/EURUSD_Calendar/1")
    assert chosen["generation"] == 2
    assert chosen["activation"]["outcome"] == "activated"
    loaded = mlflow.pyfunc.load_model("models:/EURUSD_Calendar@champion")
    window = windows(prices, ("close", "date", "target_date"), complete_origins(prices)[-3:])
    answer = command(capsys, "forecast", "--horizon", "2", code=EXPIRED)
    assert answer["champion"]["generation"] == 2
    assert [day["horizon"] for day in answer["forecast"]] == [1, 2]
    expected = np.asarray(loaded.predict(window)["quantiles"])[-1, 0]
    assert list(answer["forecast"][0]["quantiles"].values()) == pytest.approx(expected.tolist(), abs=1e-6)

    mlflow.MlflowClient().set_registered_model_alias("EURUSD_RandomWalk", "champion", "1")
    mlflow.MlflowClient().delete_registered_model_alias("EURUSD_Calendar", "champion")
    [difference] = command(capsys, "status")["differences"]
    assert difference.endswith(" publish models:/EURUSD_RandomWalk@champion")

    assert command(capsys, "rollback", "--to", "1")["generation"] == 3
    assert command(capsys, "status")["active"]["pointer"]["model_name"] == "EURUSD_RandomWalk" or (
        result["champion"] == "calendar"
    )

    planned = command(capsys, "clean", "--yes")
    assert {name for name, _ in planned["models"]} == {"EURUSD_RandomWalk", "EURUSD_Calendar"}
    assert planned["keys"] == []
    assert command(capsys, "clean", "--yes")["models"] == []
    assert command(capsys, "run", *SMALL)["champion"] == result["champion"]
    assert command(capsys, "status")["active"]["generation"] == 4


def test_each_run_is_a_look_at_the_same_days(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The registry counts them and the pointer has the one that chose its champion; a new registry begins again."""
    import mlflow

    def looks() -> tuple[str, dict[str, object], dict[str, str]]:
        assert main(["run", *SMALL]) == 0
        pointer = json.loads((place / "store/models/best_model_info.json").read_text())
        client = mlflow.MlflowClient()
        [experiment] = client.search_experiments(filter_string="name = 'EURUSD_Experiments'")
        runs = client.search_runs([experiment.experiment_id], "params.families LIKE '%,%'")
        return " ".join(capsys.readouterr().err.split()), pointer["look"], runs[0].data.tags

    said, first, tags = looks()
    assert not lacking(said, "1 challenger ", " 0.02 ", " first look")
    assert first == {"number": 1, "previous": None, "days": first["days"], "challengers": 1, "level": 0.02}
    assert (tags["look_number"], tags["look_level"], tags["look_challengers"]) == ("1", "0.02", "1")
    said, pointer_look, tags = looks()
    assert not lacking(said, " look 2", str(datetime.now(UTC).date())) and tags["look_number"] == "2"
    assert pointer_look == first, "the champion is the one that the first look chose"
    command(capsys, "run", "--families", "random_walk", *SMALL[2:])
    assert looks()[2]["look_number"] == "3", "a single family is compared with none"
    command(capsys, "clean", "--yes")
    assert not lacking(looks()[0], " first look")


def test_evaluate_is_the_score_table_of_run_and_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated = command(capsys, "evaluate", *SMALL)
    assert not list(place.glob("store/*/*"))
    assert mlflow_database.is_unused(place / "mlflow.db")
    assert command(capsys, "run", *SMALL) == evaluated


def test_the_report_is_one_file_that_needs_nothing_else_and_is_kept_in_mlflow(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    ran = command(capsys, "run", *SMALL)
    champion = ran["champion"]
    facts = command(capsys, "report", *SMALL, "--out", "found.html")
    page = (place / "found.html").read_text("utf-8")
    assert facts["champion"] == champion
    assert page.count("<img") == 4 and page.count("data:image/png;base64,") == 4
    assert not re.search(r"(?:src|href)=\"(?!data:)", page), "it would fetch something"
    assert len(ran["scores"]) == 5 * 6, "two families and three baselines, at six horizons"
    for row in ran["scores"]:
        if row["horizon"] in (1, 5, 21):
            assert f"{row['pinball']:.5f}" in page, "the report's figures are the run's, to the digits printed"
    assert not lacking(page, "Scores", "Calibration", "news: scheduled", "regime: wild")
    news = r"calendar [^<]*</h2>\n<ul>.*<li>A day with an FOMC decision is \d+ % wider \(\+\d+ to \+\d+ %\)"
    assert re.search(news, page)
    client = mlflow.MlflowClient()
    assert [file.path for file in client.list_artifacts(facts["run_id"])] == ["found.html"]
    model = {"random_walk": "EURUSD_RandomWalk", "calendar": "EURUSD_Calendar"}[champion]
    version = client.get_model_version_by_alias(model, "champion")
    assert str(version.description).startswith("# EUR/USD, ")
    assert str(version.description).endswith(f"runs:/{facts['run_id']}/found.html)")
    assert "error: --out: gone/found.html cannot be written" in fails(capsys, "report", "--out", "gone/found.html")


def test_where_every_family_fails_a_gate_nothing_is_published(
    place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """Returns that are all of one size from 2026 on: no interval of 80 % covers 80 % of them."""
    import mlflow

    signs = np.where(np.random.default_rng(0).uniform(size=len(prices)) < 0.5, 0.004, -0.004)
    years = pd.DatetimeIndex(prices.index).year
    returns = np.where(years >= 2026, signs, np.diff(np.log(prices["close"].to_numpy()), prepend=0.0))
    returns[0] = 0.0
    path = place / "odd.csv"
    pd.DataFrame({"close": 1.1 * np.exp(returns.cumsum())}, index=prices.index).to_csv(path, index_label="Date")
    assert (
        main(["run", "--csv", str(path), "--families", "random_walk,calendar", "--first-year", "2026", "--trust"]) == 2
    )
    output = capsys.readouterr()
    said = " ".join(output.out.split())
    assert "No family passes " in said and "random_walk cannot be champion: " in said
    assert "its 80 % interval covers" in said
    error = output.err.splitlines()[-1]
    assert error.startswith("error: nothing is published, ")
    assert not lacking(error, ": random_walk: ", "; calendar: ", " 80 % interval ")
    assert "Traceback" not in output.err
    assert not (place / "store/models").exists() and not (place / "store/serving").exists()
    assert not mlflow.MlflowClient().search_registered_models()


def test_prices_of_ones_own(place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Date", "Open", "CLOSE"])
        writer.writerows([f"{day:%d.%m.%Y}", close, close] for day, close in prices["close"].iloc[-1500:].items())
    facts = command(capsys, "prices", "--csv", str(path))
    assert (facts["source"], facts["rows"], facts["last"]) == ("csv", 1500, "2026-10-30")
    result = command(capsys, "run", "--csv", str(path), "--families", "random_walk", "--first-year", "2026")
    assert result["champion"] == "random_walk"
    assert command(capsys, "forecast", code=EXPIRED)["prices"] == "csv"
    assert (place / "store/prices/EURUSD-csv.csv").read_text().startswith("date,close,open\n")


def test_prices_are_saved_and_never_rewritten_unasked(
    place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "mine.csv"
    frame = prices.iloc[-700:].copy()
    frame.to_csv(path)
    assert "created" in command(capsys, "prices", "--csv", str(path), "--save")["stored"]
    frame.iloc[100] *= 1.01
    frame.to_csv(path)
    assert "history differs from" in fails(capsys, "prices", "--csv", str(path), "--save")
    assert "replaced" in command(capsys, "prices", "--csv", str(path), "--save", "--replace")["stored"]


OWN = (
    *("--date-column", "--close-column", "--date-format", "--decimal", "--resample", "--base", "--invert", "--from"),
    "--trust",
)


def test_every_option_that_a_cure_names_is_known_where_the_cure_is_said() -> None:
    """Cures are words of training/prices; who reads a file knows all of them, who stores prices --replace."""
    words = "".join(path.read_text() for path in Path(training.prices.__path__[0]).glob("*.py"))
    named = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", words)) - {"--save", "--fresh", "--csv"}
    assert named - {"--replace"} == set(OWN)
    for name, own in command_line.commands.items():
        options = {option for param in own.params for option in param.opts}
        takes_prices = any("--csv" in param.opts and not getattr(param, "is_flag", False) for param in own.params)
        assert takes_prices == (set(OWN) <= options), name
        if name in ("run", "demo", "tasks", "submit", "prices"):
            assert "--replace" in options, name


def test_a_file_that_changed_is_stored_again_with_the_option_that_run_names(
    place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """A later download in which the last bar changed: `run` names --replace, and knows it."""
    path = place / "mine.csv"
    close = prices["close"].iloc[-1500:].copy()
    close.to_csv(path, index_label="Date")
    small = ("run", "--csv", str(path), "--families", "random_walk", "--first-year", "2026")
    command(capsys, "prices", "--csv", str(path), "--save")
    close.iloc[-1] = 1.118
    close.to_csv(path, index_label="Date")
    error = fails(capsys, *small)
    assert not lacking(error, "prices/EURUSD-csv.csv: ", " 2026-10-30 on, close was 1.1172 and is 1.118; --replace ")
    command(capsys, *small, "--replace")
    assert (place / "store/prices/EURUSD-csv.csv").read_text().endswith(",1.118\n")


def test_prices_that_were_trusted_are_told_of_by_the_champion(
    place: Path, prices: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnx

    path = place / "mine.csv"
    (1 / prices["close"].iloc[-1500:]).to_csv(path, index_label="Date")
    small = ("--csv", str(path), "--families", "random_walk", "--first-year", "2026")
    assert "looks inverted" in fails(capsys, "run", *small)
    assert not (place / "store/prices").exists() and not (place / "store/models").exists()
    command(capsys, "run", *small, "--trust")
    (champion,) = (place / "store/models/champions").iterdir()
    told = {entry.key: entry.value for entry in onnx.load(champion).metadata_props}
    assert told["prices_trusted"].startswith("looks inverted: ")
    assert "EUR/USD" in told["prices_trusted"]
    card = json.loads((place / "store/serving/forecast.json").read_text())["card"]
    assert card["metadata"]["prices_trusted"] == told["prices_trusted"]
    command(capsys, "tasks", *small, "--trust", "--freeze", "--run", "EURUSD-once")
    assert "looks inverted" in json.loads((place / "store/runs/EURUSD-once/plan.json").read_text())["trusted"]


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("run", "--trust"), ["--trust: ", " --csv FILE; "]),
        (("prices", "--from", "2020-01-31"), ["--from: ", " --csv FILE; "]),
        (("run", "--families", "prophet"), ["--families: 'prophet' ", "; choose from random_walk"]),
        (("evaluate", "--first-year", "2031"), ["--first-year"]),
        (("evaluate", "--seed", "-1"), ["--seed: -1 is out ", "; choose 0 to 4294967295"]),
        (("run", "--csv", "nowhere.csv"), ["nowhere.csv"]),
        (("prices", "--replace"), ["--replace: ", " --save; "]),
        (("publish", "EURUSD_ARIMA"), ["models:/NAME"]),
        (("publish", "models:/EURUSD_ARIMA@challenger"), ["no such version"]),
        (("rollback",), ["nothing is active"]),
        (("forecast",), ["GET /api/predict answered 503"]),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_the_cure(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], facts: list[str]
) -> None:
    assert not lacking(fails(capsys, *arguments), *facts)


def test_a_setting_that_cannot_be_read_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / ".env").write_text("CHAMPION_MAX_AGE_S=soon\n")
    assert not lacking(fails(capsys, "status"), "CHAMPION_MAX_AGE_S: 'soon' ", " a number")


def test_the_environment_wins_over_the_file(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_DIR", "elsewhere")
    command(capsys, "prices", "--save")
    assert (place / "elsewhere/prices/EURUSD-ecb.csv").is_file()
    assert not (place / "store/prices").exists()


def test_what_may_be_better_later_ends_in_a_code_of_its_own(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which AWS Batch tells what is worth another try from what is not."""
    nobody = "http://127.0.0.1:9"
    with monkeypatch.context() as changed:
        changed.setenv("MLFLOW_TRACKING_URI", nobody)
        assert not lacking(fails(capsys, "clean", code=TEMPORARY_FAILURE), "MLFLOW_TRACKING_URI: ", f" at {nobody}; ")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    for name, value in {"USE_S3": "true", "S3_BUCKET": "none", "AWS_ENDPOINT_URL_S3": nobody}.items():
        monkeypatch.setenv(name, value)
    assert "bucket none" in fails(capsys, "rollback", code=TEMPORARY_FAILURE)


def test_current_rates_may_be_required(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job must not train on the embedded rates without anybody knowing: it is tried again later."""
    monkeypatch.setenv("ECB_URL", "http://127.0.0.1:9/rates.zip")
    assert command(capsys, "prices", "--fresh")["origin"].startswith("European Central Bank, embedded")
    said = fails(capsys, "run", "--fresh=require", code=TEMPORARY_FAILURE)
    assert not lacking(said, "error: --fresh=require: ", ": http://127.0.0.1:9/rates.zip: ", "; try later")
    assert not list(place.glob("store/*/*"))


def test_a_first_year_that_is_too_early_is_told_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--families", "random_walk", "--first-year", "1990"]) == 0
    early = capsys.readouterr()
    assert "--first-year 1990: it starts in 2002, as a year needs 763 rows before it" in " ".join(early.err.split())
    assert main(["tasks", "--families", "random_walk", "--first-year", "2002"]) == 0
    later = capsys.readouterr()
    assert (later.out, "it starts in" in later.err) == (early.out, False)


def test_clean_asks_and_deletes_nothing_where_nobody_answers(
    place: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tracked.database(place, tmp_path_factory.getbasetemp()), (place / ".env").open() as no_terminal:
        monkeypatch.setattr(sys, "stdin", no_terminal)
        assert main(["clean"]) == 2
    assert "say --yes" in capsys.readouterr().err
    assert command(capsys, "status")["tracking"]["aliases"]["champion"] == ["EURUSD_LSTM", 1]


def test_what_a_run_leaves_in_mlflow_and_that_the_same_run_leaves_no_version(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    small = ("--families", "random_walk", "--first-year", "2025")
    command(capsys, "run", *small)
    client = mlflow.MlflowClient()
    [experiment] = client.search_experiments(filter_string="name = 'EURUSD_Experiments'")
    child, parent = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d: random_walk", str(parent.info.run_name))
    assert parent.data.params["families"] == "random_walk" and parent.data.params["prices_through"] == "2026-10-30"
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"report.html", "comparison.csv", "plots"}
    plots = {file.path for file in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots == {f"plots/{name}.png" for name in ("calibration", "pit", "fan", "loss")}
    for run in (parent, child):
        assert run.inputs is not None
        [used] = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.source_type) == ("EURUSD-ecb", "local")
        assert Path(json.loads(used.dataset.source)["uri"]) == place / "store/prices/EURUSD-ecb.csv"
    assert len(child.data.metrics) < 20
    history = client.get_metric_history(child.info.run_id, "by_year/coverage_80")
    assert [metric.step for metric in history] == [2025, 2026]
    stored = mlflow.models.get_model_info("models:/EURUSD_RandomWalk/1")
    assert stored.signature is not None
    example = mlflow.pyfunc.load_model("models:/EURUSD_RandomWalk/1").input_example
    assert example["close"].shape == (1, 513)

    assert main(["run", *small]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "EURUSD_RandomWalk/1 is generation 1 already" in said
    assert command(capsys, "status")["active"]["generation"] == 1
    assert len(client.search_model_versions("name = 'EURUSD_RandomWalk'")) == 1


def test_help_costs_no_heavy_import() -> None:
    code = (
        "import sys\nfrom training.__main__ import main\nmain(['run', '--help'])\n"
        "print([name for name in ('mlflow', 'tensorflow', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--first-year" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_events_lists_the_dates_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {fact["event"]: fact for fact in command(capsys, "events")["events"]}
    assert set(facts) == {"FOMC", "ECB", "CPI"}
    assert facts["CPI"]["known_through"] == "2026-12-10" and "bls.gov" in facts["CPI"]["source"]
    assert facts["CPI"]["years"]["2027"] == {"dates": 0, "missing": 12}
    assert facts["FOMC"]["years"]["2027"] == {"dates": 8, "missing": 0}
    assert main(["events"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert not lacking(output, "US consumer prices: 12 ", " 2027 ", "2027-MM-DD,CPI")


def test_every_command_has_a_help_of_its_own() -> None:
    assert set(command_line.commands) == {
        *("run", "demo", "prices", "evaluate", "publish", "rollback", "keys", "status", "history", "events", "clean"),
        *("forecast", "report", "completion"),
        *("tasks", "task", "select", "submit"),
        *("serve", "refresh", "ingest", "record"),
    }
    assert all(command.help and command.short_help for command in command_line.commands.values())


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("stauts",), ["stauts", "'status'"]),
        (("run", "--famlies", "lstm"), ["--famlies", "'--families'"]),
        (("run", "--csv", "a.csv", "--stored"), ["--csv", "--stored"]),
        (("run", "--fresh=soon"), ["--fresh", "'soon'", "such as 5"]),
        (("prices", "--from", "soon"), ["--from", "'soon'", "2015-01-31"]),
        (("prices", "--decimal", ";"), ["--decimal", "'.', ','"]),
        (("select",), ["--run"]),
        ((), ["COMMAND", "status"]),
    ],
)
def test_a_line_that_cannot_be_parsed_names_the_word_and_the_cure(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], facts: list[str]
) -> None:
    assert not lacking(fails(capsys, *arguments), *facts)


@pytest.mark.parametrize(
    ("words", "fresh"),
    [
        ((), None),
        (("--fresh", "--seeds", "2"), Fresh(TIMEOUT_S)),
        (("--fresh", "5"), Fresh(5.0)),
        (("--fresh=require",), Fresh(TIMEOUT_S, required=True)),
    ],
)
def test_fresh_takes_seconds_a_word_or_nothing(words: tuple[str, ...], fresh: Fresh | None) -> None:
    assert parsed(["run", *words]).params["fresh"] == fresh
