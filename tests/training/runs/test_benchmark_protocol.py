"""The protocol's table: spans by the year of the day forecast, its figures, and how `report --protocol` prints it."""

import html
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from lambda_fn.settings import DEFAULTS
from tests.support.commands import command
from training.console import Stages
from training.conventions import HEADLINE_HORIZONS
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.scores import score
from training.evaluation.walk_forward import Forecasts
from training.prices.table import PriceTable, load
from training.prices.windows import LEVELS, positions
from training.runs import benchmark_protocol, pipeline
from training.runs.benchmark_protocol import PROTOCOL_FAMILIES, score_span, select_span
from training.runs.jobs import Job, tasks
from training.runs.task_runner import run_here

pytestmark = pytest.mark.usefixtures("cached_refits")

ROWS = 1500  # of history: fits are quick there
SPANS = ((2025, 2025), (2026, 2026))


@pytest.fixture
def job(ecb: PriceTable) -> Job:
    return Job(replace(ecb, frame=ecb.frame.iloc[-ROWS:]), families=PROTOCOL_FAMILIES, first_year=2025)


@pytest.fixture
def forecasts(job: Job) -> dict[str, Forecasts]:
    members, _ = pipeline.gather(job, run_here(job, tasks(job), lambda words: None))
    return {family: pipeline.walk_forward_forecasts(job, own) for family, own in members.items()}


def days(found: Forecasts, prices: pd.DataFrame) -> pd.DatetimeIndex:
    """The first day that each origin forecasts."""
    return pd.DatetimeIndex(prices.index)[positions(prices, found.origins) + 1]


def test_a_span_has_the_origins_whose_next_day_is_in_its_years(job: Job, forecasts: dict[str, Forecasts]) -> None:
    whole = forecasts["calendar"]
    parts = [select_span(whole, job.prices, span) for span in SPANS]
    assert [set(days(part, job.prices).year) for part in parts] == [{2025}, {2026}]
    assert sum(len(part.origins) for part in parts) == len(whole.origins), "and each is in one of them"
    assert parts[1].origins[0].year == 2025, "the last close of a year forecasts the next"


@pytest.mark.parametrize("span", SPANS)
def test_the_figures_of_a_span_are_those_of_its_score_table(
    job: Job, forecasts: dict[str, Forecasts], span: tuple[int, int]
) -> None:
    prices = job.prices
    baselines = evaluate_baselines(prices, job.first_year)
    table = score_span(job, forecasts, baselines, span)
    assert [(row["family"], row["horizon"]) for row in table.to_dict("records")] == [
        (family, horizon) for family in PROTOCOL_FAMILIES for horizon in HEADLINE_HORIZONS
    ]
    own, others = (
        {name: select_span(each, prices, span) for name, each in of.items()} for of in (forecasts, baselines)
    )
    scores = score(own, others, prices).set_index(["family", "horizon"])
    for row in table.to_dict("records"):
        expected = scores.loc[(row["family"], row["horizon"])]
        assert row["span"] == f"{span[0]}-{span[1]}" and row["n"] == expected["n"]
        assert row["gain"] == pytest.approx(100 * expected["skill_garch"])
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
        assert np.isnan(row["t"]) or np.sign(row["t"]) == np.sign(row["gain"])
        assert 0 <= row["below_1"] <= row["below_5"] <= 0.2
        assert row["covered_80"] == pytest.approx(expected["coverage_80"])
        assert row["chosen"] in (*PROTOCOL_FAMILIES, "")


def newey_west_t(differences: list[float], horizon: int) -> float:
    """Return Diebold and Mariano's t, corrected for the horizon, with Newey and West's variance, term by term."""
    n = len(differences)
    centre = sum(differences) / n
    lags = max(horizon - 1, int(4 * (n / 100) ** (2 / 9)))
    variance = 0.0
    for lag in range(lags + 1):
        products = [(differences[i] - centre) * (differences[i - lag] - centre) for i in range(lag, n)]
        variance += (2 if lag else 1) * (1 - lag / (lags + 1)) * sum(products) / n
    corrected = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return centre / math.sqrt(variance / n) * math.sqrt(corrected)


