"""Whether one forecast is better than another by more than chance: one-sided tests of every pair of them."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

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
