"""The protocol's table: spans by the year of the day forecast, and figures that are those of the score table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from training.console import Stages
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.scores import score
from training.evaluation.walk_forward import Forecasts
from training.prices.table import PriceTable
from training.prices.windows import positions
from training.runs import pipeline, protocol
from training.runs.local import run_here
from training.runs.plan import Job, tasks
from training.runs.protocol import SHOWN, TRIED, of_span, within

pytestmark = pytest.mark.usefixtures("cached_refits")

ROWS = 1500  # of history: fits are quick there
SPANS = ((2025, 2025), (2026, 2026))


@pytest.fixture
def job(ecb: PriceTable) -> Job:
    return Job(replace(ecb, frame=ecb.frame.iloc[-ROWS:]), families=TRIED, first_year=2025)


@pytest.fixture
def forecasts(job: Job) -> dict[str, Forecasts]:
    members, _ = pipeline.gather(job, run_here(job, tasks(job), lambda words: None))
    return {family: pipeline.walked(job, own) for family, own in members.items()}


def days(found: Forecasts, prices: pd.DataFrame) -> pd.DatetimeIndex:
    """The first day that each origin forecasts."""
    return pd.DatetimeIndex(prices.index)[positions(prices, found.origins) + 1]


def test_a_span_has_the_origins_whose_next_day_is_in_its_years(job: Job, forecasts: dict[str, Forecasts]) -> None:
    whole = forecasts["calendar"]
    parts = [within(whole, job.prices, span) for span in SPANS]
    assert [set(days(part, job.prices).year) for part in parts] == [{2025}, {2026}]
    assert sum(len(part.origins) for part in parts) == len(whole.origins), "and each is in one of them"
    assert parts[1].origins[0].year == 2025, "the last close of a year forecasts the next"


@pytest.mark.parametrize("span", SPANS)
def test_the_figures_of_a_span_are_those_of_its_score_table(
    job: Job, forecasts: dict[str, Forecasts], span: tuple[int, int]
) -> None:
    prices = job.prices
    baselines = evaluate_baselines(prices, job.first_year)
    table = of_span(job, forecasts, baselines, span)
    assert [(row["family"], row["horizon"]) for row in table.to_dict("records")] == [
        (family, horizon) for family in TRIED for horizon in SHOWN
    ]
    own, others = ({name: within(each, prices, span) for name, each in of.items()} for of in (forecasts, baselines))
    scores = score(own, others, prices).set_index(["family", "horizon"])
    for row in table.to_dict("records"):
        expected = scores.loc[(row["family"], row["horizon"])]
        assert row["span"] == f"{span[0]}-{span[1]}" and row["n"] == expected["n"]
        assert row["gain"] == pytest.approx(100 * expected["skill_garch"])
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
        assert np.isnan(row["t"]) or np.sign(row["t"]) == np.sign(row["gain"])
        assert 0 <= row["below_1"] <= row["below_5"] <= 0.2
        assert row["covered_80"] == pytest.approx(expected["coverage_80"])
        assert row["chosen"] in (*TRIED, "")


@pytest.mark.long
def test_every_pair_has_rows_for_both_spans(ecb: PriceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.prices.table import load
    from training.runs.work import work

    monkeypatch.setattr(protocol, "PAIRS", ("EURUSD", "GBPUSD"))
    monkeypatch.setattr(protocol, "FIRST_YEAR", 2025)
    monkeypatch.setattr(protocol, "SPANS", SPANS)

    def table(pair: str) -> PriceTable:
        found = load("ecb", today=ecb.frame.index[-1].date(), pair=pair)
        return replace(found, frame=found.frame.iloc[-ROWS:])

    quiet = Stages(Console(stderr=True, quiet=True))
    found = protocol.protocol(table, lambda job: [work(job, task) for task in tasks(job)], quiet)
    assert len(found) == 2 * len(SPANS) * len(TRIED) * len(SHOWN)
    assert found.groupby("pair")["span"].unique().map(list).to_dict() == {
        pair: ["2025-2025", "2026-2026"] for pair in ("EURUSD", "GBPUSD")
    }
