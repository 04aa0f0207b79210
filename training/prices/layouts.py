"""Tables that are arranged otherwise than one header above one row a day, made into such a grid."""

import re
from collections.abc import Sequence

from training.prices.grid import Grid, plain
from training.prices.stamps import read_stamp


class OtherSeries(ValueError):
    """The file holds another series than the pair's, or several; the message says which, and the cure."""


_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?", re.ASCII)
_BARS = ["open", "high", "low", "close", "volume"]


def three_headers(grid: Grid, pair: str) -> Grid | None:
    """yfinance's: `Price,Close,High,...`, below it `Ticker,EURUSD=X,...`, and below that `Date,,,...`."""
    if len(grid.before) < 2 or grid.before[-1][0].strip() != "Ticker":
        return _of_yfinance(grid)
    tickers = {cell.strip() for cell in grid.before[-1][1:] if cell.strip()}
    if len(tickers) > 1:
        raise OtherSeries(
            [f"the file holds {len(tickers)} instruments ({', '.join(sorted(tickers)[:3])}); save one alone"]
        )
    return grid._replace(header=["Date", *grid.before[-2][1:]], before=[], notes=())


def _of_yfinance(grid: Grid) -> Grid | None:
    """The same where no row looked like a header, as `Date` stands alone in the third."""
    if len(grid.rows) < 3 or grid.rows[0][0].strip() != "Ticker" or not grid.rows[1][0].strip().startswith("Date"):
        return None
    below = grid._replace(before=[grid.header, grid.rows[0]], lines=grid.lines[2:], rows=grid.rows[2:])
    return three_headers(below, "")


def bundesbank(grid: Grid, pair: str) -> Grid | None:
    """Bundesbank's: series keys such as BBEX3.D.USD.EUR.BB.AC.000 above a dozen lines of what they are."""
    keys = [cell.strip() for cell in grid.header]
    if not any(key.startswith("BBEX3.") for key in keys):
        return None
    wanted = f"BBEX3.D.{pair[3:]}.{pair[:3]}."
    at = next((i for i, key in enumerate(keys) if key.startswith(wanted) and not key.endswith("_FLAGS")), None)
    if at is None:
        series = [key for key in keys if key.startswith("BBEX3.") and not key.endswith("_FLAGS")]
        raise OtherSeries(f"the file holds {', '.join(series[:3])}, and not {wanted}*; download the series of {pair}")
    dated = [i for i, row in enumerate(grid.rows) if read_stamp(row[0]) is not None]
    if not dated:
        return None
    rows = [[row[0], row[at] if at < len(row) else ""] for row in grid.rows[dated[0] :]]
    return Grid(["date", "close"], grid.lines[dated[0] :], rows, [], grid.separator, grid.whole, grid.notes)


def histdata(grid: Grid, pair: str) -> Grid | None:
    """HistData's minute bars: `20240102 170000;1.10427;...`, no header, Eastern standard time all the year."""
    first = grid.rows[0]
    if grid.header or not re.fullmatch(r"\d{8} \d{6}", first[0].strip()) or len(first) != 6:
        return None
    return grid._replace(header=["date", *_BARS])


def metatrader(grid: Grid, pair: str) -> Grid | None:
    """MetaTrader 4's: `2024.01.02,00:00,1.10427,...`, no header."""
    first = grid.rows[0]
    if grid.header or len(first) != 7 or not _CLOCK.fullmatch(first[1].strip()):
        return None
    return grid._replace(header=["date", "time", *_BARS])


def one_series(grid: Grid, pair: str) -> Grid | None:
    """The ECB's SDMX table may hold several series below each other: the pair's daily one is taken."""
    names = [plain(title) for title in grid.header]
    want = {"currency": pair[3:], "currency_denom": pair[:3], "freq": "D"}
    kept = [
        i
        for i, row in enumerate(grid.rows)
        if all(len(row) <= names.index(name) or row[names.index(name)].strip() == value for name, value in want.items())
    ]
    if not kept:
        held = sorted({row[names.index("key")].strip() for row in grid.rows if len(row) > names.index("key")})
        raise OtherSeries(f"the file holds {', '.join(held[:3])} and no daily series of {pair}; download that one")
    return grid._replace(lines=[grid.lines[i] for i in kept], rows=[grid.rows[i] for i in kept])


def portal(grid: Grid, pair: str) -> Grid | None:
    """The ECB portal's own download: `DATE,TIME PERIOD,US dollar/Euro (EXR.D.USD.EUR.SP00.A)`."""
    wanted = f"(EXR.D.{pair[3:]}.{pair[:3]}."
    at = next((i for i, title in enumerate(grid.header) if wanted in title), None)
    if at is None:
        raise OtherSeries(
            [f"the file holds {', '.join(grid.header[2:5])}, and no daily series of {pair}; download that one"]
        )
    return _pick(grid, [0, at], ["date", "close"])


def _pick(grid: Grid, columns: Sequence[int], header: Sequence[str]) -> Grid:
    """Those columns alone; rows that are too short stay so, and what is too much stays behind them."""
    width = len(grid.header)
    rows = [[row[i] for i in columns if i < len(row)] + row[width:] for row in grid.rows]
    return grid._replace(header=list(header), rows=rows)
