"""Known price files, by `formats.toml`: what a column's title means, and how a table of a vendor is arranged.

A title names a field (`close`), a field of the pair (`EURUSD Close`) or the series of a currency (`1EUR`). A table in a
source's own arrangement becomes a grid with one header above one row a day.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from training import plugins
from training.prices.csv_table import FEW, Grid
from training.prices.date_parsing import read_stamp

_DATA: Mapping[str, Any] = tomllib.loads((Path(__file__).parent / "formats.toml").read_text(encoding="utf-8"))
PRICES = ("open", "high", "low", "close")
DATES = ("date", "stamp", "time")  # if there are several columns, the first takes precedence
CURRENCIES = frozenset(_DATA["words"]["currencies"].split())
_SOURCES = frozenset(_DATA["words"]["sources"].split())
_FILLERS = frozenset(_DATA["words"]["fillers"].split())
_SIDES = ("bid", "ask", "mid")
_SERIES = tuple(
    (
        re.compile(entry["pattern"]),
        _DATA["codes"][entry["codes"]] if "codes" in entry else {code: code for code in CURRENCIES},
        {side: entry[side] for side in ("base", "quoted") if side in entry},
    )
    for entry in _DATA["series"]
)


def plain_name(title: str) -> str:
    """Return a column's title as a name: lower-case words joined by underscores, without accents."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return re.sub(r"\W+", "_", letters.lower().replace("\u0131", "i")).strip("_")  # Turkish has a dotless i


# A title of several fields means the first of them.
FIELDS = {plain_name(title): kind for kind, titles in reversed(_DATA["titles"].items()) for title in titles.split()}


def parse_field(title: str) -> tuple[str, str]:
    """Return the field of a plain title and its side, `bid`, `ask` or `mid`; both are empty if it has none.

    A side alone, or with a word such as `price`, is that side's close.
    """
    if title in FIELDS and not title.startswith("mid"):
        return FIELDS[title], ""
    parts = re.split(r"_+|(?<=^bid)|(?<=^ask)|(?<=^mid)|(?=bid$|ask$|mid$)", title)
    parts = [word for word in parts if word and word not in _FILLERS]
    sides = [word for word in parts if word in _SIDES]
    if len(sides) != 1:
        return "", ""
    rest = "_".join(word for word in parts if word != sides[0])
    price = _as_price(FIELDS.get(rest, "") if rest else "close")
    return (price, sides[0]) if price else ("", "")


def _as_price(kind: str) -> str:
    """Return a field as one of PRICES, `last` as the close; empty for another field."""
    price = "close" if kind == "last" else kind
    return price if price in PRICES else ""


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
    return _as_price(parse_field(rest)[0] if rest else "close")


class Series(NamedTuple):
    """The meaning of a column: its values are in `quoted`, for `units` of `base`.

    If the table's base is meant, one of the two is empty. If it is not clear which one, `is_open` is True.
    """

    base: str
    quoted: str
    units: float = 1
    is_open: bool = False


def parse_series(title: str) -> Series | None:
    """Return the meaning of a title, or None if it names no currency."""
    text = title.strip().upper()
    for pattern, codes, sides in _SERIES:
        if match := pattern.search(text):
            letters = match.groupdict()
            base, quoted = (sides.get(side) or codes.get(letters[side], "") for side in ("base", "quoted"))
            return Series(base, quoted) if base and quoted else None
    pair = re.search(r"(?<![A-Z])(?:FX)?([A-Z]{3})(?:[/_\-. :]| TO )?([A-Z]{3})(?![A-Z])", text)
    if pair is not None and {pair[1], pair[2]} <= CURRENCIES:
        return Series(pair[1], pair[2]) if pair_field(title, pair[1] + pair[2]) == "close" else None
    units = re.fullmatch(r"(\d+) ?([A-Z]{3})", text) or re.fullmatch(r"([A-Z]{3}) ?(\d+)", text)
    if units is not None:
        number, code = sorted(units.groups())
        return Series(code, "", float(number)) if code in CURRENCIES and float(number) > 0 else None
    currency = re.fullmatch(r"([A-Z]{3})", text) or re.search(r"\(([A-Z]{3})\)$", text)
    return Series("", currency[1], is_open=True) if currency is not None and currency[1] in CURRENCIES else None


class OtherSeries(ValueError):
    """The file has another series than the pair's, or several; the message says which, and the cure."""


@dataclass(frozen=True)
class Format:
    """A table that its source arranges in its own way; `formats.toml` describes the fields.

    Another package adds its own as an entry point of the group `eurusd_forecast.price_formats`; `arrange` may then be
    a function, which returns None for a table of another format.
    """

    name: str
    columns: Sequence[str] = ()
    cells: Sequence[str] = ()
    header: Sequence[str] = ()
    key: str = ""
    title: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)
    names: str = ""
    arrange: str | Callable[[Grid], Grid | None] = ""
    zone: str = "UTC"


@cache
def known_formats() -> tuple[Format, ...]:
    """Return all formats: those of other packages first, because the last of ours fit any table of their shape."""
    return (*plugins.load(plugins.PRICE_FORMATS, Format), *(Format(**entry) for entry in _DATA["format"]))


