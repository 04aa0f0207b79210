"""Tests of single levels, as of value at risk: how often a return falls below, and whether in clusters."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

Array = NDArray[np.float64]


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
