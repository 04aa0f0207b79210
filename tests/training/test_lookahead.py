"""No look-ahead, for the real families: a price after the cutoff changes nothing at the cutoff, not a bit."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.evaluation.walk_forward import walk_forward
from training.models.families import FAMILIES
from training.prices.table import PriceTable
from training.runs.plan import Job, columns
from training.runs.work import at_cutoff

ROWS = 1000  # the first cutoffs of a short history: fits are quick there


def job(frame: pd.DataFrame) -> Job:
    return Job(PriceTable(frame, "csv", "0" * 64, "test"), first_year=2001, code="test")


@pytest.mark.parametrize("name", sorted(FAMILIES))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(after=st.integers(0, 60), factor=st.floats(0.85, 1.15))
def test_the_champion_of_a_cutoff_does_not_know_what_follows(
    name: str, after: int, factor: float, prices: pd.DataFrame
) -> None:
    """The exported bytes are the whole of a fit: features, parameters, volatility head and metadata."""
    known = prices.iloc[:ROWS]
    changed = known.copy()
    split = list(walk_forward(known, 2001))[-1]
    row = len(split.train) + after
    changed.iloc[row:] *= factor
    other = list(walk_forward(changed, 2001))[-1]
    assert other.cutoff == split.cutoff < known.index[row]
    before = at_cutoff(job(known), FAMILIES[name], split.train).model
    assert at_cutoff(job(changed), FAMILIES[name], other.train).model == before


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_champion_of_a_cutoff_knows_the_cutoff(name: str, prices: pd.DataFrame) -> None:
    """Otherwise the law above could hold for a fit that reads nothing."""
    known = prices.iloc[:ROWS]
    changed = known.copy()
    split = list(walk_forward(known, 2001))[-1]
    changed.loc[split.cutoff] *= 1.01
    other = list(walk_forward(changed, 2001))[-1]
    before = at_cutoff(job(known), FAMILIES[name], split.train).model
    assert at_cutoff(job(changed), FAMILIES[name], other.train).model != before


def test_a_refit_names_only_the_rows_that_it_knew(prices: pd.DataFrame) -> None:
    from lambda_fn.champion.model import Champion

    split = next(walk_forward(prices.iloc[:ROWS], 2001))
    metadata = Champion.load(at_cutoff(job(prices), FAMILIES["random_walk"], split.train).model).metadata
    assert metadata.trained_through == split.cutoff.date() < date(2002, 1, 1)
    assert metadata.prices_sha256 != "0" * 64


def test_columns_are_what_the_families_read() -> None:
    assert columns(tuple(FAMILIES)) == ["close"]
    assert np.unique(columns(tuple(FAMILIES))).size == 1