def recognise(grid: Grid, pair: str) -> tuple[Grid, str]:
    """Return a grid in plain form, by the first format that fits it, and the zone of its times of day.

    Raises OtherSeries for a known format without the pair's series.
    """
    names = {plain_name(title) for title in grid.header}
    for known_format in known_formats():
        if names.issuperset(known_format.columns):
            arranged = _arrange(grid, known_format, pair)
            if arranged is not None:
                return arranged, known_format.zone
    return _unstack(grid, pair), Format.zone


def _arrange(grid: Grid, known_format: Format, pair: str) -> Grid | None:
    """Return the grid in plain form, or None if it is not of the format."""
    if known_format.arrange:
        arrange = known_format.arrange
        return _ARRANGEMENTS[arrange](grid) if isinstance(arrange, str) else arrange(grid)
    if known_format.header:
        first = [cell.strip() for cell in grid.rows[0]]
        fits = not grid.header and len(first) == len(known_format.header)
        fits = fits and all(map(re.fullmatch, known_format.cells, first))
        return grid._replace(header=list(known_format.header)) if fits else None
    if known_format.title:
        return _pick_column(grid, known_format, pair)
    return _pick_rows(grid, known_format, pair) if known_format.rows else grid


def _pick_column(grid: Grid, known_format: Format, pair: str) -> Grid | None:
    """Take the dates and the pair's column."""
    titles, key = grid.header, known_format.key
    if key:
        above = next((row for row in (*grid.before, grid.header) if any(key in cell for cell in row)), None)
        first = next((i for i, row in enumerate(grid.rows) if read_stamp(row[0]) is not None), None)
        if above is None:
            return None
        titles = [cell.strip() for cell in above]
    wanted = known_format.title.format(base=pair[:3], quoted=pair[3:])
    series = [i for i, title in enumerate(titles) if key in title and not title.endswith("_FLAGS")]
    at = next((i for i in series if wanted in titles[i]), None)
    if at is None:
        others = [titles[i] for i in series if FIELDS.get(plain_name(titles[i])) not in DATES]
        raise OtherSeries(_describe_others(others, pair, f" ({wanted.strip('(')}*)"))
    if not key:
        # Rows that are too short or too long remain so, to be reported as faults.
        rows = [[row[i] for i in (0, at) if i < len(row)] + row[len(titles) :] for row in grid.rows]
        return grid._replace(header=["date", "close"], rows=rows)
    if first is None:
        return None
    rows = [[row[0], row[at] if at < len(row) else ""] for row in grid.rows[first:]]
    return grid._replace(header=["date", "close"], lines=grid.lines[first:], rows=rows, before=[])


def _pick_rows(grid: Grid, known_format: Format, pair: str) -> Grid:
    """Take the rows of the pair's daily series."""
    columns = [plain_name(title) for title in grid.header]
    wanted = [
        (columns.index(column), value.format(base=pair[:3], quoted=pair[3:]))
        for column, value in known_format.rows.items()
    ]
    keep = [
        i for i, row in enumerate(grid.rows) if all(len(row) <= at or row[at].strip() == value for at, value in wanted)
    ]
    if not keep:
        at = columns.index(known_format.names)
        raise OtherSeries(_describe_others(sorted({row[at].strip() for row in grid.rows if len(row) > at}), pair))
    return grid._replace(lines=[grid.lines[i] for i in keep], rows=[grid.rows[i] for i in keep])


def _describe_others(series: Sequence[str], pair: str, wanted: str = "") -> str:
    return f"the file has {', '.join(series[:3])} and no daily series of {pair}{wanted}; download that one"


def join_three_headers(grid: Grid) -> Grid | None:
    """Read yfinance's table: `Price,Close,High,...`, then `Ticker,EURUSD=X,...`, then `Date,,,...`."""
    if len(grid.before) < 2 or grid.before[-1][0].strip() != "Ticker":
        return None
    titles, tickers = grid.before[-2][1:], [cell.strip() for cell in grid.before[-1][1:]]
    if len({ticker for ticker in tickers if ticker}) > 1:
        titles = [f"{title} {ticker}" for title, ticker in zip(titles, tickers, strict=False)]
    return grid._replace(header=["Date", *titles], before=[], notes=())


def transpose(grid: Grid) -> Grid | None:
    """Turn a table with a column for each day into rows.

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


_ARRANGEMENTS = {"join_three_headers": join_three_headers, "transpose": transpose}


def _unstack(grid: Grid, pair: str) -> Grid:
    """Rearrange a table of several instruments below each other: the pair's rows, or a column for each currency.

    The instruments are identified by a column whose cells all name a pair or a currency.
    """
    for key in range(len(grid.header)):
        distinct = {row[key].strip() for row in grid.rows if key < len(row)}
        if 1 < len(distinct) <= 200 and all(parse_series(name) is not None for name in distinct):
            break
    else:
        return grid
    title = grid.header[key].strip()
    names = [row[key].strip() if key < len(row) else "" for row in grid.rows]
    if any(pair_field(name, pair) for name in distinct):
        keep = [i for i, name in enumerate(names) if pair_field(name, pair) == "close"]
        note = f"only rows of {pair} are read, by column {title}"
        return grid._replace(
            rows=[grid.rows[i] for i in keep], lines=[grid.lines[i] for i in keep], notes=(*grid.notes, note)
        )
    fields = [FIELDS.get(plain_name(column), "") for column in grid.header]
    date = next((fields.index(kind) for kind in DATES if kind in fields), None)
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
