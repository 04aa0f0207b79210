"""Interpret the titles of price columns, in many languages and of many sources.

A title names a field (`close`), a field of the pair (`EURUSD Close`) or the series of a currency (`1EUR`).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices.pair_check import MAX_DISTANCE, MIN_COMMON_DAYS, fixings
from training.prices.row_checks import PriceError

_DATE = """date dates dt dtyyyymmdd yyyymmdd trade_date trading_date exchange_date price_date rate_date
quote_date as_of_date effective_date observation_date datum stichtag handelstag fecha dia data giorno jour
séance tarih gün дата день 日付け 日付 日期 交易日期 날짜 일자 dato päivämäärä päiväys dátum ngày tanggal"""
_STAMP = """timestamp datetime date_time datetime_utc ts t time_period gmt_time utc_time local_time time_eet
time_utc time_gmt bar_time period_start start_time open_time serial zeitpunkt fecha_hora 日時 datum_och_tid"""
_TIME = "time zeit uhrzeit hora heure ora orario saat время godzina czas tijd tid 時刻 時間 时间 시간"
_CLOSE = """close closing closing_price close_price price_close closeprice close_last closing_rate c schluss
schlusskurs schlußkurs schlußstand schlusspreis cierre precio_de_cierre clôture cloture cours_de_clôture
chiusura prezzo_di_chiusura fechamento preço_de_fechamento fecho kapaniş kapaniş_fiyati закрытие закр
цена_закрытия 終値 zamkniecie zamknięcie kurs_zamkniecia kurs_zamknięcia slot slotkoers sluitkoers stängning
slutkurs sluttkurs lukukurssi päätöskurssi záró záróár zavírací 收盘 收盘价 收市 收市价 종가 penutupan đóng_cửa
κλείσιμο închidere close_close_price_adjusted_for_splits"""
_LAST = """last last_price lastprice price px px_last trade_price trdprc_1 hst_close rate exchange_rate fx_rate
value obs_value mid mid_price midprice mid_rate mid_close spot quote wert kurs letzter letzter_kurs zuletzt
dernier dernier_cours cours último ultimo precio preço prezzo valor valore son şimdi fiyat цена последняя курс
現在値 価格 最新价 现价 현재가 laatste koers senast terakhir lần_cuối"""
_OPEN = """open opening opening_price open_price price_open openprice px_open o eröffnung eröffn eröffnungskurs
erster erster_kurs anfangskurs apertura abertura ouverture ouv açiliş открытие откр цена_открытия 始値 otwarcie
kurs_otwarcia openingskoers öppning åpning avaus nyitó 开盘 开盘价 开市 시가 pembukaan mở"""
_HIGH = """high high_price price_high highprice px_high h hoch höchst höchstkurs tageshoch máximo máxima max máx
plus_haut haut massimo yüksek en_yüksek максимум макс 高値 najwyzszy najwyższy hoog hoogste högst høy ylin
legmagasabb 最高 最高价 고가 tertinggi cao"""
_LOW = """low low_price price_low lowprice px_low l tief tiefst tiefstkurs tagestief mínimo mínima min mín
plus_bas bas minimo düşük en_düşük минимум мин 安値 najnizszy najniższy laag laagste lägst lav alin
legalacsonyabb 最低 最低价 저가 terendah thấp"""
_VOLUME = "volume vol v tickvol tick_volume volumen volumes"


def plain_name(title: str) -> str:
    """Return a column's title as a name: lower-case words joined by underscores, without accents."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return re.sub(r"\W+", "_", letters.lower().replace("\u0131", "i")).strip("_")  # Turkish has a dotless i


