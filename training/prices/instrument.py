"""Whether a file holds the pair that it is used for: its closes against the European Central Bank's rates.

A close of any hour lies within a percent or two of the day's fixing, and moves with it: New York's with a correlation
of about .7 a day, one of the day's begin with that of the fixing before. What lies elsewhere is another pair, the pair
turned over, or shifted by a day.
"""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices import ecb

COMMON = 100  # days that both have: fewer tell nothing
NEAR = 0.02  # median distance of a close from the same day's fixing, in logs; the euro's own is .003
ALIKE = 0.25  # correlation of daily returns with the fixing's: what an hour in common gives
PEGGED = 0.0005  # standard deviation of daily returns, below which they are noise
SEARCHED = 500  # days on which other pairs are compared


def doubt(frame: pd.DataFrame, pair: str) -> str:
    """What speaks against the closes being the pair's, in words with the cure; empty where nothing does, where the ECB
    does not quote the pair, or where they have too few days in common."""
    if len(frame) < COMMON:
        return ""
    rates = _logs()
    base, quoted = pair[:3].lower(), pair[3:].lower()
    if base not in rates or quoted not in rates:
        return ""
    fixing = (rates[quoted] - rates[base]).dropna()
    close = pd.Series(np.log(frame["close"].to_numpy(np.float64)), index=frame.index)
    common = close.index.intersection(fixing.index)
    if len(common) < COMMON:
        return ""
    own, other = close[common].to_numpy(), fixing[common].to_numpy()
    shown = f"{pair[:3]}/{pair[3:]}"
    if _distance(own - other) > NEAR:
        return _elsewhere(close[common], other, shown)
    return _shifted(close, fixing, shown)


def _distance(difference: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(difference)))


def _elsewhere(close: pd.Series, fixing: NDArray[np.float64], shown: str) -> str:
    """In words, what the closes are instead."""
    own = close.to_numpy(np.float64)
    trust = "if it is right all the same, --trust"
    if _distance(own + fixing) < NEAR:
        return f"looks inverted: its closes are one over {shown}'s; write 1 / close, or {trust}"
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


def _shifted(close: pd.Series, fixing: pd.Series, shown: str) -> str:
    """Whether returns go with another day's more than with their own."""
    common = close.index.intersection(fixing.index)
    own, other = np.diff(close[common]), np.diff(fixing[common])
    if min(np.std(own), np.std(other)) < PEGGED:
        return ""
    found = {
        shift: float(np.corrcoef(own[1 + shift : len(own) - 1 + shift], other[1:-1])[0, 1]) for shift in (-1, 0, 1)
    }
    best = max(found, key=lambda shift: found[shift])
    if found[best] < ALIKE:
        return (
            f"lies where {shown} does and does not move with it: its daily returns correlate {found[0]:.2f} with the "
            "European Central Bank's; give the closes of each day, or --trust to use them as they are"
        )
    if best == 0:
        return ""
    # The close of row i moves with the fixing of row i - best.
    which, cure = ("before", "earlier") if best == 1 else ("after", "later")
    return (
        f"is another day's close: shifted by one, as its daily returns correlate {found[best]:.2f} with those of the "
        f"day {which} and {found[0]:.2f} with their own day's; date each close a business day {cure}, or use "
        "them as they are with --trust"
    )


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
