"""What chance alone could do to a gain: intervals, the model confidence set and the test of superior ability.

Days are drawn in blocks, as losses of neighbouring and of overlapping forecasts go together: the stationary bootstrap
of Politis and Romano (1994), doi:10.1080/01621459.1994.10476870.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation.metrics import ROUNDING

Array = NDArray[np.float64]

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
