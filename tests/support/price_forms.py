"""Bars written as each source exports them: what the test files of the registry of forms are made with."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import pandas as pd

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Bar(NamedTuple):
    """A day's prices; `close` alone is in forms of rates."""

    day: date
    open: float
    high: float
    low: float
    close: float


Bars = Sequence[Bar]
Writer = Callable[[Bars], str]


def bars_of(closes: Iterable[tuple[date, float]]) -> list[Bar]:
    """Bars around closes, each opened at the close before it."""
    bars: list[Bar] = []
    for day, close in closes:
        start = bars[-1].close if bars else close
        bars.append(Bar(day, start, round(max(start, close) + 0.002, 6), round(min(start, close) - 0.002, 6), close))
    return bars


def days_of(close: pd.Series) -> list[tuple[date, float]]:
    """The days and prices of a series by day."""
    index = pd.DatetimeIndex(close.index)
    return list(zip((day.date() for day in index), close.tolist(), strict=True))


def _csv(rows: Iterable[Sequence[object]], separator: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerows(rows)
    return out.getvalue()


def number(value: float) -> str:
    """Six decimals, as most have."""
    return f"{value:.6f}"


def comma(value: float) -> str:
    return f"{value:.4f}".replace(".", ",")


def english(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day:02d}, {day.year}"


def prices(bar: Bar, form: Callable[[float], str] = number) -> list[str]:
    return [form(value) for value in bar[1:]]


def headed(header: str, row: Callable[[Bar], Sequence[object]], separator: str = ",", newest: bool = False) -> Writer:
    def write(bars: Bars) -> str:
        ordered = bars[::-1] if newest else bars
        return header + "\n" + _csv([row(bar) for bar in ordered], separator)

    return write


def investing(header: str, day: Callable[[date], str], form: Callable[[float], str]) -> Writer:
    """Every cell quoted, newest first, the price before the open, a volume that is empty and a change."""

    def write(bars: Bars) -> str:
        rows = [
            [day(bar.day), form(bar.close), form(bar.open), form(bar.high), form(bar.low), "", f"{form(0.12)}%"]
            for bar in bars[::-1]
        ]
        return header + "\n" + _csv(rows, quoting=csv.QUOTE_ALL)

    return write


def dotted(day: date) -> str:
    return f"{day:%d.%m.%Y}"


def yfinance(bars: Bars) -> str:
    return (
        "Price,Close,High,Low,Open,Volume\nTicker,EURUSD=X,EURUSD=X,EURUSD=X,EURUSD=X,EURUSD=X\nDate,,,,,\n"
    ) + _csv([[bar.day, bar.close, bar.high, bar.low, bar.open, 0] for bar in bars])


def bundesbank(bars: Bars) -> str:
    above = (
        '"";BBEX3.D.USD.EUR.BB.AC.000;BBEX3.D.USD.EUR.BB.AC.000_FLAGS\n'
        '"";Euro-Referenzkurs der EZB / 1 EUR = ... USD / Vereinigte Staaten;\n'
        "Dezimalstellen;4;\nDimension;Eins;\nEinheit;USD;\nFormat der Zeitangabe;P1D;\n"
    )
    return above + _csv([[bar.day, comma(bar.close), ""] for bar in bars], ";")


def metatrader4(bars: Bars) -> str:
    return _csv([[f"{bar.day:%Y.%m.%d}", "00:00", *prices(bar), 54321] for bar in bars])


def histdata(bars: Bars) -> str:
    """Minute bars of the last four minutes before 17:00, Eastern standard time."""
    rows = []
    for bar in bars:
        for minute, close in ((56, bar.open), (57, bar.high), (58, bar.low), (59, bar.close)):
            rows.append(
                [
                    f"{bar.day:%Y%m%d} 16{minute}00",
                    number(bar.open),
                    number(bar.high),
                    number(bar.low),
                    number(close),
                    0,
                ]
            )
    return _csv(rows, ";")


def ecb_sdmx(bars: Bars) -> str:
    header = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE,OBS_STATUS\n"
    series = [("USD", 1.0), ("GBP", 0.8)]
    return header + _csv(
        [
            [f"EXR.D.{code}.EUR.SP00.A", "D", code, "EUR", "SP00", "A", bar.day, number(bar.close * factor), "A"]
            for code, factor in series
            for bar in bars
        ]
    )


def ecb_portal(bars: Bars) -> str:
    rows = [[bar.day, f"{bar.day:%d %b %Y}", bar.close] for bar in bars]
    return '"DATE","TIME PERIOD","US dollar/Euro (EXR.D.USD.EUR.SP00.A)"\n' + _csv(rows)


def _epoch(day: date, at: time = time(0), days: int = 0) -> int:
    return int(datetime.combine(day + timedelta(days=days), at, UTC).timestamp())


def oanda(bars: Bars) -> str:
    """Stamped when New York's day begins, the evening before."""
    rows = [["True", 54321, f"{bar.day - timedelta(days=1)}T22:00:00.000000000Z", *prices(bar)] for bar in bars]
    return "complete,volume,time,mid.o,mid.h,mid.l,mid.c\n" + _csv(rows)


WRITERS: dict[str, Writer] = {
    "yfinance.csv": yfinance,
    "bundesbank.csv": bundesbank,
    "histdata.csv": histdata,
    "metatrader4.csv": metatrader4,
    "yahoo-page.csv": headed(
        "Date\tOpen\tHigh\tLow\tClose Close price adjusted for splits.\tAdj Close Adjusted close price adjusted for "
        "splits and dividend and/or capital gain distributions.\tVolume",
        lambda bar: [english(bar.day), *prices(bar), number(bar.close), "-"],
        "\t",
        newest=True,
    ),
    "yahoo.csv": headed(
        "Date,Open,High,Low,Close,Adj Close,Volume", lambda bar: [bar.day, *prices(bar), number(bar.close), 0]
    ),
    "investing-en.csv": investing(
        '"Date","Price","Open","High","Low","Vol.","Change %"', lambda day: f"{day:%m/%d/%Y}", lambda x: f"{x:.4f}"
    ),
    "investing-de.csv": investing('"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"', dotted, comma),
    "investing-fr.csv": investing(
        '"Date","Dernier","Ouv."," Plus Haut","Plus Bas","Vol.","Variation %"', lambda day: f"{day:%d/%m/%Y}", comma
    ),
    "investing-es.csv": investing('"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."', dotted, comma),
    "investing-it.csv": investing('"Data","Ultimo","Apertura","Massimo","Minimo","Vol.","Var. %"', dotted, comma),
    "investing-pt.csv": investing('"Data","Último","Abertura","Máxima","Mínima","Vol.","Var%"', dotted, comma),
    "investing-tr.csv": investing('"Tarih","Şimdi","Açılış","Yüksek","Düşük","Hac.","Fark %"', dotted, comma),  # noqa: RUF001
    "investing-ru.csv": investing('"Дата","Цена","Откр.","Макс.","Мин.","Объём","Изм. %"', dotted, comma),
    "investing-ja.csv": investing(
        '"日付け","終値","始値","高値","安値","出来高","変化率 %"',
        lambda day: f"{day.year}年{day.month:02d}月{day.day:02d}日",
        lambda x: f"{x:.4f}",
    ),
    "stooq-pl.csv": headed("Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie", lambda bar: [bar.day, *prices(bar)]),
    "stooq-archive.csv": headed(
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        lambda bar: ["EURUSD", "D", f"{bar.day:%Y%m%d}", "000000", *prices(bar), 0, 0],
    ),
    "fred-old.csv": headed("DATE,DEXUSEU", lambda bar: [bar.day, f"{bar.close:.4f}"]),
    "fred.csv": headed("observation_date,DEXUSEU", lambda bar: [bar.day, f"{bar.close:.4f}"]),
    "ecb-sdmx.csv": ecb_sdmx,
    "ecb-portal.csv": ecb_portal,
    "ecb-history.csv": headed(
        "Date,USD,JPY,BGN,GBP,CHF,",
        lambda bar: [bar.day, bar.close, round(bar.close * 150, 2), "N/A", 0.85, 0.95, ""],
        newest=True,
    ),
    "alpha-vantage.csv": headed("timestamp,open,high,low,close", lambda bar: [bar.day, *prices(bar)], newest=True),
    "twelve-data.csv": headed("datetime;open;high;low;close", lambda bar: [bar.day, *prices(bar)], ";", newest=True),
    "nasdaq.csv": headed("Date,Value", lambda bar: [bar.day, bar.close], newest=True),
    "polygon.csv": headed(
        "v,vw,o,c,h,l,t,n",
        lambda bar: [54321, bar.close, bar.open, bar.close, bar.high, bar.low, _epoch(bar.day) * 1000, 999],
    ),
    "dukascopy.csv": headed(
        "Gmt time,Open,High,Low,Close,Volume", lambda bar: [f"{dotted(bar.day)} 00:00:00.000", *prices(bar), 1234.5]
    ),
    "dukascopy-eet.csv": headed(
        "Time (EET),Open,High,Low,Close,Volume ", lambda bar: [f"{bar.day:%Y.%m.%d} 00:00:00", *prices(bar), 1234.5]
    ),
    "metatrader5.csv": headed(
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda bar: [f"{bar.day:%Y.%m.%d}", *prices(bar), 54321, 0, 2],
        "\t",
    ),
    "oanda.csv": oanda,
    "tradingview.csv": headed(
        "time,open,high,low,close", lambda bar: [_epoch(bar.day, time(22), days=-1), *prices(bar)]
    ),
    "stooq.csv": headed("Date,Open,High,Low,Close", lambda bar: [bar.day, *prices(bar)]),
}
