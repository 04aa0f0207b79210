"""The tests behind the choice: against plain formulas and libraries, and how often they reject what is true."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from training.conventions import COMPARED_DAYS
from training.evaluation.significance import (
    BLOCK,
    DRAWS,
    bootstrap_counts,
    christoffersen,
    compare,
    confidence_set,
    diebold_mariano_statistic,
    find_representatives,
    kupiec,
    one_sided_p_value,
    relative_losses,
    skill_interval,
    spa_p_value,
)

law = settings(deadline=None, max_examples=30)
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def losses(seed: int, n: int = 900, horizons: int = 6) -> Array:
    found = np.random.default_rng(seed).gamma(2.0, 0.05, (n, horizons))
    for k in range(horizons):
        found[n - k :, k] = np.nan
    return found


@given(st.integers(0, 40), st.integers(41, 2000), st.sampled_from((0.01, 0.05)))
@law
def test_kupiec_is_the_binomial_likelihood_ratio(hits: int, n: int, level: float) -> None:
    below = np.arange(n) < hits
    ratio = 2 * (stats.binom.logpmf(hits, n, hits / n) - stats.binom.logpmf(hits, n, level))
    assert kupiec(below, level) == pytest.approx(stats.chi2.sf(ratio, 1), rel=1e-6, abs=1e-12)


def test_christoffersen_sees_clusters_that_kupiec_does_not() -> None:
    spread, clustered = np.zeros(2000, bool), np.zeros(2000, bool)
    spread[::20], clustered[1000:1100] = True, True
    assert kupiec(spread, 0.05) == pytest.approx(1.0) == kupiec(clustered, 0.05)
    assert christoffersen(clustered, 0.05) < 1e-20
    assert christoffersen(np.zeros(100, bool), 0.01) == pytest.approx(kupiec(np.zeros(100, bool), 0.01), abs=0.4)


def test_both_reject_a_true_level_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    drawn = rng.uniform(size=(600, 2000)) < 0.05
    assert 0.03 < np.mean([kupiec(below, 0.05) < 0.05 for below in drawn]) < 0.08
    assert 0.02 < np.mean([christoffersen(below, 0.05) < 0.05 for below in drawn]) < 0.09


@given(st.integers(0, 500), st.integers(60, 900), st.sampled_from((1, 5)))
@law
def test_the_statistic_is_newey_wests_of_a_regression_on_a_constant(seed: int, n: int, horizon: int) -> None:
    """statsmodels' HAC t value, times the correction of Harvey, Leybourne and Newbold."""
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(seed)
    difference = np.convolve(rng.standard_normal(n + 4), np.ones(5), "valid") + 0.1
    lags = max(horizon - 1, int(4 * (n / 100) ** (2 / 9)))
    fitted = OLS(difference, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    expected = float(fitted.tvalues[0]) * math.sqrt(correction)
    assert diebold_mariano_statistic(difference, np.zeros(n), horizon) == pytest.approx(expected, rel=1e-6)
    assert one_sided_p_value(difference, np.zeros(n), horizon) == pytest.approx(stats.t.cdf(expected, n - 1), rel=1e-6)


def test_one_is_better_or_the_other_and_nothing_is_better_than_itself() -> None:
    own, other = losses(1)[:, 0], losses(2)[:, 0]
    assert one_sided_p_value(own, other, 1) + one_sided_p_value(other, own, 1) == pytest.approx(1.0)
    assert one_sided_p_value(own * 0.9, own, 1) < 0.001
    assert math.isnan(one_sided_p_value(own, own, 1)) and math.isnan(one_sided_p_value(own, own * (1 + 1e-15), 1))
    assert math.isnan(one_sided_p_value(own[:8], other[:8], 5))


def test_equal_forecasts_are_called_better_about_as_often_as_the_test_says() -> None:
    """Overlapping losses of two equally good forecasts, over five days."""
    rng = np.random.default_rng(4)
    daily = rng.normal(0, 1, (400, 604))
    found = [one_sided_p_value(np.convolve(row, np.ones(5), "valid"), np.zeros(600), 5) < 0.05 for row in daily]
    assert 0.03 < np.mean(found) < 0.10


def test_every_ordered_pair_is_compared_at_one_day_and_over_the_mean() -> None:
    everyone = {"a": losses(1), "b": losses(1) * 0.97, "ewma": losses(1) * 1.02}
    rows = compare(everyone, "ewma").to_dict("records")
    p_1 = {(row["family"], row["other"]): float(row["p_1"]) for row in rows}
    assert len(rows) == len(p_1) == 6
    assert p_1["b", "a"] < 0.001 and p_1["a", "b"] > 0.999
    means = relative_losses(everyone["a"], everyone["ewma"])
    expected = (everyone["a"][:, :COMPARED_DAYS] / np.nanmean(everyone["ewma"][:, :COMPARED_DAYS], axis=0)).mean(axis=1)
    np.testing.assert_allclose(means, expected)
    assert np.isnan(means[-4:]).all() and not np.isnan(means[:-4]).any()


def test_draws_are_of_all_days_in_blocks_and_the_same_every_time() -> None:
    counts = bootstrap_counts(500)
    assert counts.shape == (DRAWS, 500) and (counts.sum(axis=1) == 500).all()
    np.testing.assert_array_equal(counts, bootstrap_counts(500))
    together = np.corrcoef(counts[:, 100], counts[:, 101])[0, 1]
    assert together == pytest.approx(1 - 1 / BLOCK, abs=0.05)


@pytest.mark.long
def test_the_interval_of_a_skill_holds_what_is_true_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(150):
        own, other = losses(seed, 400, 1), losses(seed + 1000, 400, 1)
        low, high = skill_interval(own, other, bootstrap_counts(400))
        held += bool(low[0] <= 0.0 <= high[0])
    assert 0.80 < held / 150 < 0.97


def test_the_interval_leaves_unknown_days_out() -> None:
    own, other = losses(3), losses(4)
    low, high = skill_interval(own, other, bootstrap_counts(len(own)))
    skill = 1 - np.nanmean(own, axis=0) / np.nanmean(other, axis=0)
    assert low.shape == (6,) and ((low < skill) & (skill < high)).all()
    low, high = skill_interval(own, own, bootstrap_counts(len(own)))
    np.testing.assert_allclose([low, high], 0.0, atol=1e-12)


def test_the_confidence_set_keeps_the_best_and_equals_share_a_place() -> None:
    own = losses(1)[:, 0]
    found = confidence_set({"good": own, "same": own * (1 + 1e-15), "bad": own * 1.2 + losses(9)[:, 0] * 0.01})
    assert found["good"] == found["same"] == 1.0 and found["bad"] < 0.05
    assert confidence_set({"one": own, "same": own}) == {"one": 1.0, "same": 1.0}
    assert find_representatives({"a": own, "b": own * 2, "c": own}) == {"a": "a", "b": "b", "c": "a"}


def test_trying_many_does_not_make_one_superior() -> None:
    """The least of twenty p-values is often small; the test of all of them together is not."""
    rng = np.random.default_rng(2)
    benchmark = losses(1)[:, 0]
    tried = {f"f{i:02}": benchmark + rng.normal(0, 0.01, len(benchmark)) for i in range(20)}
    alone = min(one_sided_p_value(own, benchmark, 1) for own in tried.values())
    assert alone < 0.05 < spa_p_value(tried, benchmark)
    assert spa_p_value({**tried, "real": benchmark * 0.97}, benchmark) < 0.01
    assert math.isnan(spa_p_value({"same": benchmark}, benchmark))


def test_p_values_are_probabilities() -> None:
    table = compare({"a": losses(5), "ewma": losses(6)}, "ewma")
    p_values = table[["p_1", "p_mean"]].to_numpy()
    assert p_values.shape == (2, 2) and ((p_values >= 0) & (p_values <= 1)).all()
