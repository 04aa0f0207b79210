"""Columns that are named after currencies: which of them, and how combined, are the closes of a pair.

A column's title may name a pair (EUR/USD), a central bank's series (DEXUSEU, XUDLUSS) or a currency, with a number of
units (100JPY) or without. Where only currencies are named, the table has a base, and its values are either units of the
currency for one of the base (as the ECB's) or of the base for the currency (as the NBP's).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices.checks import PriceError
from training.prices.instrument import COMMON, NEAR, fixings
from training.prices.titles import PRICES, field_of, plain

Prices = NDArray[np.float64]
CODES = frozenset(
    "EUR USD JPY GBP CHF AUD CAD NZD SEK NOK DKK PLN CZK HUF RON BGN HRK RUB TRY ISK BRL CNY HKD IDR ILS INR KRW MXN "
    "MYR PHP SGD THB ZAR TWD AED SAR ARS CLP COP PEN UAH VND XAU XAG XDR".split()
)
# Letters of countries in the series of the Federal Reserve, and of currencies in those of the Bank of England.
_FED = {
    **{"EU": "EUR", "UK": "GBP", "AL": "AUD", "NZ": "NZD", "US": "USD", "JP": "JPY", "JA": "JPY", "SZ": "CHF"},
    **{"CA": "CAD", "SD": "SEK", "NO": "NOK", "DN": "DKK", "MX": "MXN", "BZ": "BRL", "CH": "CNY", "IN": "INR"},
    **{"KO": "KRW", "HK": "HKD", "SI": "SGD", "TH": "THB", "SF": "ZAR", "MA": "MYR", "TA": "TWD"},
}
_ENGLAND = {
    **{"US": "USD", "ER": "EUR", "JY": "JPY", "SF": "CHF", "CD": "CAD", "AD": "AUD", "ND": "NZD", "NK": "NOK"},
    **{"SK": "SEK", "DK": "DKK", "HD": "HKD", "SG": "SGD", "SR": "SAR", "TW": "TWD", "ZR": "ZAR"},
}
_ECB_HISTORY = ["USD", "JPY", "BGN"]  # the first columns of the ECB's own table, in units for one euro
# Words beside a pair that name where its price is from.
_SOURCES = frozenset("curncy currency x fx oanda forex spot c idc bgn cmpn bfix".split())


class Series(NamedTuple):
    """A column's meaning: its value is in `quoted`, for `units` of `base`. One of the two is empty where the table's
    base is meant; both readings are possible where `open`."""

    base: str
    quoted: str
    units: float = 1
    open: bool = False


def pair_field(title: str, pair: str, inverse: bool = False) -> str:
    """The price that a title names together with the pair, such as `close` of `EURUSD Curncy`; empty for any other."""
    base, quoted = (pair[3:], pair[:3]) if inverse else (pair[:3], pair[3:])
    match = re.search(rf"(?<![A-Z])(?:FX)?{base}(?:[/_\-. :]| TO )?{quoted}(?![A-Z])", title.upper())
    if match is None:
        return ""
    words = plain(f"{title[: match.start()]} {title[match.end() :]}").split("_")
    rest = "_".join(word for word in words if word not in _SOURCES)
    field = field_of(rest)[0] if rest else "close"
    field = "close" if field == "last" else field
    return field if field in PRICES else ""


def meaning(title: str) -> Series | None:
    """What a title says of its column; None where it names no currency."""
    text = title.strip()
    upper = text.upper()
    if match := re.fullmatch(r"DEX([A-Z]{2})([A-Z]{2})", upper):
        quoted, base = (_FED.get(letters, "") for letters in match.groups())
        return Series(base, quoted) if base and quoted else None
    if match := re.search(r"RXI(\$US)?_N\.B\.([A-Z]{2})$", upper):
        other = _FED.get(match[2], "")
        return (Series(other, "USD") if match[1] else Series("USD", other)) if other else None
    if (match := re.fullmatch(r"XUDL([A-Z]{2})S", upper)) and match[1] in _ENGLAND:
        return Series("GBP", _ENGLAND[match[1]])
    if (match := re.search(r"A\$1=([A-Z]{3})\b", upper)) or (match := re.fullmatch(r"FXR([A-Z]{3})", upper)):
        return Series("AUD", match[1]) if match[1] in CODES else None
    if (match := re.fullmatch(r"SEK([A-Z]{3})PMI", upper)) and match[1] in CODES:
        return Series(match[1], "SEK")
    pair = re.search(r"(?<![A-Z])(?:FX)?([A-Z]{3})(?:[/_\-. :]| TO )?([A-Z]{3})(?![A-Z])", upper)
    if pair is not None and {pair[1], pair[2]} <= CODES:
        return Series(pair[1], pair[2]) if pair_field(title, pair[1] + pair[2]) == "close" else None
    units = re.fullmatch(r"(\d+) ?([A-Z]{3})", upper) or re.fullmatch(r"([A-Z]{3}) ?(\d+)", upper)
    if units is not None:
        number, code = sorted(units.groups())
        return Series(code, "", float(number)) if code in CODES and float(number) > 0 else None
    code = re.fullmatch(r"([A-Z]{3})", upper) or re.search(r"\(([A-Z]{3})\)$", upper)
    return Series("", code[1], open=True) if code is not None and code[1] in CODES else None


class Quote(NamedTuple):
    """The close as a product of columns: `terms` are positions with a power of 1 or -1."""

    terms: tuple[tuple[int, int], ...]
    factor: float = 1
    note: str = ""
    open: bool = False  # the inverse is as possible; the ECB's rates decide


def find_quote(header: list[str], pair: str, base: str | None, invert: bool, ones: Sequence[int] = ()) -> Quote | None:
    """How the columns give the pair's close; None where they do not.

    `base` and `invert` are those of the options. `ones` are columns that are 1 throughout: the table's base.
    """
    series = {i: column for i, title in enumerate(header) if (column := meaning(title)) is not None and i not in ones}
    if base is None and header[1:4] == _ECB_HISTORY:
        base, invert = "EUR", False
    if base is not None:
        series = {i: _with_base(column, base, invert) for i, column in series.items()}
    pairs = {i: column for i, column in series.items() if column.base and column.quoted}
    for terms in _paths(pairs, pair):
        return _quote(terms, pairs, header)
    currencies = {i: column for i, column in series.items() if i not in pairs}
    legs = {column.base or column.quoted: i for i, column in currencies.items()}
    at = [legs.get(code) for code in (pair[:3], pair[3:])]
    chosen = {i: currencies[i] for i in at if i is not None}
    is_open = any(column.open for column in chosen.values())
    if not chosen or (is_open and len(chosen) == 2 and "EUR" in legs):
        return None  # nothing says which third currency is the base
    powers = (1, 1) if is_open and len(chosen) == 1 else (1, -1)
    terms = tuple((i, power) for i, power in zip(at, powers, strict=True) if i is not None)
    return _quote(terms, chosen, header)._replace(open=is_open)


def _with_base(column: Series, base: str, invert: bool) -> Series:
    if column.base and column.quoted:
        return column
    code = column.base or column.quoted
    return Series(code, base, column.units) if invert or not column.open else Series(base, code)


def _paths(pairs: Mapping[int, Series], pair: str) -> Iterator[tuple[tuple[int, int], ...]]:
    """The pair as a column, one over a column, or a product of two."""
    base, quoted = pair[:3], pair[3:]
    edges = [(column.base, column.quoted, (i, 1)) for i, column in pairs.items()]
    edges += [(column.quoted, column.base, (i, -1)) for i, column in pairs.items()]
    yield from ((term,) for start, end, term in edges if (start, end) == (base, quoted))
    for (start, middle, first), (other, end, second) in product(edges, edges):
        if (start, end) == (base, quoted) and middle == other:
            yield first, second


def _quote(terms: tuple[tuple[int, int], ...], series: Mapping[int, Series], header: Sequence[str]) -> Quote:
    factor = float(np.prod([series[i].units ** -power for i, power in terms]))
    words = " and ".join(header[i].strip() for i, _ in terms)
    plain_column = factor == 1 and len(terms) == 1 and terms[0][1] == 1
    return Quote(terms, factor, f"column {words} read as close" if plain_column else f"close computed from {words}")


def close_of(quote: Quote, columns: Mapping[int, Prices], days: Sequence[date | None], pair: str) -> Prices:
    """The closes [n]; where both readings are possible, the one that lies on the ECB's rates."""
    close = np.full(len(days), quote.factor)
    untouched = quote.factor == 1 and len(quote.terms) == 1 and quote.terms[0][1] == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, power in quote.terms:
            close = close * columns[place] ** float(power)
        if quote.open and _distance(1 / close, days, pair) < min(NEAR, _distance(close, days, pair)):
            close, untouched = 1 / close, False
    if untouched:
        return close
    # Prices that are computed have more digits than the columns.
    return np.array([float(f"{price:.10g}") for price in close.tolist()])


