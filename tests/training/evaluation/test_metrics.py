"""Metrics: each against a plain loop, and the laws they must obey."""

import math
from typing import NamedTuple

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from training.evaluation import metrics
from training.evaluation.metrics import Array
from training.prices.windows import LEVELS

HORIZON = 5  # metrics take any number of horizons

law = settings(deadline=None, max_examples=60)


class Sample(NamedTuple):
    actual: Array  # [n, horizon], NaN where unknown
    quantiles: Array  # [n, horizon, levels]
    mean: Array  # [n, horizon]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Forecasts and what came, whole steps of a tenth of a percent so that exact hits and zeros occur."""
    n = draw(st.integers(2 * HORIZON + 2, 40))
    step = st.integers(-40, 40)
    actual = draw(arrays.arrays(np.int64, (n, HORIZON), elements=step)) / 1000
    quantiles = draw(arrays.arrays(np.int64, (n, HORIZON, len(LEVELS)), elements=step)) / 1000
    mean = draw(arrays.arrays(np.int64, (n, HORIZON), elements=step)) / 1000
    for column in range(HORIZON):
        actual[n - column :, column] = np.nan
    return Sample(actual, np.sort(quantiles, axis=-1), mean)


def drawn(seed: int, n: int = 300) -> Sample:
    rng = np.random.default_rng(seed)
    actual = rng.normal(0, 0.005, (n, HORIZON)).cumsum(axis=1)
    for column in range(HORIZON):
        actual[n - column :, column] = np.nan
    quantiles = np.sort(rng.normal(0, 0.01, (n, HORIZON, len(LEVELS))), axis=-1)
    return Sample(actual, quantiles, rng.normal(0, 0.002, (n, HORIZON)))


@given(samples())
@law
def test_pinball_equals_the_definition_in_a_loop(sample: Sample) -> None:
    expected = []
    for k in range(HORIZON):
        losses = []
        for i, actual in enumerate(sample.actual[:, k]):
            if math.isnan(actual):
                continue
            for j, level in enumerate(LEVELS):
                miss = actual - sample.quantiles[i, k, j]
                losses.append(100 * (level * miss if miss >= 0 else (1 - level) * -miss))
        expected.append(sum(losses) / len(losses))
    assert_allclose(metrics.pinball(sample.actual, sample.quantiles), expected, rtol=1e-12, atol=1e-15)


@given(samples())
@law
def test_pinball_is_never_negative_and_zero_for_the_forecast_that_knew(sample: Sample) -> None:
    assert (metrics.pinball(sample.actual, sample.quantiles) >= 0).all()
    knew = np.repeat(np.nan_to_num(sample.actual)[..., None], len(LEVELS), axis=-1)
    assert (metrics.pinball(sample.actual, knew) == 0).all()


