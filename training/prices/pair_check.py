"""Compare a file's closes with the European Central Bank's rates: is it the pair, and are its dates right?

A close of any hour is within a percent or two of the day's fixing (about 14:15 in Frankfurt). How closely its returns
follow the fixing's depends on the hour: there are nine busy hours from the fixing to 17:00 in New York, and fifteen
quiet ones from there to the next fixing. So the returns of a valid New York close have a correlation of .46 with the
fixing of their own day and of .54 with that of the next. Only a close that hardly moves with its own day has a wrong
date.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices import ecb

MIN_COMMON_DAYS = 100  # days that both have; fewer are not evidence
MAX_DISTANCE = 0.02  # median distance of a close from the same day's fixing, in logs; for EUR/USD it is .003
MIN_CORRELATION = 0.25  # correlation of daily returns with the fixing's; every hour of the same day gives more
MIN_LEAD = 4  # standard errors, 1 / sqrt(rows), by which a neighbouring day's correlation must be greater
CERTAIN_CORRELATION = 0.75  # from here on a close is within hours of that day's fixing, so that its date is certain
MAX_SHIFT = 2  # days before and after that are compared
MIN_VOLATILITY = 0.0005  # standard deviation of daily returns, below which they are noise
SEARCH_DAYS = 500  # latest days on which other pairs are compared


class Comparison(NamedTuple):
    """The result of a comparison; both texts may be empty.

    Attributes:
        doubt: A reason to refuse the closes, with the cure.
        note: A remark for the user.
    """

    doubt: str = ""
    note: str = ""


def compare(frame: pd.DataFrame, pair: str) -> Comparison:
    """Compare `close` with the ECB's rates of the pair.

    The result is empty if the ECB does not quote the pair, or if they have too few days in common.
    """
    if len(frame) < MIN_COMMON_DAYS or (pair_fixings := fixings(pair)) is None:
        return Comparison()
    closes = pd.Series(np.log(frame["close"].to_numpy(np.float64)), index=frame.index)
    common = closes.index.intersection(pair_fixings.index)
    if len(common) < MIN_COMMON_DAYS:
        return Comparison()
    log_close, log_fixing = closes[common].to_numpy(), pair_fixings[common].to_numpy()
    label = f"{pair[:3]}/{pair[3:]}"
    if _median_distance(log_close - log_fixing) > MAX_DISTANCE:
        return Comparison(doubt=_describe_mismatch(closes[common], log_fixing, label))
    return _check_dates(closes[common], pair_fixings[common], label)


def fixings(pair: str) -> pd.Series | None:
    """Return the logs of the pair's fixings by day, or None if the ECB does not quote it."""
    rates, base, quoted = _log_rates(), pair[:3].lower(), pair[3:].lower()
    if base not in rates or quoted not in rates:
        return None
    return (rates[quoted] - rates[base]).dropna()


def _median_distance(difference: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(difference)))


def _describe_mismatch(closes: pd.Series, fixing: NDArray[np.float64], label: str) -> str:
    """Describe what the closes are instead of the pair. `closes` are logs by day, `fixing` [n] are logs."""
    log_close = closes.to_numpy(np.float64)
    trust = "if the file is right, --trust"
    if _median_distance(log_close + fixing) < MAX_DISTANCE:
        return f"looks inverted: its closes are one over {label}'s; --invert inverts them, or {trust}"
    factor = np.exp(np.median(log_close - fixing))
    if (other_pair := _find_other_pair(closes)) is not None:
        return f"is {other_pair} and not {label}, off by a factor of {factor:.2g}; give {label}'s closes, or {trust}"
    if _return_correlation(log_close, fixing) > 0.5:
        return f"is {label} times {factor:.4g}; divide its closes by that, or {trust}"
    return (
        f"is not {label}: its closes are {factor:.2g} times the European Central Bank's rates (median), and their "
        f"daily returns have a correlation of {_return_correlation(log_close, fixing):.2f} with theirs; "
        f"give {label}'s closes, or {trust}"
    )


