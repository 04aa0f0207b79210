"""Statistical tests: Diebold-Mariano, the bootstrap of Hansen's SPA, and coverage tests of single quantiles."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

from training.evaluation.metrics import ROUNDING
from training.evaluation.names import JUDGED

Array = NDArray[np.float64]

COLUMNS = ["family", "other", "p_1", "p_mean"]


def relative_losses(losses: Array, reference: Array) -> Array:
    """Loss of each origin, [n], the mean over horizons 1 to JUDGED of the loss divided by the reference's mean there.

    `losses` and `reference` [n, horizon], NaN where the future is unknown: such an origin has no mean.
    """
    return np.asarray((losses[:, :JUDGED] / np.nanmean(reference[:, :JUDGED], axis=0)).mean(axis=1))


def better(losses: Array, others: Array, horizon: int) -> float:
    """p-value of "not better than the other": small where the first loses less by more than chance; one-sided.

    Diebold and Mariano (1995) with the correction of Harvey, Leybourne and Newbold (1997) for `horizon` and Student's
    t; the long-run variance is Newey and West's (1987), doi:10.2307/1913610, over horizon - 1 lags or their rule of
    thumb, 4 (n / 100)^(2/9), where that is more. NaN where the losses are the same up to rounding, or too few.
    """
    known = int((~np.isnan(losses - others)).sum())
    return float(stats.t.cdf(statistic(losses, others, horizon), known - 1)) if known > 1 else float("nan")


def statistic(losses: Array, others: Array, horizon: int) -> float:
    """That test's statistic, negative where the first loses less."""
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
    """A row for each ordered pair: the p-values of "family is not better than other" at one day and over the mean of
    1 to JUDGED days. `losses` are each [n, horizon] of the same origins."""
    means = {name: relative_losses(own, losses[reference]) for name, own in losses.items()}
    rows = [
        {
            "family": name,
            "other": other,
            "p_1": better(losses[name][:, 0], losses[other][:, 0], 1),
            "p_mean": better(means[name], means[other], JUDGED),
        }
        for name, other in permutations(losses, 2)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


BLOCK = 21  # days a block, on average: the longest overlap
DRAWS = 1000
SEED = 20100104  # of the draws; the same for all, so that no family's interval depends on another's
SIZE = 0.10  # of the model confidence set: the best family is in it with 90 %


def draws(n: int) -> Array:
    """How often each of n days is in each draw, [draws, n]."""
    from arch.bootstrap import StationaryBootstrap

    drawn = StationaryBootstrap(BLOCK, np.arange(n), seed=SEED)
    counts = [np.bincount(args[0], minlength=n) for args, _ in drawn.bootstrap(DRAWS)]
    return np.array(counts, np.float64)


def skill_interval(losses: Array, others: Array, counts: Array, coverage: float = 0.9) -> tuple[Array, Array]:
    """Limits of 1 - loss / other's loss by horizon, each [horizon]: percentiles over the draws `counts` of n days."""
    known = ~(np.isnan(losses) | np.isnan(others))
    own, other = (counts @ np.where(known, values, 0.0) for values in (losses, others))
    skills = 1 - own / other
    low, high = np.quantile(skills, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    return np.asarray(low), np.asarray(high)


def confidence_set(losses: Mapping[str, Array]) -> dict[str, float]:
    """Each family's p-value in the model confidence set of Hansen, Lunde and Nason (2011), doi:10.3982/ECTA5771; those
    with at least SIZE are in it. `losses` are each [n], known on the same days; equal ones share a p-value."""
    from arch.bootstrap import MCS

    alone = distinct(losses)
    if len(set(alone.values())) < 2:
        return dict.fromkeys(losses, 1.0)
    table = pd.DataFrame({name: losses[name] for name in sorted(set(alone.values()))}).dropna()
    found = MCS(table, SIZE, reps=DRAWS, block_size=BLOCK, seed=SEED)
    found.compute()
    p_values = found.pvalues["Pvalue"]
    return {name: float(p_values[first]) for name, first in alone.items()}


def superior(losses: Mapping[str, Array], benchmark: Array) -> float:
    """p-value of "no family is better than the benchmark", however many were tried: Hansen (2005),
    doi:10.1198/073500105000000063, the consistent one. NaN where all are the benchmark itself."""
    from arch.bootstrap import SPA

    apart = {name: own for name, own in losses.items() if not same(own, benchmark)}
    chosen = sorted(set(distinct(apart).values()))
    if not chosen:
        return float("nan")
    table = pd.DataFrame({name: losses[name] for name in chosen} | {"": benchmark}).dropna()
    found = SPA(table[""], table[chosen], block_size=BLOCK, reps=DRAWS, seed=SEED)
    found.compute()
    return float(found.pvalues["consistent"])


def distinct(losses: Mapping[str, Array]) -> dict[str, str]:
    """Each family and the first that has the same losses up to rounding: a test of a family against itself is none."""
    found: dict[str, str] = {}
    for name, own in losses.items():
        found[name] = next((first for first in found.values() if same(own, losses[first])), name)
    return found


def same(losses: Array, others: Array) -> bool:
    return bool(np.nanmax(np.abs(losses - others)) <= ROUNDING * np.nanmax(np.abs(losses)))


def kupiec(below: NDArray[np.bool_], level: float) -> float:
    """p-value of the hypothesis that returns fall below the quantile of this level as often as it says, [n] -> one.

    Likelihood ratio, chi-square with one degree of freedom: Kupiec (1995), doi:10.3905/jod.1995.407942.
    """
    return float(stats.chi2.sf(_coverage_ratio(below, level), 1))


def christoffersen(below: NDArray[np.bool_], level: float) -> float:
    """p-value of the hypothesis that they do so as often and independently of the day before.

    Conditional coverage, chi-square with two degrees of freedom: Christoffersen (1998), doi:10.2307/2527341.
    """
    before, now = below[:-1], below[1:]
    hit = [int((now & (before == was)).sum()) for was in (False, True)]
    miss = [int((~now & (before == was)).sum()) for was in (False, True)]
    share = [h / (h + m) if h + m else 0.0 for h, m in zip(hit, miss, strict=True)]
    apart = sum(_log_likelihood(h, m, p) for h, m, p in zip(hit, miss, share, strict=True))
    together = _log_likelihood(sum(hit), sum(miss), sum(hit) / max(1, sum(hit) + sum(miss)))
    independence = 2 * (apart - together)
    return float(stats.chi2.sf(_coverage_ratio(below, level) + independence, 2))


def _coverage_ratio(below: NDArray[np.bool_], level: float) -> float:
    hits, misses = int(below.sum()), int((~below).sum())
    share = hits / max(1, hits + misses)
    return 2 * (_log_likelihood(hits, misses, share) - _log_likelihood(hits, misses, level))


def _log_likelihood(hits: int, misses: int, share: float) -> float:
    return float(xlogy(hits, share) + xlogy(misses, 1 - share))
