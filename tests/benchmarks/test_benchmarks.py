"""The benchmark runs and reports; no time that it measures is asserted."""

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks import environment, report
from tests.benchmarks.__main__ import main
from tests.benchmarks.measure import percentile
from tests.support import foreign
from tests.support.local_api import local_api


@pytest.mark.long
def test_one_round_gives_every_metric_as_a_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = local_api(tmp_path / "store")
    api.promote(foreign.champion_bytes(), 1)
    written = tmp_path / "bench.json"
    few = ["--rounds", "1", "--warm", "3", "--requests", "32", "--few"]
    here = ["--python", sys.executable, "--store", str(api.folder), "--json", str(written)]
    assert main([*few, *here]) == 0

    found = json.loads(written.read_text())
    assert list(found["places"]) == ["process"]
    assert list(found["places"]["process"]) == [metric.name for metric in report.METRICS]
    for of in found["places"]["process"].values():
        assert of["constant"]["ratio"] == 1
        assert of["folder"]["median"] == of["folder"]["rounds"][0] > 0
        assert of["folder"]["ratio"] == of["folder"]["median"] / of["constant"]["median"]
    shown = capsys.readouterr().out
    assert all(metric.title in shown for metric in report.METRICS)


def test_a_function_that_fails_ends_the_run(tmp_path: Path) -> None:
    api = local_api(tmp_path / "store")
    api.promote(foreign.champion_bytes(), 1)
    (api.folder / "serving" / "forecast.json").write_text("{}")
    few = ["--rounds", "1", "--warm", "1", "--few", "--python", sys.executable, "--store", str(api.folder)]
    with pytest.raises(RuntimeError, match="record_damaged"):
        main(few)


def test_the_environment_is_what_the_image_has() -> None:
    lock = environment.requirements()
    names = {line.partition("==")[0] for line in lock.splitlines() if line[:1].isalpha()}
    assert {*environment.BASE_IMAGE, "aws-lambda-powertools", "numpy", "obstore", "onnxruntime"} <= names
    assert not {"pandas", "pytest", "onnx"} & names
    assert lock.count("--hash=") > len(names)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_targets_are_judged_on_every_subject() -> None:
    rounds = [{metric.name: 10.0 for metric in report.METRICS}]
    slow = [{metric.name: 100.0 for metric in report.METRICS}]
    about = {"rounds": 1}
    of = report.result({"process": {"constant": rounds, "folder": rounds, "bucket": slow}}, [], about)
    of_cold, of_warm, of_memory, *_ = report.tables(of)[0].columns[-1].cells
    assert (of_cold, of_warm, of_memory) == ("<= 2.2, missed", "<= 1.6, missed", "<= 32, missed")
    met = report.result({"container": {"constant": rounds, "folder": rounds}}, [{"refresh cold_ms": 1.0}], about)
    first, last = report.tables(met)
    child = report.result({"process": {"constant": rounds, "folder": rounds, report.IN_PROCESS: rounds}}, [], about)
    assert f"<= 1.2 of {report.IN_PROCESS}, met" in report.tables(child)[0].columns[-1].cells
    assert [cell for cell in first.columns[-1].cells if cell] == [
        "<= 3, met",
        "<= 1.6, met",
        "<= 32, met",
        "<= 6, met",
        ">= 0.6, met",
    ]
    assert list(last.columns[0].cells) == ["refresh cold_ms"]
