"""EWMA(0.94) with Gaussian tails: nothing is fitted (RiskMetrics Technical Document, 1996, section 5.2)."""

from functools import partial

import numpy as np

from training.models.heads.base import Filter, HeadSpec
from training.prices.windows import HORIZON, LEVELS, WINDOW

DECAY = 0.94  # RiskMetrics' daily decay


def ewma_head(decay: float = DECAY, window: int = WINDOW) -> Filter:
    """Build a filter with weights that sum to one over the window, a variance linear in the horizon, Gaussian tails."""
    from scipy import stats

    kernel = decay ** np.arange(window - 2, -1, -1.0)
    return Filter(
        params={"decay": decay},
        kernel=kernel / kernel.sum(),
        constant=0.0,
        slope=np.arange(1.0, HORIZON + 1),
        intercept=np.zeros(HORIZON),
        z=np.asarray(stats.norm.ppf(LEVELS)),
        rebuild=partial(ewma_head, decay),
    )


SPEC = HeadSpec(name="ewma", fit=lambda history: ewma_head())