def _distance(close: Prices, days: Sequence[date | None], pair: str) -> float:
    """Median distance from the pair's fixings, in logs; infinite where they have too few days in common."""
    rates = fixings(pair)
    if rates is None:
        return float("inf")
    index = pd.DatetimeIndex([pd.NaT if day is None else pd.Timestamp(day) for day in days])
    near = np.abs(np.log(close) - rates.reindex(index).to_numpy(np.float64))
    near = near[np.isfinite(near)]
    return float(np.median(near)) if len(near) >= min(COMMON, len(close) / 2) else float("inf")


def refuse_third_base(
    header: Sequence[str], columns: Mapping[int, Prices], days: Sequence[date | None], pair: str, name: str
) -> None:
    """Raise PriceError for a table of both currencies of the pair whose base is a third one, with the options."""
    legs = {
        column.quoted: i for i, title in enumerate(header) if (column := meaning(title)) is not None and column.open
    }
    code = pair[:3]
    if not {code, pair[3:], "EUR"} <= legs.keys():
        return
    values = columns[legs[code]]
    tried = [
        (_distance(values, days, f"{code}{base}" if inverted else f"{base}{code}"), base, inverted)
        for base in sorted(CODES - legs.keys())
        for inverted in (True, False)
    ]
    distance, base, inverted = min(tried)
    cure = (
        f"and its values lie on {base}'s rates: say so with --base {base}{' --invert' if inverted else ''}"
        if distance < NEAR
        else "say which one with --base, such as --base CZK, and with --invert where the values are in that currency"
    )
    raise PriceError([f"{name}: has a column a currency, its base is neither of {pair}, {cure}"])