def by_hand(
    prices: pd.DataFrame, family: Forecasts, garch: Forecasts, span: tuple[int, int], horizon: int
) -> dict[str, float]:
    """Compute a row of the table from closes and quantiles of whole walks, one origin after the other."""
    days, close = list(prices.index), prices["close"].tolist()
    losses, differences = [], []
    covered = {80: 0, 95: 0}
    below = {1: 0, 5: 0}
    for i, origin in enumerate(family.origins):
        row = days.index(origin)
        if not span[0] <= days[row + 1].year <= span[1] or row + horizon >= len(days):
            continue
        move = math.log(close[row + horizon] / close[row])
        at = {}
        for name, forecasts in (("family", family), ("garch", garch)):
            assert forecasts.origins[i] == origin
            quantiles = dict(zip(LEVELS, forecasts.quantiles[i, horizon - 1].tolist(), strict=True))
            loss = [(level - (move < price)) * (move - price) for level, price in quantiles.items()]
            at[name] = (quantiles, sum(loss) / len(loss))
        (quantiles, loss_here), (_, loss_garch) = at["family"], at["garch"]
        losses.append((loss_here, loss_garch))
        differences.append(loss_garch - loss_here)
        for nominal, low, high in ((80, 0.1, 0.9), (95, 0.025, 0.975)):
            covered[nominal] += quantiles[low] <= move <= quantiles[high]
        for percent in below:
            below[percent] += move < quantiles[percent / 100]
    n = len(losses)
    return {
        "n": n,
        "gain": 100 * (1 - sum(loss for loss, _ in losses) / sum(loss for _, loss in losses)),
        "t": newey_west_t(differences, horizon),
        **{f"covered_{nominal}": count / n for nominal, count in covered.items()},
        **{f"below_{percent}": count / n for percent, count in below.items()},
    }


@pytest.mark.parametrize("horizon", HEADLINE_HORIZONS)
@pytest.mark.parametrize("span", SPANS)
def test_the_figures_equal_a_loop_over_the_closes(
    job: Job, forecasts: dict[str, Forecasts], span: tuple[int, int], horizon: int
) -> None:
    baselines = evaluate_baselines(job.prices, job.first_year)
    table = score_span(job, forecasts, baselines, span)
    (row,) = table[(table["family"] == "calendar") & (table["horizon"] == horizon)].to_dict("records")
    expected = by_hand(job.prices, forecasts["calendar"], baselines["garch"], span, horizon)
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def cells(page: str, caption: str) -> list[dict[str, str]]:
    """Return the rows of a page's table as text by column."""
    (table,) = re.findall(rf"<table><caption>{re.escape(caption)}.*?</caption>(.*?)</table>", page)
    header, *rows = re.findall(r"<tr>(.*?)</tr>", table)
    names = re.findall(r"<th>(.*?)</th>", header)
    return [dict(zip(names, map(html.unescape, re.findall(r"<td>(.*?)</td>", row)), strict=True)) for row in rows]


def test_the_report_has_a_row_for_each_span_family_and_horizon_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("STORE_DIR", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark_protocol, "PAIRS", ("GBPUSD",))
    monkeypatch.setattr(benchmark_protocol, "FIRST_YEAR", 2025)
    monkeypatch.setattr(benchmark_protocol, "SPANS", SPANS)
    small = ("--families", "random_walk", "--first-year", "2026", "--workers", "1", "--no-log")
    assert command(capsys, "report", *small)["file"] == "report.html"
    assert "Protocol" not in Path("report.html").read_text("utf-8")
    command(capsys, "report", *small, "--protocol")
    rows = cells(Path("report.html").read_text("utf-8"), "gain over GARCH(1,1)-t")
    assert [(row["pair"], row["span"], row["family"], int(row["horizon"])) for row in rows] == [
        ("GBPUSD", f"{first}-{last}", family, horizon)
        for first, last in SPANS
        for family in PROTOCOL_FAMILIES
        for horizon in HEADLINE_HORIZONS
    ]
    table = load("ecb", today=datetime.now(UTC).date(), pair="GBPUSD")
    pounds = Job(table, "GBPUSD", PROTOCOL_FAMILIES, 2025)
    members, _ = pipeline.gather(pounds, run_here(pounds, tasks(pounds), lambda words: None))
    walk, garch = (
        pipeline.walk_forward_forecasts(pounds, members["calendar"]),
        evaluate_baselines(pounds.prices, 2025)["garch"],
    )
    (row,) = (row for row in rows if list(row.values())[:4] == ["GBPUSD", "2026-2026", "calendar", "5"])
    expected = by_hand(pounds.prices, walk, garch, (2026, 2026), 5)
    assert {name: float(row[name]) for name in expected} == pytest.approx(expected, abs=6e-4)


def test_every_pair_has_rows_for_both_spans(ecb: PriceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.runs.task_runner import run_task

    monkeypatch.setattr(benchmark_protocol, "PAIRS", ("EURUSD", "GBPUSD"))
    monkeypatch.setattr(benchmark_protocol, "FIRST_YEAR", 2025)
    monkeypatch.setattr(benchmark_protocol, "SPANS", SPANS)

    def table(pair: str) -> PriceTable:
        found = load("ecb", today=ecb.frame.index[-1].date(), pair=pair)
        return replace(found, frame=found.frame.iloc[-ROWS:])

    quiet = Stages(Console(stderr=True, quiet=True))
    found = benchmark_protocol.protocol(table, lambda job: [run_task(job, task) for task in tasks(job)], quiet)
    assert len(found) == 2 * len(SPANS) * len(PROTOCOL_FAMILIES) * len(HEADLINE_HORIZONS)
    assert found.groupby("pair")["span"].unique().map(list).to_dict() == {
        pair: ["2025-2025", "2026-2026"] for pair in ("EURUSD", "GBPUSD")
    }
