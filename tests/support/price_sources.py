"""Price files as their sources write them, made from the European Central Bank's fixings."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tests.support.hourly import fixings

js = json.dumps
PAIRS = "EURUSD EURGBP EURJPY EURCHF EURPLN EURAUD EURSEK EURCAD EURCZK".split()


@cache
def ecb() -> pd.DataFrame:
    """Fixings of 260 days, by pair of the euro."""
    return pd.DataFrame({pair: fixings(pair, 260) for pair in PAIRS})


USD = ecb()["EURUSD"]
Row = Callable[[pd.Timestamp, float], str]


def rate(pair: str) -> pd.Series:
    rates = {"EUR": pd.Series(1.0, ecb().index), **{pair[3:]: ecb()[pair] for pair in PAIRS}}
    return rates[pair[3:]] / rates[pair[:3]]


def by_stamp(close: pd.Series = USD) -> list[tuple[pd.Timestamp, float]]:
    return list(zip(pd.DatetimeIndex(close.index), close.tolist(), strict=True))


def lines(header: str, row: Row, close: pd.Series = USD, newest: bool = False, end: str = "\n") -> str:
    rows = [row(day, price) for day, price in by_stamp(close)]
    rows = rows[::-1] if newest else rows
    return end.join([*([header] if header else []), *rows, ""])


def ohlc(close: pd.Series = USD) -> pd.DataFrame:
    start = close.shift(1).fillna(close.iloc[0])
    high, low = np.maximum(start, close) + 0.002, np.minimum(start, close) - 0.002
    frame = pd.DataFrame({"Open": start, "High": high, "Low": low, "Close": close}).round(5)
    return frame.rename_axis("Date")


def bars(header: str, row: Callable[[pd.Timestamp, Any], str], newest: bool = False, end: str = "\n") -> str:
    frame = ohlc()
    rows = [row(day, bar) for day, bar in zip(pd.DatetimeIndex(frame.index), frame.itertuples(), strict=True)]
    return end.join([*([header] if header else []), *(rows[::-1] if newest else rows), ""])


def plain_bar(day: pd.Timestamp, bar: Any) -> str:
    return f"{day:%Y-%m-%d},{bar.Open:.5f},{bar.High:.5f},{bar.Low:.5f},{bar.Close:.5f}"


def localised(date_title: str, close: str, start: str, high: str, low: str, form: str = "%d.%m.%Y") -> str:
    """As Investing.com and others export it where decimals have a comma: every cell quoted, newest first."""

    def row(day: pd.Timestamp, bar: Any) -> str:
        prices = (f"{price:.4f}".replace(".", ",") for price in (bar.Close, bar.Open, bar.High, bar.Low))
        return ",".join(f'"{cell}"' for cell in (day.strftime(form), *prices, "", "0,12%"))

    header = ",".join(f'"{title}"' for title in (date_title, close, start, high, low, "Vol.", "%"))
    return bars(header, row, newest=True)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def sheets(**frames: pd.DataFrame) -> bytes:
    def write(out: io.BytesIO) -> None:
        with pd.ExcelWriter(out) as book:
            for name, frame in frames.items():
                frame.to_excel(book, sheet_name=name)

    return written(write)


def packed(**members: str | bytes) -> bytes:
    def write(out: io.BytesIO) -> None:
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)

    return written(write)


def tickers(*names: str) -> pd.DataFrame:
    """As `yf.download` gives it: the ticker is a second level of the columns."""
    frames = {name: ohlc() if name == "EURUSD=X" else ohlc(rate("GBPUSD")) for name in names}
    both = pd.concat(frames, axis=1, names=["Ticker", "Price"]).swaplevel(axis=1)
    return both


def wide(pairs: Iterable[str], title: Callable[[str], str] = str, decimals: int = 6) -> str:
    table = pd.DataFrame({title(pair): rate(pair) for pair in pairs}).rename_axis("date").round(decimals)
    return str(table.to_csv())


def rba() -> str:
    head = (
        "\ufeffF11.1  EXCHANGE RATES\nTitle,A$1=USD,Index,A$1=EUR\nDescription,AUD/USD; see notes,Index,AUD/EUR\n"
        "Frequency,Daily,Daily,Daily\nUnits,USD,Index,EUR\n,,,\nSource,WM,RBA,RBA\nSeries ID,FXRUSD,FXRTWI,FXREUR"
    )
    aud = rate("AUDUSD")
    return lines(head, lambda day, price: f"{day:%d-%b-%Y},{aud[day]:.6f},61.4,{aud[day] / price:.6f}")


def snb(day: pd.Timestamp, price: float) -> str:
    chf = ecb()["EURCHF"][day]
    return f'"{day:%Y-%m-%d}";"M0";"EUR1";"{chf:.5f}"\n"{day:%Y-%m-%d}";"M0";"USD1";"{chf / price:.6f}"'


def nbp(day: pd.Timestamp, price: float) -> str:
    pln, jpy = ecb()["EURPLN"][day], ecb()["EURJPY"][day]
    cells = (pln / price, pln, 100 * pln / jpy)
    return f"{day:%Y%m%d};" + ";".join(f"{cell:.6f}".replace(".", ",") for cell in cells) + ";1;001/A/NBP/2026;"


def h10(day: pd.Timestamp, price: float) -> str:
    return f"{day:%Y-%m-%d},{price:.4f},{price / ecb()['EURGBP'][day]:.4f}"


def by_day(value: Callable[[pd.Timestamp, float], object], stamp: str = "%Y-%m-%d") -> dict[str, object]:
    return {day.strftime(stamp): value(day, price) for day, price in by_stamp()}


def records(value: Callable[[pd.Timestamp, float], object]) -> list[object]:
    return [value(day, price) for day, price in by_stamp()]


def millis(day: pd.Timestamp) -> int:
    return int(day.timestamp()) * 1000


def with_sundays() -> str:
    frame = ohlc()
    days = pd.DatetimeIndex(frame.index)
    sundays = frame[days.day_of_week == 0].copy()
    sundays.index = pd.DatetimeIndex(sundays.index) - pd.Timedelta(days=1)
    sundays["Low"] -= 0.01
    return str(pd.concat([frame, sundays.iloc[1:]]).sort_index().round(5).to_csv())
