"""Statistical tests: Diebold-Mariano, bootstrap tests of many families, and coverage tests of single quantiles."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

from training.conventions import COMPARED_DAYS
from training.evaluation.metrics import ROUNDING

Array = NDArray[np.float64]

COLUMNS = ["family", "other", "p_1", "p_mean"]


def relative_losses(losses: Array, reference: Array) -> Array:
    """Loss of each origin relative to a reference's mean loss, averaged over horizons 1 to COMPARED_DAYS, [n].

    The loss at each horizon is divided by the mean loss of the reference there. `losses` and `reference` [n, horizon],
    NaN where the future is unknown: such an origin has no mean.
    """
    return np.asarray((losses[:, :COMPARED_DAYS] / np.nanmean(reference[:, :COMPARED_DAYS], axis=0)).mean(axis=1))


def one_sided_p_value(losses: Array, others: Array, horizon: int) -> float:
    """p-value of "the first is not better than the other": small where it loses less by more than chance; one-sided.

    Diebold and Mariano (1995) with the correction of Harvey, Leybourne and Newbold (1997) for `horizon` and Student's
    t; the long-run variance is Newey and West's (1987), doi:10.2307/1913610, over horizon - 1 lags or their rule of
    thumb, 4 (n / 100)^(2/9), where that is more. NaN where the losses are the same up to rounding, or too few.
    `losses` and `others` are each [n].
    """
    n = int((~np.isnan(losses - others)).sum())
    return float(stats.t.cdf(diebold_mariano_statistic(losses, others, horizon), n - 1)) if n > 1 else float("nan")


def diebold_mariano_statistic(losses: Array, others: Array, horizon: int) -> float:
    """Statistic of `one_sided_p_value`, negative where the first loses less; NaN like it."""
    from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_bartlett

    difference = losses - others
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    if n <= 2 * horizon or np.abs(difference).max() <= ROUNDING * np.nanmax(np.abs(losses)):
        return float("nan")
    lags = min(max(horizon - 1, int(4 * (n / 100) ** (2 / 9))), n // 2)
    centred = difference - difference.mean()
    variance = float(np.squeeze(S_hac_simple(centred, nlags=lags, weights_func=weights_bartlett))) / n**2
    if variance <= 0:
        return float("nan")
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return float(difference.mean() * np.sqrt(correction / variance))


def compare(losses: Mapping[str, Array], reference: str) -> pd.DataFrame:
    """Test each ordered pair; a row has the p-values of "family is not better than other".

    `p_1` is at one day, `p_mean` over the mean of 1 to COMPARED_DAYS days. `losses` are each [n, horizon] of the same
    origins, `reference` is the name of the losses that they are divided by.
    """
    means = {name: relative_losses(loss, losses[reference]) for name, loss in losses.items()}
    rows = [
        {
            "family": name,
            "other": other,
            "p_1": one_sided_p_value(losses[name][:, 0], losses[other][:, 0], 1),
            "p_mean": one_sided_p_value(means[name], means[other], COMPARED_DAYS),
        }
        for name, other in permutations(losses, 2)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


BLOCK = 21  # mean days per block: the longest overlap
DRAWS = 1000
SEED = 20100104  # the same for all families, so that no family's interval depends on another's
SIZE = 0.10  # of the model confidence set: the best family is in it with a probability of 90 %


def bootstrap_counts(n: int) -> Array:
    """Count how often each of n days is in each draw of the stationary bootstrap, [draws, n]."""
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(BLOCK, np.arange(n), seed=SEED)
    counts = [np.bincount(args[0], minlength=n) for args, _ in bootstrap.bootstrap(DRAWS)]
    return np.array(counts, np.float64)


def skill_interval(losses: Array, others: Array, counts: Array, coverage: float = 0.9) -> tuple[Array, Array]:
    """Bootstrap confidence interval of the skill, 1 - loss / other's loss: its limits by horizon, each [horizon].

    Args:
        losses: The losses, [n, horizon], NaN where the future is unknown.
        others: The losses to compare with, [n, horizon].
        counts: The draws of `bootstrap_counts`, [draws, n].
        coverage: The probability of the interval.
    """
    observed = ~(np.isnan(losses) | np.isnan(others))
    loss, other = (counts @ np.where(observed, values, 0.0) for values in (losses, others))
    skills = 1 - loss / other
    low, high = np.quantile(skills, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    return np.asarray(low), np.asarray(high)


def confidence_set(losses: Mapping[str, Array]) -> dict[str, float]:
    """p-value of each family in the model confidence set; those with at least SIZE are in the set.

    Hansen, Lunde and Nason (2011), doi:10.3982/ECTA5771. `losses` are each [n], known on the same days; equal ones
    share a p-value.
    """
    from arch.bootstrap import MCS

    representatives = find_representatives(losses)
    if len(set(representatives.values())) < 2:
        return dict.fromkeys(losses, 1.0)
    table = pd.DataFrame({name: losses[name] for name in sorted(set(representatives.values()))}).dropna()
    mcs = MCS(table, SIZE, reps=DRAWS, block_size=BLOCK, seed=SEED)
    mcs.compute()
    p_values = mcs.pvalues["Pvalue"]
    return {name: float(p_values[representative]) for name, representative in representatives.items()}


def spa_p_value(losses: Mapping[str, Array], benchmark: Array) -> float:
    """p-value of "no family is better than the benchmark", valid however many families are tried.

    The consistent one of the test for superior predictive ability of Hansen (2005), doi:10.1198/073500105000000063.
    NaN where all are the benchmark itself.
    """
    from arch.bootstrap import SPA

    others = {name: loss for name, loss in losses.items() if not are_equal(loss, benchmark)}
    names = sorted(set(find_representatives(others).values()))
    if not names:
        return float("nan")
    table = pd.DataFrame({name: losses[name] for name in names} | {"": benchmark}).dropna()
    spa = SPA(table[""], table[names], block_size=BLOCK, reps=DRAWS, seed=SEED)
    spa.compute()
    return float(spa.pvalues["consistent"])


def find_representatives(losses: Mapping[str, Array]) -> dict[str, str]:
    """Map each family to the first with equal losses (up to ROUNDING), so that none is tested against itself."""
    representatives: dict[str, str] = {}
    for name, loss in losses.items():
        equal = (first for first in representatives.values() if are_equal(loss, losses[first]))
        representatives[name] = next(equal, name)
    return representatives


def are_equal(losses: Array, others: Array) -> bool:
    return bool(np.nanmax(np.abs(losses - others)) <= ROUNDING * np.nanmax(np.abs(losses)))


def kupiec(below: NDArray[np.bool_], level: float) -> float:
    """p-value of the hypothesis that returns fall below the quantile of this level as often as it says.

    `below` [n] is whether each return did.

    Likelihood ratio, chi-square with one degree of freedom: Kupiec (1995), doi:10.3905/jod.1995.407942.
    """
    return float(stats.chi2.sf(_coverage_ratio(below, level), 1))


def christoffersen(below: NDArray[np.bool_], level: float) -> float:
    """p-value of the hypothesis that returns fall below the quantile as often, and independently of the day before.

    Conditional coverage, chi-square with two degrees of freedom: Christoffersen (1998), doi:10.2307/2527341.
    """
    previous, current = below[:-1], below[1:]
    hits = [int((current & (previous == state)).sum()) for state in (False, True)]
    misses = [int((~current & (previous == state)).sum()) for state in (False, True)]
    shares = [h / (h + m) if h + m else 0.0 for h, m in zip(hits, misses, strict=True)]
    conditional = sum(_log_likelihood(h, m, p) for h, m, p in zip(hits, misses, shares, strict=True))
    unconditional = _log_likelihood(sum(hits), sum(misses), sum(hits) / max(1, sum(hits) + sum(misses)))
    independence = 2 * (conditional - unconditional)
    return float(stats.chi2.sf(_coverage_ratio(below, level) + independence, 2))


def _coverage_ratio(below: NDArray[np.bool_], level: float) -> float:
    hits, misses = int(below.sum()), int((~below).sum())
    share = hits / max(1, hits + misses)
    return 2 * (_log_likelihood(hits, misses, share) - _log_likelihood(hits, misses, level))


def _log_likelihood(hits: int, misses: int, share: float) -> float:
    return float(xlogy(hits, share) + xlogy(misses, 1 - share))