def _fields_by_title(fields: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    return {plain_name(title): field for field, titles in fields for title in titles.split()}


# If there are several columns, date takes precedence over stamp and time, and close over last.
FIELDS = _fields_by_title(
    (
        ("volume", _VOLUME),
        ("low", _LOW),
        ("high", _HIGH),
        ("open", _OPEN),
        ("last", _LAST),
        ("close", _CLOSE),
        ("time", _TIME),
        ("stamp", _STAMP),
        ("date", _DATE),
    )
)
PRICES = ("open", "high", "low", "close")
_SIDES = ("bid", "ask", "mid")


def parse_field(title: str) -> tuple[str, str]:
    """Return the field of a plain title and its side, `bid`, `ask` or `mid`; both are empty if it has none.

    A side alone, or with a word such as `price`, is that side's close.
    """
    if title in FIELDS and not title.startswith("mid"):
        return FIELDS[title], ""
    parts = re.split(r"_+|(?<=^bid)|(?<=^ask)|(?<=^mid)|(?=bid$|ask$|mid$)", title)
    parts = [word for word in parts if word not in ("", "universal", "primary")]
    sides = [word for word in parts if word in _SIDES]
    if len(sides) != 1:
        return "", ""
    rest = "_".join(word for word in parts if word != sides[0])
    field = FIELDS.get(rest, "") if rest else "close"
    field = "close" if field == "last" else field
    return (field, sides[0]) if field in PRICES else ("", "")


Prices = NDArray[np.float64]
CODES = frozenset(
    "EUR USD JPY GBP CHF AUD CAD NZD SEK NOK DKK PLN CZK HUF RON BGN HRK RUB TRY ISK BRL CNY HKD IDR ILS INR KRW MXN "
    "MYR PHP SGD THB ZAR TWD AED SAR ARS CLP COP PEN UAH VND XAU XAG XDR".split()
)
# Codes of countries in the series of the Federal Reserve, and of currencies in those of the Bank of England.
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
# Words next to a pair that name the source of its price.
_SOURCES = frozenset("curncy currency x fx oanda forex spot c idc bgn cmpn bfix".split())


class Series(NamedTuple):
    """The meaning of a column: its values are in `quoted`, for `units` of `base`.

    If the table's base is meant, one of the two is empty. If it is not clear which one, `is_open` is True.
    """

    base: str
    quoted: str
    units: float = 1
    is_open: bool = False


def pair_field(title: str, pair: str, inverse: bool = False) -> str:
    """Return the price that a title names together with the pair; empty for any other title.

    An example is `close` for `EURUSD Curncy`.
    """
    base, quoted = (pair[3:], pair[:3]) if inverse else (pair[:3], pair[3:])
    match = re.search(rf"(?<![A-Z])(?:FX)?{base}(?:[/_\-. :]| TO )?{quoted}(?![A-Z])", title.upper())
    if match is None:
        return ""
    parts = plain_name(f"{title[: match.start()]} {title[match.end() :]}").split("_")
    rest = "_".join(word for word in parts if word not in _SOURCES)
    field = parse_field(rest)[0] if rest else "close"
    field = "close" if field == "last" else field
    return field if field in PRICES else ""


def parse_series(title: str) -> Series | None:
    """Return the meaning of a title, or None if it names no currency."""
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
    return Series("", code[1], is_open=True) if code is not None and code[1] in CODES else None


class Quote(NamedTuple):
    """The close as a product of columns.

    Attributes:
        terms: Positions of columns, each with a power of 1 or -1.
        factor: A constant factor.
        note: How the close was made, for the user.
        is_open: True if the inverse is as likely; the ECB's rates decide.
    """

    terms: tuple[tuple[int, int], ...]
    factor: float = 1
    note: str = ""
    is_open: bool = False


def find_quote(header: list[str], pair: str, base: str | None, invert: bool, ones: Sequence[int] = ()) -> Quote | None:
    """Find how the columns give the pair's close; return None if they do not.

    Args:
        header: The titles.
        pair: The currency pair.
        base: The base of the table, from the option --base.
        invert: The option --invert.
        ones: Columns that are 1 throughout: the table's base.
    """
    parsed = {i: parse_series(title) for i, title in enumerate(header) if i not in ones}
    series = {i: column for i, column in parsed.items() if column is not None}
    if base is None and header[1:4] == _ECB_HISTORY:
        base, invert = "EUR", False
    if base is not None:
        series = {i: _with_base(column, base, invert) for i, column in series.items()}
    pairs = {i: column for i, column in series.items() if column.base and column.quoted}
    for terms in _find_paths(pairs, pair):
        return _make_quote(terms, pairs, header)
    currencies = {i: column for i, column in series.items() if i not in pairs}
    legs = {column.base or column.quoted: i for i, column in currencies.items()}
    at = [legs.get(code) for code in (pair[:3], pair[3:])]
    chosen = {i: currencies[i] for i in at if i is not None}
    is_open = any(column.is_open for column in chosen.values())
    if not chosen or (is_open and len(chosen) == 2 and "EUR" in legs):
        return None  # a third currency is the base, and nothing says which one
    powers = (1, 1) if is_open and len(chosen) == 1 else (1, -1)
    terms = tuple((i, power) for i, power in zip(at, powers, strict=True) if i is not None)
    return _make_quote(terms, chosen, header)._replace(is_open=is_open)


def _with_base(column: Series, base: str, invert: bool) -> Series:
    if column.base and column.quoted:
        return column
    code = column.base or column.quoted
    return Series(code, base, column.units) if invert or not column.is_open else Series(base, code)


def _find_paths(pairs: Mapping[int, Series], pair: str) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the ways to compute the pair: a column, one over a column, or a product of two."""
    base, quoted = pair[:3], pair[3:]
    edges = [(column.base, column.quoted, (i, 1)) for i, column in pairs.items()]
    edges += [(column.quoted, column.base, (i, -1)) for i, column in pairs.items()]
    yield from ((term,) for start, end, term in edges if (start, end) == (base, quoted))
    for (start, middle, first), (other, end, second) in product(edges, edges):
        if (start, end) == (base, quoted) and middle == other:
            yield first, second


def _make_quote(terms: tuple[tuple[int, int], ...], series: Mapping[int, Series], header: Sequence[str]) -> Quote:
    factor = float(np.prod([series[i].units ** -power for i, power in terms]))
    titles = " and ".join(header[i].strip() for i, _ in terms)
    is_plain = factor == 1 and len(terms) == 1 and terms[0][1] == 1
    return Quote(terms, factor, f"column {titles} read as close" if is_plain else f"close computed from {titles}")


def compute_close(quote: Quote, columns: Mapping[int, Prices], days: Sequence[date | None], pair: str) -> Prices:
    """Compute the closes [n]; if both directions are possible, take the one that matches the ECB's rates.

    Args:
        quote: How the columns give the close.
        columns: float64 [n] by position.
        days: The date of each row.
        pair: The currency pair.
    """
    close = np.full(len(days), quote.factor)
    untouched = quote.factor == 1 and len(quote.terms) == 1 and quote.terms[0][1] == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, power in quote.terms:
            close = close * columns[place] ** float(power)
        if quote.is_open:
            distance = _distance_from_fixings(close, days, pair)
            if _distance_from_fixings(1 / close, days, pair) < min(MAX_DISTANCE, distance):
                close, untouched = 1 / close, False
    if untouched:
        return close
    # Computed prices have more digits than the columns.
    return np.array([float(f"{price:.10g}") for price in close.tolist()])


def _distance_from_fixings(close: Prices, days: Sequence[date | None], pair: str) -> float:
    """Return the median distance from the pair's fixings, in logs; infinite if there are too few common days."""
    rates = fixings(pair)
    if rates is None:
        return float("inf")
    index = pd.DatetimeIndex([pd.NaT if day is None else pd.Timestamp(day) for day in days])
    near = np.abs(np.log(close) - rates.reindex(index).to_numpy(np.float64))
    near = near[np.isfinite(near)]
    return float(np.median(near)) if len(near) >= min(MIN_COMMON_DAYS, len(close) / 2) else float("inf")


def refuse_third_base(
    header: Sequence[str], columns: Mapping[int, Prices], days: Sequence[date | None], pair: str, name: str
) -> None:
    """Raise PriceError for a table that has both currencies of the pair but a third currency as its base.

    Args:
        header: The titles.
        columns: float64 [n] by position.
        days: The date of each row.
        pair: The currency pair.
        name: The file's name, for the message.
    """
    series = [parse_series(title) for title in header]
    legs = {column.quoted: i for i, column in enumerate(series) if column is not None and column.is_open}
    code = pair[:3]
    if not {code, pair[3:], "EUR"} <= legs.keys():
        return
    values = columns[legs[code]]
    candidates = [
        (_distance_from_fixings(values, days, f"{code}{base}" if invert else f"{base}{code}"), base, invert)
        for base in sorted(CODES - legs.keys())
        for invert in (True, False)
    ]
    distance, base, invert = min(candidates)
    cure = (
        f"and its values match {base}'s rates; give --base {base}{' --invert' if invert else ''}"
        if distance < MAX_DISTANCE
        else "and not known; give it with --base, such as --base CZK, and --invert if the values are in that currency"
    )
    raise PriceError([f"{name}: has a column for each currency, its base is neither currency of {pair}, {cure}"])
