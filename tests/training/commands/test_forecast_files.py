"""`eurusd forecast`: rates on the terminal, what is in the files of `--xlsx` and `--plot`, and unwritable files."""

import json
import os
import re
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from lambda_fn.prices.price_file import serialise
from lambda_fn.settings import DEFAULTS
from tests.support import foreign
from tests.support.local_api import local_api
from training.__main__ import main

EXPIRED = 75  # the exit code of the forecast that the tests publish; its files are written all the same


@pytest.fixture(autouse=True)
def store(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("STORE_DIR", str(published))


def test_the_workbook_has_dates_and_numbers_of_the_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "forecast.xlsx"
    assert main(["forecast", "--horizon", "3", "--xlsx", str(path), "--json"]) == EXPIRED
    response = json.loads(capsys.readouterr().out)
    [sheet] = openpyxl.load_workbook(path).worksheets
    header, *rows = sheet.iter_rows(values_only=True)
    assert sheet.title == "EURUSD" and len(rows) == 3
    for row, day in zip(rows, response["forecast"], strict=True):
        cells = dict(zip(header, row, strict=True))
        assert isinstance(cells["date"], datetime) and cells["date"].date().isoformat() == day["date"]
        assert cells["q0.5"] == day["median"]
        bounds = {coverage: (cells[f"lo-{coverage}"], cells[f"hi-{coverage}"]) for coverage in day["intervals"]}
        assert bounds == {coverage: tuple(pair.values()) for coverage, pair in day["intervals"].items()} != {}


@pytest.mark.parametrize(("name", "start"), [("fan.png", b"\x89PNG"), ("fan.svg", b"<?xml"), ("fan.pdf", b"%PDF")])
def test_the_chart_has_the_format_of_its_ending(tmp_path: Path, name: str, start: bytes) -> None:
    assert main(["forecast", "--plot", str(tmp_path / name)]) == EXPIRED
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("option", ["--xlsx", "--plot"])
def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = tmp_path / "nowhere" / "file.png"
    assert main(["forecast", option, str(path)]) == 2
    error = capsys.readouterr().err
    assert f"{option}: {path} cannot be written ({os.strerror(2)}); choose another file" in error


def test_an_ending_that_no_chart_has_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--plot", str(tmp_path / "fan.docx")]) == 2
    assert "--plot: " in (error := capsys.readouterr().err) and "docx" in error


def test_the_terminal_shows_the_usual_decimals_of_a_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """157.25 yen, and not 157.250269: in the table, its title and the chart."""
    api = local_api(tmp_path)
    prices = serialise(foreign.price_rows(60), {"close": foreign.closes(60, 157.25).tolist()})
    api.promote(foreign.champion_bytes(), 1, prices=prices)
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    assert main(["forecast"]) == EXPIRED
    rates = re.findall(r"\b1[56]\d\.\d+", capsys.readouterr().out)
    assert len(rates) > 10 and {len(rate) for rate in rates} == {len("157.25")}
