"""No look-ahead, for the real families: a price after the cutoff changes nothing at the cutoff, not a bit."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.walk_forward import walk_forward
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.prices.ecb import COLUMNS, panel
from training.prices.table import PriceTable, Source
from training.prices.windows import day_numbers
from training.runs.jobs import Job, columns
from training.runs.task_runner import candidate_at_cutoff

ROWS = 1000  # the first cutoffs of a short history: fits are quick there


def job(frame: pd.DataFrame, source: Source = "csv") -> Job:
    return Job(PriceTable(frame, source, "0" * 64, "test"), first_year=2001, code="test")


# An example is one or two fits: more of them are left to the long tests.
EXAMPLES = pytest.mark.parametrize("examples", [1, pytest.param(12, marks=pytest.mark.long)])


@EXAMPLES
@pytest.mark.parametrize("name", sorted(DEFAULT_FAMILIES))
def test_the_champion_of_a_cutoff_does_not_know_what_follows(name: str, examples: int, prices: pd.DataFrame) -> None:
    """The exported bytes are the whole of a fit: features, parameters, volatility head and metadata."""
    known = prices.iloc[:ROWS]
    split = list(walk_forward(known, 2001))[-1]
    before = candidate_at_cutoff(job(known), FAMILIES[name], split.train).model

    @settings(max_examples=examples, deadline=None)
    @given(after=st.integers(0, 60), factor=st.floats(0.85, 1.15))
    def law(after: int, factor: float) -> None:
        changed = known.copy()
        row = len(split.train) + after
        changed.iloc[row:] *= factor
        other = list(walk_forward(changed, 2001))[-1]
        assert other.cutoff == split.cutoff < known.index[row]
        assert candidate_at_cutoff(job(changed), FAMILIES[name], other.train).model == before

    law()
    # Otherwise the law could hold for a fit that reads nothing.
    changed = known.copy()
    changed.loc[split.cutoff] *= 1.01
    other = list(walk_forward(changed, 2001))[-1]
    assert candidate_at_cutoff(job(changed), FAMILIES[name], other.train).model != before, "it knows the cutoff"


@EXAMPLES
def test_nor_do_dates_and_the_columns_that_pairs_share(examples: int, ecb: PriceTable) -> None:
    """What the calendar head reads beside the pair's closes: the dates of the rows, and the other majors at the fit."""
    known = job(ecb.frame.iloc[:ROWS], "ecb").prices
    assert set(known.columns) == {"close", *COLUMNS[1:]}
    calendar, rows = FAMILIES["calendar"], np.arange(len(known))
    split = list(walk_forward(known, 2001))[-1]
    before = candidate_at_cutoff(job(known, "ecb"), calendar, split.train).model

    @settings(max_examples=examples, deadline=None)
    @given(
        after=st.integers(0, 60),
        factor=st.floats(0.85, 1.15),
        days=st.integers(1, 20),
        column=st.sampled_from(("close", *COLUMNS[1:])),
    )
    def law(after: int, factor: float, days: int, column: str) -> None:
        row = len(split.train) + after
        changed = known.copy()
        changed[column] = known[column].to_numpy() * np.where(rows >= row, factor, 1.0)
        moved = changed.index.to_series()
        moved.iloc[row:] += pd.Timedelta(days=days)
        changed.index = pd.DatetimeIndex(moved, name="date")
        other = list(walk_forward(changed, 2001))[-1]
        assert other.cutoff == split.cutoff < known.index[row]
        assert candidate_at_cutoff(job(changed, "ecb"), calendar, other.train).model == before
        told = changed.copy()
        told[column] = changed[column].to_numpy() * np.where(rows == len(split.train) - 1, 1.01, 1.0)
        assert candidate_at_cutoff(job(told, "ecb"), calendar, told.loc[: split.cutoff]).model != before, (
            "it knows the cutoff"
        )

    law()


def test_shared_parameters_of_a_file_are_cut_at_its_cutoff(prices: pd.DataFrame) -> None:
    """A file of one's own has no other majors: those embedded are used, and none after the last of its rows."""
    cut = prices.iloc[:ROWS]
    found = panel(cut, "EURUSD", "csv")
    assert found.days[-1] == day_numbers(pd.DatetimeIndex(cut.index))[-1]
    assert found == panel(prices.iloc[: ROWS + 1].iloc[:-1], "EURUSD", "csv")
    assert found != panel(prices.iloc[: ROWS + 1], "EURUSD", "csv")


def test_a_refit_names_only_the_rows_that_it_knew(prices: pd.DataFrame) -> None:
    from lambda_fn.champion.runtime import Champion

    split = next(walk_forward(prices.iloc[:ROWS], 2001))
    metadata = Champion.load(candidate_at_cutoff(job(prices), FAMILIES["random_walk"], split.train).model).metadata
    assert metadata.trained_through == split.cutoff.date() < date(2002, 1, 1)
    assert metadata.prices_sha256 != "0" * 64


def test_columns_are_what_the_families_read() -> None:
    assert columns(DEFAULT_FAMILIES) == ["close"]
    assert np.unique(columns(DEFAULT_FAMILIES)).size == 1
