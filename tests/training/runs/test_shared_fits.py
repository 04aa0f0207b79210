"""Parameters that all pairs share: one fit a cutoff, whichever pair asks first and wherever a task runs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from training.models.economic_calendar import KINDS
from training.models.heads import pooled_fit
from training.models.heads.pooled_fit import PooledFit, cache_fits, find_pooled_fit, fit_key
from training.models.heads.winsorised import Dynamics, Floats, fit_dynamics
from training.prices.ecb import panel
from training.prices.table import load
from training.runs.jobs import Job, cutoffs, number_tasks, tasks
from training.runs.task_runner import list_panels, make_shared_fits, refit

TODAY = date(2026, 11, 1)
PAIRS = ("EURUSD", "GBPUSD", "EURINR", "USDINR", "AUDNZD")  # rupees are in the table since 2009
FIRST_YEAR = 2026


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    made = (Job(load("ecb", today=TODAY, pair=pair), pair, ("calendar",), FIRST_YEAR) for pair in PAIRS)
    return list(number_tasks(made))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, PooledFit]]:
    """The fits of this process, none at first, and afterwards as before."""
    own: dict[str, PooledFit] = {}
    monkeypatch.setattr(pooled_fit, "_FITS", own)
    yield own


def test_all_pairs_have_the_same_panel_at_a_cutoff(jobs: list[Job]) -> None:
    expected = [one.digest for one in list_panels(jobs[0])]
    assert len(set(expected)) == len(cutoffs(jobs[0])) == 2
    for job in jobs:
        assert [one.digest for one in list_panels(job)] == expected, job.pair


def test_a_pair_that_came_later_knows_nothing_of_what_follows(jobs: list[Job]) -> None:
    rupees = jobs[PAIRS.index("EURINR")].prices
    cutoff = pd.Timestamp("2020-12-31")
    changed = rupees.copy()
    changed.loc[cutoff + pd.Timedelta(days=1) :] *= 1.05
    known = panel(rupees.loc[:cutoff], "EURINR", "ecb")
    assert known == panel(changed.loc[:cutoff], "EURINR", "ecb")
    assert known != panel(changed.loc[: cutoff + pd.Timedelta(days=7)], "EURINR", "ecb")


def test_one_fit_a_cutoff_and_the_same_bytes_with_fits_that_were_carried(
    jobs: list[Job], fits: dict[str, PooledFit]
) -> None:
    def bytes_of(job: Job) -> bytes:
        return refit(job, "calendar", 0, cutoffs(job)[-1], None).model

    pounds, rupees = jobs[PAIRS.index("GBPUSD")], jobs[PAIRS.index("EURINR")]
    alone = [bytes_of(job) for job in (pounds, rupees)]
    assert len(fits) == 1, "the second pair found the first one's"
    carried = [make_shared_fits(job, workers=1) for job in jobs]
    assert len(fits) == len(cutoffs(pounds))
    assert all(own.keys() == fits.keys() for own in carried)

    stored = {digest: PooledFit.from_json(json.loads(json.dumps(fit.to_json()))) for digest, fit in fits.items()}
    fits.clear()
    cache_fits(stored)
    assert [bytes_of(job) for job in (pounds, rupees)] == alone

    last = list_panels(pounds)[-1]
    cache_fits({fit_key(last, KINDS): replace(find_pooled_fit(last, KINDS), centre=0.0)})
    assert bytes_of(pounds) != alone[0], "what was carried is what is used"


def test_fits_of_a_panel_with_other_kinds_of_events_share_their_first_round(
    jobs: list[Job], fits: dict[str, PooledFit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the time of the second one; the result is that of a fit alone."""
    calls = []

    def counted(returns: Floats, news: Floats) -> Dynamics:
        calls.append(len(returns))
        return fit_dynamics(returns, news)

    monkeypatch.setattr(pooled_fit, "fit_dynamics", counted)
    pooled_fit._fit_without_calendar.cache_clear()
    job = replace(jobs[0], families=("calendar", "calendar_cpi"))
    both = make_shared_fits(job, workers=1)
    assert len(both) == 2 * len(cutoffs(job)) and len(calls) == 3 * len(cutoffs(job))
    fits.clear()
    pooled_fit._fit_without_calendar.cache_clear()
    alone = make_shared_fits(replace(job, families=("calendar_cpi",)), workers=1)
    assert {key: fit.to_json() for key, fit in alone.items()} == {key: both[key].to_json() for key in alone}


@pytest.mark.long  # each worker imports everything
def test_several_workers_share_out_the_fits_and_find_the_same(jobs: list[Job], fits: dict[str, PooledFit]) -> None:
    here = {digest: fit.to_json() for digest, fit in make_shared_fits(jobs[1], workers=1).items()}
    fits.clear()
    assert {digest: fit.to_json() for digest, fit in make_shared_fits(jobs[1], workers=2).items()} == here
    assert fits.keys() == here.keys()


def test_tasks_of_a_run_are_numbered_over_all_pairs(jobs: list[Job]) -> None:
    planned = [task for job in jobs for task in tasks(job)]
    assert [task.index for task in planned] == list(range(len(planned)))
    assert [task.pair for task in planned] == list(PAIRS)
    assert "of GBPUSD)" in planned[1].describe()
