"""Rearrange tables of special layouts into a grid with one header above one row a day."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.prices.csv_dialect import FEW, Grid
from training.prices.date_parsing import read_stamp
from training.prices.quotes import FIELDS, pair_field, parse_series, plain_name


class OtherSeries(ValueError):
    """The file has another series than the pair's, or several; the message says which, and the cure."""


_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?", re.ASCII)
_BARS = ["open", "high", "low", "close", "volume"]


def flatten_three_headers(grid: Grid, pair: str) -> Grid | None:
    """Read yfinance's table: `Price,Close,High,...`, then `Ticker,EURUSD=X,...`, then `Date,,,...`."""
    if len(grid.before) < 2 or grid.before[-1][0].strip() != "Ticker":
        return None
    tickers = [cell.strip() for cell in grid.before[-1][1:]]
    if len({ticker for ticker in tickers if ticker}) > 1:
        header = [f"{title} {ticker}" for title, ticker in zip(grid.before[-2][1:], tickers, strict=False)]
        return grid._replace(header=["Date", *header], before=[], notes=())
    return grid._replace(header=["Date", *grid.before[-2][1:]], before=[], notes=())


def pick_bundesbank_series(grid: Grid, pair: str) -> Grid | None:
    """Read the Bundesbank's table: keys such as BBEX3.D.USD.EUR.BB.AC.000 above a dozen lines of description."""
    above = [*grid.before, grid.header]
    keys = next(([cell.strip() for cell in row] for row in above if any("BBEX3." in cell for cell in row)), None)
    if keys is None:
        return None
    wanted = f"BBEX3.D.{pair[3:]}.{pair[:3]}."
    at = next((i for i, key in enumerate(keys) if key.startswith(wanted) and not key.endswith("_FLAGS")), None)
    if at is None:
        series = [key for key in keys if key.startswith("BBEX3.") and not key.endswith("_FLAGS")]
        raise OtherSeries(f"the file has {', '.join(series[:3])} but not {wanted}*; download the series of {pair}")
    dated = [i for i, row in enumerate(grid.rows) if read_stamp(row[0]) is not None]
    if not dated:
        return None
    rows = [[row[0], row[at] if at < len(row) else ""] for row in grid.rows[dated[0] :]]
    return Grid(["date", "close"], grid.lines[dated[0] :], rows, [], grid.separator, grid.whole, grid.notes)


def name_histdata_columns(grid: Grid, pair: str) -> Grid | None:
    """Read HistData's minute bars: `20240102 170000;1.10427;...`, no header, Eastern standard time all year."""
    first = grid.rows[0]
    if grid.header or not re.fullmatch(r"\d{8} \d{6}", first[0].strip()) or len(first) != 6:
        return None
    return grid._replace(header=["date", *_BARS])


def name_metatrader_columns(grid: Grid, pair: str) -> Grid | None:
    """Read MetaTrader 4's bars: `2024.01.02,00:00,1.10427,...`, no header."""
    first = grid.rows[0]
    if grid.header or len(first) != 7 or not _CLOCK.fullmatch(first[1].strip()):
        return None
    return grid._replace(header=["date", "time", *_BARS])


def pick_sdmx_series(grid: Grid, pair: str) -> Grid | None:
    """Take the pair's daily series from the ECB's SDMX table, which may have several series below each other."""
    names = [plain_name(title) for title in grid.header]
    want = {"currency": pair[3:], "currency_denom": pair[:3], "freq": "D"}
    positions = [
        i
        for i, row in enumerate(grid.rows)
        if all(len(row) <= names.index(name) or row[names.index(name)].strip() == value for name, value in want.items())
    ]
    if not positions:
        series = sorted({row[names.index("key")].strip() for row in grid.rows if len(row) > names.index("key")})
        raise OtherSeries(f"the file has {', '.join(series[:3])} and no daily series of {pair}; download that one")
    return grid._replace(lines=[grid.lines[i] for i in positions], rows=[grid.rows[i] for i in positions])


def pick_portal_series(grid: Grid, pair: str) -> Grid | None:
    """Read a download of the ECB portal: `DATE,TIME PERIOD,US dollar/Euro (EXR.D.USD.EUR.SP00.A)`."""
    wanted = f"(EXR.D.{pair[3:]}.{pair[:3]}."
    at = next((i for i, title in enumerate(grid.header) if wanted in title), None)
    if at is None:
        raise OtherSeries(
            [f"the file has {', '.join(grid.header[2:5])} and no daily series of {pair}; download that one"]
        )
    # Rows that are too short or too long remain so, to be reported as faults.
    rows = [[row[i] for i in (0, at) if i < len(row)] + row[len(grid.header) :] for row in grid.rows]
    return grid._replace(header=["date", "close"], rows=rows)


