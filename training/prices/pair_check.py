"""Compare a file's closes with the European Central Bank's rates: is it the pair, and are its dates right?

A close of any hour lies within a percent or two of the day's fixing (about 14:15 in Frankfurt). How closely its returns
follow the fixing's depends on the hour: from the fixing to 17:00 in New York are nine busy hours, from there to
the next fixing fifteen quiet ones. So a valid close in New York correlates .46 with the fixing of its own day and .54
with that of the next. Only a close that hardly moves with its own day has a wrong date.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices import ecb

COMMON = 100  # days that both have: fewer tell nothing
NEAR = 0.02  # median distance of a close from the same day's fixing, in logs; the euro's own is .003
ALIKE = 0.25  # correlation of daily returns with the fixing's; every hour of the same day gives more
CLEAR = 4  # standard errors, 1 / sqrt(rows), by which a neighbour's correlation must be the greater
CERTAIN = 0.75  # correlation from which a close is within hours of that day's fixing, so that its date is known
DAYS_APART = 2  # days before and after that are compared
PEGGED = 0.0005  # standard deviation of daily returns, below which they are noise
SEARCHED = 500  # days on which other pairs are compared


class Comparison(NamedTuple):
    """`doubt` is a reason to refuse the closes, with the cure; `note` is a remark. Both may be empty."""

    doubt: str = ""
    note: str = ""


def compare(frame: pd.DataFrame, pair: str) -> Comparison:
    """Compare `close` with the ECB's rates of the pair.

    Nothing is found where the ECB does not quote the pair, or where both have too few days in common.
    """
    if len(frame) < COMMON:
        return Comparison()
    if (fixing := fixings(pair)) is None:
        return Comparison()
    close = pd.Series(np.log(frame["close"].to_numpy(np.float64)), index=frame.index)
    common = close.index.intersection(fixing.index)
    if len(common) < COMMON:
        return Comparison()
    own, other = close[common].to_numpy(), fixing[common].to_numpy()
    shown = f"{pair[:3]}/{pair[3:]}"
    if _distance(own - other) > NEAR:
        return Comparison(doubt=_elsewhere(close[common], other, shown))
    return _timing(close[common], fixing[common], shown)


def fixings(pair: str) -> pd.Series | None:
    """Logs of the pair's fixings by day; None where the ECB does not quote it."""
    rates, base, quoted = _logs(), pair[:3].lower(), pair[3:].lower()
    if base not in rates or quoted not in rates:
        return None
    return (rates[quoted] - rates[base]).dropna()


def _distance(difference: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(difference)))


def _elsewhere(close: pd.Series, fixing: NDArray[np.float64], shown: str) -> str:
    """In words, what the closes are instead."""
    own = close.to_numpy(np.float64)
    trust = "if it is right all the same, --trust"
    if _distance(own + fixing) < NEAR:
        return f"looks inverted: its closes are one over {shown}'s; --invert turns them over, or {trust}"
    factor = np.exp(np.median(own - fixing))
    if (named := _named(close)) is not None:
        return f"is {named} and not {shown}, off by a factor of {factor:.2g}; give {shown}'s closes, or {trust}"
    if _correlation(own, fixing) > 0.5:
        return f"is {shown} times {factor:.4g}; divide its closes by that, or {trust}"
    return (
        f"is not {shown}: its closes are {factor:.2g} times the European Central Bank's rates in the median, and their "
        f"daily returns correlate {_correlation(own, fixing):.2f}; give {shown}'s closes, or {trust}"
    )


def _named(close: pd.Series) -> str | None:
    """The pair of the ECB's currencies that the closes lie on, on the last days in common."""
    recent = close.iloc[-SEARCHED:]
    rates = _logs().loc[recent.index].dropna(axis=1)
    logs = rates.to_numpy(np.float64)
    crosses = logs[:, None, :] - logs[:, :, None]  # [days, base, quoted]
    distance = np.median(np.abs(recent.to_numpy(np.float64)[:, None, None] - crosses), axis=0)
    base, quoted = divmod(int(distance.argmin()), distance.shape[1])
    if distance[base, quoted] > NEAR or base == quoted:
        return None
    if _correlation(recent.to_numpy(np.float64), crosses[:, base, quoted]) < ALIKE:
        return None
    return f"{rates.columns[base]}/{rates.columns[quoted]}".upper()


def _timing(close: pd.Series, fixing: pd.Series, shown: str) -> Comparison:
    """Judge the dates by the correlation of each return with the fixing's of the same day and of the days around it.

    `close` and `fixing` are logs [n] over the same days.
    """
    returns, moves = np.diff(close), np.diff(fixing)
    if min(np.std(returns), np.std(moves)) < PEGGED:
        return Comparison()
    inner = slice(DAYS_APART, len(moves) - DAYS_APART)
    # by[1] is the correlation with the fixing of the next day.
    by = {
        shift: float(np.corrcoef(returns[inner], moves[inner.start + shift : inner.stop + shift])[0, 1])
        for shift in range(-DAYS_APART, DAYS_APART + 1)
    }
    best = max(by, key=lambda shift: by[shift])
    if by[best] < ALIKE:
        return Comparison(
            f"lies where {shown} does and does not move with it: its daily returns correlate {by[0]:.2f} with the "
            "European Central Bank's; give the closes of each day, or --trust to use them as they are"
        )
    if by[0] < ALIKE and by[best] > by[0] + CLEAR / np.sqrt(len(moves)):
        return Comparison(
            f"has the closes of another day: {_numbers(by, best)}; {_cure(best, by[best])}, or use --trust"
        )
    neighbour = max((1, -1), key=lambda shift: by[shift])
    if by[neighbour] < ALIKE:
        return Comparison()
    when = "late in the day" if neighbour == 1 else "early in the day, or at the end of the day before"
    return Comparison(note=f"closes {when}: {_numbers(by, neighbour)}")


def _numbers(by: Mapping[int, float], shift: int) -> str:
    return (
        f"its returns correlate {by[shift]:.2f} with the fixing of {_day(shift)} and {by[0]:.2f} with that of their own"
    )


def _day(shift: int) -> str:
    if abs(shift) == 1:
        return "the next day" if shift > 0 else "the day before"
    return f"{abs(shift)} days {'later' if shift > 0 else 'earlier'}"


def _cure(best: int, correlation: float) -> str:
    """How to date the closes; only a close near a fixing says by how many days."""
    if correlation < CERTAIN:
        error = "early" if best > 0 else "late"
        return f"check at the source which day each close belongs to (the dates are too {error})"
    days = "a business day" if abs(best) == 1 else f"{abs(best)} business days"
    return f"date each close {days} {'later' if best > 0 else 'earlier'}"


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    moves, others = np.diff(one), np.diff(other)
    if np.std(moves) == 0 or np.std(others) == 0:
        return 0.0
    return float(np.corrcoef(moves, others)[0, 1])


@cache  # read once a process
def _logs() -> pd.DataFrame:
    """Logs of the embedded rates, units per euro, by day and currency; the euro is one of them."""
    rows = ecb.embedded()
    columns = {name: np.log(rates) for name, rates in rows.columns.items()}
    frame = pd.DataFrame(columns, index=pd.to_datetime([day for day in rows.days if day is not None]))
    return frame.assign(eur=0.0)
