"""The checks of the live record: what rings, what does not, and how often chance does."""

import json
import logging
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.fields import ContractError, summed_bytes
from lambda_fn.record import track_record
from lambda_fn.record.degradation import (
    MIN_DAYS,
    WINDOW,
    binomial_band,
    check_coverage,
    check_record,
    check_skill,
    find_degradation,
    newey_west,
)
from lambda_fn.record.scoring import Score
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.local_api import local_api

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
FIRST = date(2024, 1, 1)


def row(
    day: int,
    covered: bool | None = True,
    loss: float = 0.08,
    garch: float | None = 0.08,
    kind: str = "live",
    horizon: int = 1,
) -> Score:
    """A scored forecast; `day` counts from FIRST."""
    as_of = FIRST + timedelta(days=day)
    return Score(
        as_of=as_of,
        target_date=as_of + timedelta(days=horizon),
        horizon=horizon,
        made_at="2024-01-01T17:00:00Z",
        generation=1,
        family="foreign",
        sha256="0" * 64,
        kind=kind,
        close=1.1,
        outcome=1.1,
        pinball=loss,
        benchmarks=(0.08, 0.08, garch),
        pit=0.5,
        inside=(True, covered, True),
        note="",
    )


def record(days: int, misses: int, losses: Sequence[float] = (), **changes: Any) -> list[Score]:
    """So many live days with so many misses spread evenly over them."""
    missed = set(np.linspace(0, days - 1, misses).astype(int).tolist()) if misses else set()
    return [
        row(day, day not in missed, losses[day] if len(losses) else 0.08)._replace(**changes) for day in range(days)
    ]


@given(st.integers(MIN_DAYS, WINDOW))
def test_the_band_is_that_of_the_binomial_distribution(n: int) -> None:
    low, high = binomial_band(n, 0.8)
    assert (low, high) == (int(stats.binom.ppf(0.005, n, 0.8)), int(stats.binom.ppf(0.995, n, 0.8)))


def test_a_band_of_few_is_all_of_them() -> None:
    assert binomial_band(1, 0.8) == (0, 1)


@pytest.mark.parametrize(("misses", "degraded"), [(68, True), (67, False), (50, False), (34, False), (33, True)])
def test_coverage_rings_outside_its_band_on_either_side(misses: int, degraded: bool) -> None:
    """Of 250 days 183 to 216 may be covered: too wide is wrong, too."""
    coverage, _ = check_record(record(WINDOW, misses))
    assert coverage == {
        **{"name": "coverage_80", "days": 250, "value": round(1 - misses / 250, 6)},
        **{"low": 0.732, "high": 0.864, "degraded": degraded},
    }


def losses_with(t: float, days: int = WINDOW) -> list[float]:
    """Losses whose difference from 0.08 has this t statistic, one after the other without correlation."""
    noise = np.random.default_rng(5).standard_normal(days)
    noise -= noise.mean()
    scale = np.sqrt(newey_west(noise.tolist()) / days)
    return list(0.08 + 1e-4 * (noise + t * scale))


@pytest.mark.parametrize(("t", "degraded"), [(2.7, True), (2.5, False), (0.0, False), (-9.0, False)])
def test_skill_rings_if_it_is_significantly_below_zero(t: float, degraded: bool) -> None:
    """One-sided at 0.5 %: 2.60 for 249 degrees of freedom."""
    _, skill = check_record(record(WINDOW, 50, losses_with(t)))
    assert (skill["name"], skill["days"], skill["high"], skill["degraded"]) == ("skill_garch", 250, None, degraded)
    assert degraded == (skill["value"] < skill["low"])


def test_the_variance_is_that_of_newey_and_west() -> None:
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    values = np.random.default_rng(2).standard_normal(250).cumsum() * 0.1 + np.random.default_rng(3).standard_normal(
        250
    )
    centred = values - values.mean()
    assert newey_west(values.tolist()) == pytest.approx(float(S_hac_simple(centred, nlags=4).item()) / 250, rel=1e-12)


def test_few_days_ring_nothing() -> None:
    for days in (1, MIN_DAYS - 1):
        for check in check_record(record(days, days)):
            assert (check["days"], check["low"], check["high"], check["degraded"]) == (days, None, None, False)
    assert check_record(record(MIN_DAYS, MIN_DAYS))[0]["degraded"]