@given(samples(), st.randoms(use_true_random=False))
@law
def test_the_order_of_the_origins_does_not_matter(sample: Sample, random: object) -> None:
    order = list(range(len(sample.actual)))
    random.shuffle(order)  # type: ignore[attr-defined]
    actual, quantiles, mean = (part[order] for part in sample)
    assert_allclose(metrics.pinball(actual, quantiles), metrics.pinball(sample.actual, sample.quantiles), atol=1e-14)
    assert_allclose(metrics.rmse(actual, mean), metrics.rmse(sample.actual, sample.mean), atol=1e-14)
    assert_allclose(metrics.direction(actual, mean), metrics.direction(sample.actual, sample.mean))
    assert_allclose(
        metrics.coverage(actual, quantiles, 0.8), metrics.coverage(sample.actual, sample.quantiles, 0.8), atol=1e-14
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_quantiles_of_the_true_distribution_lose_least(seed: int) -> None:
    actual = np.random.default_rng(seed).normal(0, 0.005, (5000, HORIZON))
    quantiles = np.broadcast_to(0.005 * stats.norm.ppf(LEVELS), (5000, HORIZON, len(LEVELS)))
    best = metrics.pinball(actual, quantiles)
    for factor in (0.8, 1.25):
        assert (metrics.skill(best, metrics.pinball(actual, factor * quantiles)) > 0).all()


@given(arrays.arrays(np.float64, HORIZON, elements=st.floats(1e-6, 1e3)), st.floats(0.5, 2))
@law
def test_skill_of_itself_is_zero_and_follows_the_loss(loss: Array, factor: float) -> None:
    assert (metrics.skill(loss, loss) == 0).all()
    assert_allclose(metrics.skill(factor * loss, loss), 1 - factor, atol=1e-12)


@given(samples())
@law
def test_errors_of_points_equal_a_loop(sample: Sample) -> None:
    assume((np.nan_to_num(sample.actual) != 0).any(axis=0).all())
    for k in range(HORIZON):
        pairs = [(a, m) for a, m in zip(sample.actual[:, k], sample.mean[:, k], strict=True) if not math.isnan(a)]
        rmse = 100 * math.sqrt(sum((a - m) ** 2 for a, m in pairs) / len(pairs))
        walk = 100 * math.sqrt(sum(a**2 for a, _ in pairs) / len(pairs))
        mae = 100 * sum(abs(a - m) for a, m in pairs) / len(pairs)
        assert metrics.rmse(sample.actual, sample.mean)[k] == pytest.approx(rmse, abs=1e-12)
        assert metrics.theil_u(sample.actual, sample.mean)[k] == pytest.approx(rmse / walk)
        assert metrics.mae(sample.actual, sample.mean)[k] == pytest.approx(mae, abs=1e-12)


def test_theils_u_of_the_walk_is_one() -> None:
    sample = drawn(1)
    assert (metrics.theil_u(sample.actual, np.zeros_like(sample.mean)) == 1).all()


@given(samples())
@law
def test_direction_equals_a_loop_with_wilsons_formula(sample: Sample) -> None:
    found = metrics.direction(sample.actual, sample.mean)
    z = stats.norm.ppf(0.975)
    for k in range(HORIZON):
        right = counted = 0
        for actual, mean in zip(sample.actual[:, k], sample.mean[:, k], strict=True):
            if not math.isnan(actual) and actual != 0 and mean != 0:
                counted += 1
                right += (actual > 0) == (mean > 0)
        if counted == 0:
            assert all(math.isnan(part[k]) for part in found)
            continue
        p = right / counted
        centre = (p + z**2 / (2 * counted)) / (1 + z**2 / counted)
        half = z / (1 + z**2 / counted) * math.sqrt(p * (1 - p) / counted + z**2 / (4 * counted**2))
        assert found.share[k] == pytest.approx(p)
        assert found.low[k] == pytest.approx(centre - half, abs=1e-9)
        assert found.high[k] == pytest.approx(centre + half, abs=1e-9)
        rounding = 1e-12
        assert -rounding <= found.low[k] <= found.share[k] + rounding
        assert found.share[k] - rounding <= found.high[k] <= 1 + rounding


def test_direction_is_unknown_when_no_move_is_forecast_even_after_rounding() -> None:
    sample = drawn(2)
    for mean in (np.zeros_like(sample.mean), np.full_like(sample.mean, 1e-16)):
        assert np.isnan(metrics.direction(sample.actual, mean)).all()


@given(samples(), st.sampled_from([0.5, 0.8, 0.95]))
@law
def test_coverage_and_width_equal_a_loop(sample: Sample, nominal: float) -> None:
    low, high = LEVELS.index(round((1 - nominal) / 2, 3)), LEVELS.index(round((1 + nominal) / 2, 3))
    coverage = metrics.coverage(sample.actual, sample.quantiles, nominal)
    width = metrics.width(sample.actual, sample.quantiles, nominal)
    for k in range(HORIZON):
        rows = [i for i, actual in enumerate(sample.actual[:, k]) if not math.isnan(actual)]
        limits = [(sample.quantiles[i, k, low], sample.quantiles[i, k, high]) for i in rows]
        inside = sum(a <= sample.actual[i, k] <= b for i, (a, b) in zip(rows, limits, strict=True))
        assert coverage[k] == pytest.approx(inside / len(rows))
        assert width[k] == pytest.approx(100 * sum(b - a for a, b in limits) / len(rows), abs=1e-12)
    assert ((coverage >= 0) & (coverage <= 1) & (width >= 0)).all()


@given(samples())
@law
def test_a_wider_interval_covers_no_less(sample: Sample) -> None:
    narrow = metrics.coverage(sample.actual, sample.quantiles, 0.80)
    assert (metrics.coverage(sample.actual, sample.quantiles, 0.95) >= narrow).all()


def test_an_interval_without_its_levels_is_refused() -> None:
    sample = drawn(3)
    with pytest.raises(ValueError, match=r" 90% interval .* level 0\.05, "):
        metrics.coverage(sample.actual, sample.quantiles, 0.9, [level for level in LEVELS if level != 0.05])


def naive_diebold_mariano(difference: Array, horizon: int, bartlett: bool = False) -> tuple[float, float]:
    """Diebold and Mariano's statistic with Harvey, Leybourne and Newbold's correction, term by term."""
    n = len(difference)
    centre = sum(difference) / n
    variance = 0.0
    for lag in range(horizon):
        product = sum((difference[i] - centre) * (difference[i - lag] - centre) for i in range(lag, n)) / n
        weight = 1 - lag / horizon if bartlett else 1
        variance += product if lag == 0 else 2 * weight * product
    statistic = centre / math.sqrt(variance / n)
    statistic *= math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    return statistic, 2 * stats.t.cdf(-abs(statistic), n - 1)


@pytest.mark.parametrize("seed", range(5))
def test_diebold_mariano_equals_a_loop(seed: int) -> None:
    sample, other = drawn(seed), drawn(seed + 100)
    losses = metrics.pinball_losses(sample.actual, sample.quantiles)
    others = metrics.pinball_losses(sample.actual, other.quantiles)
    found = metrics.diebold_mariano(losses, others)
    for k in range(HORIZON):
        difference = (losses - others)[:, k]
        expected = naive_diebold_mariano(difference[~np.isnan(difference)], k + 1)
        assert_allclose([found.statistic[k], found.p_value[k]], expected, rtol=1e-9)


def library_test(losses: Array, others: Array, horizon: int) -> tuple[float, float]:
    from statsmodels.tsa.stattools import diebold_mariano_test

    result = diebold_mariano_test(
        np.zeros(len(losses)),
        losses,
        others,
        lags=horizon - 1,
        criterion=lambda _, loss: loss,
        harvey_adj=True,
        horizon=horizon,
    )
    return result.statistic, result.pvalue


def test_diebold_mariano_equals_statsmodels_at_one_day_where_kernels_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    losses, others = rng.exponential(1, (200, 1)), rng.exponential(1.1, (200, 1))
    expected = library_test(losses[:, 0], others[:, 0], 1)
    assert_allclose(np.ravel(metrics.diebold_mariano(losses, others)), expected, rtol=1e-9)


def test_diebold_mariano_takes_bartletts_kernel_where_the_rectangular_variance_is_not_positive() -> None:
    alternating = 1 + np.where(np.arange(100) % 2, 0.5, -0.5) + np.random.default_rng(0).normal(0, 0.01, 100)
    losses, others = np.column_stack([alternating] * 2), np.ones((100, 2))
    found = metrics.diebold_mariano(losses, others)
    expected = library_test(losses[:, 1], others[:, 1], 2)
    assert_allclose([found.statistic[1], found.p_value[1]], expected, rtol=1e-9)
    assert_allclose(expected, naive_diebold_mariano(alternating - 1, 2, bartlett=True), rtol=1e-6)


@given(samples(), samples())
@law
def test_diebold_mariano_is_antisymmetric(sample: Sample, other: Sample) -> None:
    n = min(len(sample.actual), len(other.actual))
    losses = metrics.pinball_losses(sample.actual[:n], sample.quantiles[:n])
    others = metrics.pinball_losses(sample.actual[:n], other.quantiles[:n])
    there, back = metrics.diebold_mariano(losses, others), metrics.diebold_mariano(others, losses)
    known = ~np.isnan(there.statistic) & ~np.isnan(back.statistic)
    assert_allclose(there.statistic[known], -back.statistic[known], rtol=1e-9, atol=1e-12)
    assert_allclose(there.p_value[known], back.p_value[known], rtol=1e-9, atol=1e-12)
    assert ((there.p_value[known] >= 0) & (there.p_value[known] <= 1)).all()


def test_diebold_mariano_has_nothing_to_test_where_losses_are_the_same() -> None:
    losses = drawn(7).mean ** 2
    assert np.isnan(metrics.diebold_mariano(losses, losses)).all()
    assert np.isnan(metrics.diebold_mariano(losses, losses * (1 + 1e-15))).all()
    assert np.isnan(metrics.diebold_mariano(losses[:10], 2 * losses[:10]).statistic[-1])


def test_diebold_mariano_rejects_a_true_null_about_as_often_as_it_says() -> None:
    """Overlapping 5-day losses of two equally good forecasts: a test that ignored the overlap would reject 3x more."""
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(400):
        daily = rng.normal(0, 1, 404)
        difference = np.convolve(daily, np.ones(5), "valid")
        losses = np.zeros((400, HORIZON))
        losses[:, -1] = difference
        rejected += metrics.diebold_mariano(losses, np.zeros_like(losses)).p_value[-1] < 0.05
    assert 0.02 < rejected / 400 < 0.10