def transpose(grid: Grid, pair: str) -> Grid | None:
    """Turn a table with a column for each day, as the Bank for International Settlements gives it, into rows.

    Raises OtherSeries if it has several series.
    """
    dated = [i for i, title in enumerate(grid.header) if read_stamp(title) is not None]
    if len(dated) < max(FEW, 0.8 * len(grid.header)):
        return None
    if len(grid.rows) > 1:
        raise OtherSeries(f"the dates are in the columns, for {len(grid.rows)} series; save one of them alone")
    (row,) = grid.rows
    rows = [[grid.header[i], row[i]] for i in dated if i < len(row)]
    note = "the dates in the columns were turned into rows"
    return grid._replace(header=["date", "close"], rows=rows, lines=grid.lines * len(rows), notes=(*grid.notes, note))


def unstack(grid: Grid, pair: str) -> Grid:
    """Rearrange a table of several instruments below each other: the pair's rows, or a column for each currency.

    The instruments are identified by a column whose cells all name a pair or a currency.
    """
    key = next((i for i in range(len(grid.header)) if _names_series(grid, i)), None)
    if key is None:
        return grid
    names = [row[key].strip() if key < len(row) else "" for row in grid.rows]
    title = grid.header[key].strip()
    if any(pair_field(name, pair) for name in set(names)):
        keep = [i for i, name in enumerate(names) if pair_field(name, pair) == "close"]
        note = f"only rows of {pair} are read, by column {title}"
        return grid._replace(
            rows=[grid.rows[i] for i in keep], lines=[grid.lines[i] for i in keep], notes=(*grid.notes, note)
        )
    fields = [FIELDS.get(plain_name(column), "") for column in grid.header]
    date = next((fields.index(kind) for kind in ("date", "stamp", "time") if kind in fields), None)
    value = next((fields.index(kind) for kind in ("close", "last") if kind in fields), None)
    if date is None or value is None:
        return grid
    header = ["date", *dict.fromkeys(names)]
    rows: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    for line, row, name in zip(grid.lines, grid.rows, names, strict=True):
        if len(row) <= max(date, value):
            return grid
        cells = rows.setdefault(row[date], [row[date], *[""] * (len(header) - 1)])
        lines.setdefault(row[date], line)
        place = header.index(name, 1)
        if cells[place]:
            return grid  # a second series of the same currency
        cells[place] = row[value]
    return grid._replace(
        header=header,
        rows=list(rows.values()),
        lines=list(lines.values()),
        notes=(*grid.notes, f"series below each other, one for each {title}, were put side by side"),
    )


def _names_series(grid: Grid, column: int) -> bool:
    """Return True if a column names several pairs or currencies and nothing else."""
    names = {row[column].strip() for row in grid.rows if column < len(row)}
    return 1 < len(names) <= 200 and all(parse_series(name) is not None for name in names)


@dataclass(frozen=True)
class Form:
    """One format.

    Attributes:
        name: Its name.
        needs: Columns that it has.
        arrange: Makes a plain grid for a pair; returns None for any other table.
        zone: The zone of its times of day.
    """

    name: str
    needs: tuple[str, ...] = ()
    arrange: Callable[[Grid, str], Grid | None] | None = None
    zone: str = "UTC"

    def fits(self, names: Sequence[str]) -> bool:
        """Return True if a table with these columns may be of this format."""
        return set(self.needs) <= set(names)


FORMS = (
    Form("yfinance with three header rows", arrange=flatten_three_headers),
    Form("Bundesbank", arrange=pick_bundesbank_series),
    Form("HistData", arrange=name_histdata_columns, zone="Etc/GMT+5"),
    Form("MetaTrader 4", arrange=name_metatrader_columns),
    Form(
        "ECB's data portal, SDMX",
        ("key", "freq", "currency", "currency_denom", "time_period", "obs_value"),
        pick_sdmx_series,
    ),
    Form("ECB's data portal", ("date", "time_period"), pick_portal_series),
    Form("dates across the columns", arrange=transpose),
    Form("Dukascopy's JForex", ("time_eet",), zone="EET"),
)


def recognise(grid: Grid, pair: str) -> tuple[Form | None, Grid]:
    """Return the first format that fits a grid, or None, and the grid in plain form."""
    names = [plain_name(title) for title in grid.header]
    for form in FORMS:
        if not form.fits(names):
            continue
        if form.arrange is None:
            return form, grid
        arranged = form.arrange(grid, pair)
        if arranged is not None:
            return form, arranged
    return None, unstack(grid, pair)
