"""Predicted and realised frequency with which daily closes touch a price, out of sample."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.record.touch import NORMAL_WIDTH_80, OVERSHOOT, OVERSHOOT_VARIANCE
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import LEVELS, targets

HORIZONS = (5, 10, 21)  # business days
DISTANCES = (0.5, 1.0, 1.5, 2.0, 2.5)  # of the price, in standard deviations of the last day
SIDES = {"below": -1.0, "above": 1.0}
Floats = NDArray[np.float64]


def touch_table(forecasts: Forecasts, prices: pd.DataFrame) -> pd.DataFrame:
    """Compare touch probabilities with the closes; a row per horizon, distance and side.

    A row has the number of forecasts `n` and the shares `predicted` and `realised`. The standard deviation is that of a
    normal distribution with the 80 % interval of the last day, as in `lambda_fn.record.touch`.
    """
    actual, sd = targets(prices, forecasts.origins), normal_sd(forecasts.quantiles)
    rows = []
    for horizon in HORIZONS:
        scored = ~np.isnan(actual[:, horizon - 1])
        quantiles, path = forecasts.quantiles[scored, :horizon], actual[scored, :horizon]
        for distance in DISTANCES:
            for side, sign in SIDES.items():
                limit = sign * distance * sd[scored, horizon - 1]
                touched = (sign * path).max(axis=1) >= np.abs(limit)
                rows.append(
                    {
                        **{"horizon": horizon, "distance": distance, "side": side, "n": len(path)},
                        "predicted": float(touch_probabilities(quantiles, limit).mean()),
                        "realised": float(touched.mean()),
                    }
                )
    return pd.DataFrame(rows)


def touch_probabilities(quantiles: Floats, limit: Floats) -> Floats:
    """Return what `lambda_fn.record.touch.touch_probability` returns, for many forecasts at once, [n].

    Args:
        quantiles: Log returns since the last close, [n, days, levels].
        limit: The log return of the price of each forecast, [n], none of them 0.
    """
    sign = np.sign(limit)[:, None]
    days = np.arange(1, quantiles.shape[1] + 1)
    shift = OVERSHOOT * normal_sd(quantiles) / np.sqrt(days)
    barrier = (limit[:, None] + sign * shift) * np.sqrt(days / (days + OVERSHOOT_VARIANCE))
    single = _beyond(quantiles, np.repeat(limit[:, None], len(days), axis=1), sign)
    double = np.where(days > 1, 2 * _beyond(quantiles, barrier, sign), 0.0)
    return np.asarray(np.minimum(np.maximum(single, double).max(axis=1), 1.0))


def normal_sd(quantiles: Floats) -> Floats:
    """Return the standard deviation of a normal distribution with the 80 % interval of [..., levels]."""
    width = quantiles[..., LEVELS.index(0.9)] - quantiles[..., LEVELS.index(0.1)]
    return np.asarray(width / NORMAL_WIDTH_80)


def _beyond(quantiles: Floats, limit: Floats, sign: Floats) -> Floats:
    """Return the probability of a return beyond `limit` [n, days], above it where `sign` [n, 1] is positive."""
    levels = np.array(LEVELS)
    logits = np.log(levels / (1 - levels))
    upper = np.clip((quantiles < limit[..., None]).sum(axis=-1), 1, len(LEVELS) - 1)[..., None]
    x0, x1 = (np.take_along_axis(quantiles, upper - i, axis=-1)[..., 0] for i in (1, 0))
    y0, y1 = logits[upper[..., 0] - 1], logits[upper[..., 0]]
    logit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
    return np.asarray(1 / (1 + np.exp(sign * logit)))
