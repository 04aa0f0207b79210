"""Real prices for every training test, and refits that are made once a session."""

import hashlib
import json
from collections.abc import Hashable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from training.prices import ecb as rates
from training.prices.table import PriceTable, load

if TYPE_CHECKING:
    from training.evaluation.walk_forward import Split
    from training.runs.jobs import Job, Refit


@pytest.fixture(scope="session", autouse=True)
def embedded_once() -> Iterator[None]:
    """Read the embedded rates, which no test changes, once a session, and not for each of some hundred tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "read_embedded", cache(rates.read_embedded))
        yield


@pytest.fixture(scope="session")
def ecb() -> PriceTable:
    """The whole table, close and 40 other currencies, as embedded."""
    return load("ecb", today=date(2026, 11, 1))


@pytest.fixture(scope="session")
def prices(ecb: PriceTable) -> pd.DataFrame:
    """The close alone."""
    return ecb.frame[["close"]]


@pytest.fixture(scope="session")
def refits() -> "dict[Hashable, Refit]":
    """Every refit that `cached_refits` has made in this session."""
    return {}


@pytest.fixture
def cached_refits(refits: "dict[Hashable, Refit]", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make each refit of this process once a session, by everything that it depends on.

    For tests of what happens to refits. Where their bytes are the subject, and in processes of their own, each is real.
    """
    from training.runs import task_runner

    compute, fitted = task_runner.refit, task_runner._fit_panels

    def refit(job: "Job", family: str, seed: int, cutoff: pd.Timestamp, split: "Split | None") -> "Refit":
        key = _identity(job, family, seed, cutoff, split)
        if key not in refits:
            refits[key] = compute(job, family, seed, cutoff, split)
        return refits[key]

    monkeypatch.setattr(task_runner, "refit", refit)
    # Shared fits are kept in this process; workers would import everything to make two of them.
    monkeypatch.setattr(task_runner, "_fit_panels", lambda panels, kinds, workers: fitted(panels, kinds, 1))
    yield


def _identity(job: "Job", family: str, seed: int, cutoff: pd.Timestamp, split: "Split | None") -> Hashable:
    """Prices, code, arguments, and the fit that pairs share, which a job may carry or a process may have made."""
    from training.models.families import FAMILIES
    from training.models.heads.pooled_fit import find_pooled_fit
    from training.models.heads.registry import find_head
    from training.prices.ecb import panel

    table, prices = job.table, job.prices
    rows = hashlib.sha256(prices.to_numpy().tobytes() + prices.index.to_numpy().tobytes()).hexdigest()
    shared = ""
    if kinds := find_head(FAMILIES[family].head).kinds:
        fit = find_pooled_fit(panel(prices.loc[:cutoff], job.pair, table.source), kinds)
        shared = json.dumps(fit.to_json(), sort_keys=True)
    tested = None if split is None else tuple(split.test)
    known = (table.sha256, table.source, table.trusted, rows, tuple(prices.columns))
    return (*known, job.pair, job.code, FAMILIES[family], seed, cutoff, tested, shared)
