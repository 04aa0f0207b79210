"""EWMA(0.94) with Gaussian tails: nothing is fitted (RiskMetrics Technical Document, 1996, section 5.2)."""

from functools import partial

import numpy as np

from training.models.heads.base import Filter, Kind
from training.prices.windows import HORIZON, LEVELS, WINDOW

DECAY = 0.94  # RiskMetrics' daily decay


def ewma_head(decay: float = DECAY, window: int = WINDOW) -> Filter:
    """Weights that sum to one over the window, a variance that grows with the horizon, Gaussian tails."""
    from scipy import stats

    kernel = decay ** np.arange(window - 2, -1, -1.0)
    return Filter(
        params={"decay": decay},
        kernel=kernel / kernel.sum(),
        constant=0.0,
        slope=np.arange(1.0, HORIZON + 1),
        level=np.zeros(HORIZON),
        z=np.asarray(stats.norm.ppf(LEVELS)),
        longer=partial(ewma_head, decay),
    )


KIND = Kind(name="ewma", fit=lambda known: ewma_head())
