"""The ten most traded currencies at the ECB's fixing, to which parameters shared by all pairs are fitted."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices import ecb
from training.prices.windows import day_numbers

MAJORS = ("USD", "JPY", "GBP", "CHF", "SEK", "NOK", "CAD", "AUD", "NZD")
COLUMNS = tuple(f"eur{code.lower()}" for code in MAJORS)  # as the ECB's table names them


@dataclass(frozen=True)
class Pair:
    """One series of the panel.

    Attributes:
        usd: True if the dollar, which has scheduled news of its own, is in the pair.
        eur: True if the euro is.
        returns: Log returns [n].
    """

    usd: bool
    eur: bool
    returns: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Panel:
    """Log returns of 17 pairs, 9 of the euro and 8 of the dollar, over the same days.

    `days` [n + 1] are the fixings in days since 1970-01-01, so that return i lies between days i and i + 1. Panels with
    the same content are equal, so that what was fitted to one need not be fitted again.
    """

    days: NDArray[np.int64]
    pairs: tuple[Pair, ...]

    @property
    def last_day(self) -> date:
        """The day of the last fixing."""
        return date(1970, 1, 1) + timedelta(int(self.days[-1]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the days and returns, as hexadecimal digits."""
        content = hashlib.sha256(self.days.tobytes())
        for pair in self.pairs:
            content.update(pair.returns.tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Panel) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def panel(prices: pd.DataFrame, pair: str, source: str) -> Panel:
    """Make the panel up to the last date of `prices`.

    The rates are the table's own columns if they are the ECB's, else the embedded ones; embedded rows precede those of
    a pair that was first quoted later. So the panel is the same for every pair. Fixings that lack a major are left out.

    Raises ValueError if fewer than 250 remain.
    """
    own_rates = _select_majors(prices, pair) if source == "ecb" else None
    if own_rates is None:
        rates = _embedded().loc[: prices.index[-1]]
    else:
        rates = pd.concat([_embedded().loc[: own_rates.index[0] - pd.Timedelta(days=1)], own_rates])
    rates = rates.dropna()
    if len(rates) < 250:
        raise ValueError(
            f"majors: the ECB's rates have {len(rates)} fixings up to {prices.index[-1].date()}, too few to fit "
            "shared parameters; choose a family that does not share them, such as random_walk"
        )
    logs = np.log(rates.to_numpy(np.float64))
    returns = np.diff(logs, axis=0)
    euro = [Pair(code == "USD", True, returns[:, i]) for i, code in enumerate(MAJORS)]
    dollar = [Pair(True, False, returns[:, i] - returns[:, 0]) for i in range(1, len(MAJORS))]
    return Panel(day_numbers(pd.DatetimeIndex(rates.index)), (*euro, *dollar))


def _select_majors(prices: pd.DataFrame, pair: str) -> pd.DataFrame | None:
    """Return the majors among the columns, or None if one is missing; `close` is one if the pair is the euro's."""
    sources = {column: "close" if column == f"{pair}".lower() else column for column in COLUMNS}
    if not set(sources.values()) <= set(prices.columns):
        return None
    return pd.DataFrame({column: prices[source] for column, source in sources.items()})


@cache  # read once, sliced for each fit
def _embedded() -> pd.DataFrame:
    rows = ecb.read_embedded()
    index = pd.to_datetime([day for day in rows.days if day is not None])
    return pd.DataFrame({f"eur{code.lower()}": rows.columns[code.lower()] for code in MAJORS}, index=index)