def test_only_the_last_days_count() -> None:
    """A good record of years does not hide a bad one of months, and a bad start is forgotten."""
    good, bad = record(1000, 200), record(WINDOW, 100)
    later = [each._replace(as_of=each.as_of + timedelta(days=1000)) for each in bad]
    assert check_record([*later, *good])[0]["degraded"], "in whatever order"
    assert not check_record([*bad, *(each._replace(as_of=each.as_of + timedelta(days=300)) for each in good)])[0][
        "degraded"
    ]


def test_only_live_days_of_one_day_ahead_count() -> None:
    assert check_record(record(WINDOW, 200, kind="late")) == []
    assert check_record(record(WINDOW, 200, horizon=2)) == []
    assert check_record([]) == []


def test_a_forecast_without_the_interval_or_the_benchmark_has_no_check() -> None:
    rows = record(WINDOW, 50)
    assert [check["name"] for check in check_record(each._replace(inside=(True, None, True)) for each in rows)] == [
        "skill_garch"
    ]
    names = [check["name"] for check in check_record(each._replace(benchmarks=(0.1, 0.1, None)) for each in rows)]
    assert names == ["coverage_80"]


@pytest.mark.parametrize("losses", [[(0.08, 0.08)] * 100, [(0.0, 0.0)] * 100, [(0.07, 0.08)] * 100])
def test_no_difference_at_all_rings_nothing(losses: list[tuple[float, float]]) -> None:
    assert not check_skill(losses).degraded


def test_always_worse_by_the_same_rings() -> None:
    assert check_skill([(0.09, 0.08)] * 100).degraded


def test_chance_rings_as_rarely_as_the_module_says() -> None:
    """On a given day: 1 % of calibrated records, and 0.5 % of those as good as GARCH."""
    rng, tries = np.random.default_rng(11), 2000
    coverage = sum(check_coverage((rng.random(WINDOW) < 0.8).tolist()).degraded for _ in range(tries))
    assert coverage / tries < 0.015
    skill = 0
    for _ in range(tries // 4):
        difference = 1e-3 * rng.standard_t(5, WINDOW)
        skill += check_skill([(0.08 + each, 0.08) for each in difference.tolist()]).degraded
    assert skill / (tries // 4) < 0.02


# In the record, the answer and the metrics -----------------------------------------------------------------------


def test_a_degraded_record_is_in_the_answer_the_metrics_and_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(), 1)
    with caplog.at_level(logging.WARNING):
        track_record.write_summary(api.store, "EURUSD", record(WINDOW, 100, losses_with(5)), NOW, {})
    [warning] = caplog.messages
    assert re.search(r"\bEURUSD\b.* 80 % .* 60\.0% .*\b250\b.*\bGARCH\b", warning)
    answer = api.get("/api/track-record").json
    assert [(check["name"], check["degraded"]) for check in answer["checks"]] == [
        ("coverage_80", True),
        ("skill_garch", True),
    ]
    assert api.get("/api/track-record", kind="backtest").json["checks"] == []
    assert track_record.live_metrics(api.store, "EURUSD")["RecordDegraded"] == 1
    track_record.write_summary(api.store, "EURUSD", record(WINDOW, 50), NOW, {})
    assert track_record.live_metrics(api.store, "EURUSD")["RecordDegraded"] == 0
    assert find_degradation(json.loads(api.store.read(keys.record_key()).data)["checks"]) == []


def test_a_record_of_an_earlier_version_has_no_checks(store: Store, settings: Settings) -> None:
    track_record.write_summary(store, "EURUSD", record(WINDOW, 100), NOW, {})
    members = json.loads(store.read(keys.record_key()).data)
    del members["crc32"], members["writer"]
    values: tuple[object, ...] = [], None
    for checks in values:
        foreign.put(store, keys.record_key(), summed_bytes({**members, "checks": checks}))
        assert track_record.live_metrics(store, "EURUSD")["RecordDegraded"] == 0
    del members["checks"]
    foreign.put(store, keys.record_key(), summed_bytes(members))
    assert track_record.live_metrics(store, "EURUSD")["RecordDegraded"] == 0


def test_an_odd_check_is_refused() -> None:
    with pytest.raises(ContractError, match=r"^record\.checks\[0\]\.degraded: "):
        members = {
            **{"contract_version": "1", "pair": "EURUSD", "newest": [], "made_at": "2026-10-30T17:00:00Z"},
            **{kind: {"days": 0, "horizons": [], "reliability": []} for kind in ("live", "late")},
            "checks": [{"name": "coverage_80", "days": 1, "value": 1.0, "degraded": "no"}],
        }
        parse_record(summed_bytes(members), "EURUSD")