def _find_other_pair(close: pd.Series) -> str | None:
    """Return the pair of ECB currencies that the closes match on the latest common days, or None."""
    recent = close.iloc[-SEARCH_DAYS:]
    rates = _log_rates().loc[recent.index].dropna(axis=1)
    logs = rates.to_numpy(np.float64)
    crosses = logs[:, None, :] - logs[:, :, None]  # [days, base, quoted]
    distance = np.median(np.abs(recent.to_numpy(np.float64)[:, None, None] - crosses), axis=0)
    base, quoted = divmod(int(distance.argmin()), distance.shape[1])
    if distance[base, quoted] > MAX_DISTANCE or base == quoted:
        return None
    if _return_correlation(recent.to_numpy(np.float64), crosses[:, base, quoted]) < MIN_CORRELATION:
        return None
    return f"{rates.columns[base]}/{rates.columns[quoted]}".upper()


def _check_dates(close: pd.Series, fixing: pd.Series, label: str) -> Comparison:
    """Check the dates by the correlation of each return with the fixing's of the same day and of the days around it.

    `close` and `fixing` are logs [n] over the same days.
    """
    returns, moves = np.diff(close), np.diff(fixing)
    if min(np.std(returns), np.std(moves)) < MIN_VOLATILITY:
        return Comparison()
    inner = slice(MAX_SHIFT, len(moves) - MAX_SHIFT)
    # correlations[1] is the one with the fixing of the next day.
    correlations = {
        shift: float(np.corrcoef(returns[inner], moves[inner.start + shift : inner.stop + shift])[0, 1])
        for shift in range(-MAX_SHIFT, MAX_SHIFT + 1)
    }
    best = max(correlations, key=lambda shift: correlations[shift])
    if correlations[best] < MIN_CORRELATION:
        return Comparison(
            f"lies where {label} does but does not move with it: its daily returns correlate {correlations[0]:.2f} "
            "with those of the European Central Bank's rates; give the closes of each day, or use --trust"
        )
    if correlations[0] < MIN_CORRELATION and correlations[best] > correlations[0] + MIN_LEAD / np.sqrt(len(moves)):
        if correlations[best] < CERTAIN_CORRELATION:
            error = "early" if best > 0 else "late"
            cure = f"check at the source which day each close belongs to (the dates are too {error})"
        else:
            days = "a business day" if abs(best) == 1 else f"{abs(best)} business days"
            cure = f"date each close {days} {'later' if best > 0 else 'earlier'}"
        return Comparison(
            f"has the closes of another day: {_describe_correlations(correlations, best)}; {cure}, or use --trust"
        )
    neighbour = max((1, -1), key=lambda shift: correlations[shift])
    if correlations[neighbour] < MIN_CORRELATION:
        return Comparison()
    when = "late in the day" if neighbour == 1 else "early in the day, or at the end of the day before"
    return Comparison(note=f"closes {when}: {_describe_correlations(correlations, neighbour)}")


def _describe_correlations(correlations: Mapping[int, float], shift: int) -> str:
    days = {1: "the next day", -1: "the day before"}
    day = days.get(shift, f"{abs(shift)} days {'later' if shift > 0 else 'earlier'}")
    return (
        f"its returns correlate {correlations[shift]:.2f} with the fixing of {day} and {correlations[0]:.2f} with that "
        "of their own day"
    )


def _return_correlation(log_close: NDArray[np.float64], log_fixing: NDArray[np.float64]) -> float:
    close_returns, fixing_returns = np.diff(log_close), np.diff(log_fixing)
    if np.std(close_returns) == 0 or np.std(fixing_returns) == 0:
        return 0.0
    return float(np.corrcoef(close_returns, fixing_returns)[0, 1])


@cache
def _log_rates() -> pd.DataFrame:
    """Return logs of the embedded rates, units per euro, by day and currency; the euro is one of them."""
    return ecb.embedded_frame().apply(np.log).assign(eur=0.0)
