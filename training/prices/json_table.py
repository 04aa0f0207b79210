"""Read JSON of the usual sources as a table: pandas, Alpha Vantage, Twelve Data, OANDA, CCXT, Frankfurter, ..."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from training.prices.date_parsing import read_number, read_stamp

Cells = list[list[object]]  # the first row has the titles
_BARS = ("date", "open", "high", "low", "close", "volume")
_NUMBERED = re.compile(r"\d+[a-z]?\. ")  # Alpha Vantage's "1. open"


def json_table(text: str) -> Cells | None:
    """Return the longest table in a JSON document, or in one with a JSON object on each line; None if there is none.

    Raises ValueError for text that is not JSON.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = [json.loads(line) for line in text.split("\n") if line.strip()]
    return max(_find_tables(document, None), key=len, default=None)


def _find_tables(node: Any, base: object) -> Iterator[Cells]:
    table: Cells | None = None
    items: Iterable[Any] = ()
    if isinstance(node, list):
        table, items = _table_from_list(node), node[:100]
    elif isinstance(node, dict):
        base = node.get("base", base)
        table, items = _table_from_object(node, base), node.values()
    if table is not None:
        yield table
        return
    for item in items:
        yield from _find_tables(item, base)


def _table_from_list(node: Sequence[Any]) -> Cells | None:
    """Read a list of objects, or of lists of time, open, high, low and close."""
    if node and all(isinstance(item, dict) for item in node):
        # An incomplete candle has no close yet.
        rows = [_flatten(item) for item in node if item.get("complete") is not False]
        scalar = [{key: value for key, value in row.items() if not isinstance(value, list)} for row in rows]
        return _table_from_records(scalar) if len(scalar) > 1 and all(len(row) > 1 for row in scalar) else None
    width = len(node[0]) if node and isinstance(node[0], list) else 0
    if len(node) < 2 or not all(isinstance(item, list) and len(item) == width for item in node):
        return None
    if width == 2:
        return [["date", "close"], *node]
    if not 5 <= width <= 12:
        return None
    try:
        bars = [[float(value) for value in item[1:5]] for item in node]
    except (TypeError, ValueError):
        return None
    # A stamp first, an open, high, low and close; volume and others at the end.
    if all(low <= min(start, close) and max(start, close) <= high for start, high, low, close in bars):
        return [[*_BARS[:width], *(f"column_{i}" for i in range(7, width + 1))], *node]
    return None


def _table_from_object(node: Mapping[str, Any], base: object) -> Cells | None:
    """Read objects by date, columns of values by date, lists of equal length, or the `split` format of pandas."""
    titles, rows, index = node.get("columns"), node.get("data"), node.get("index")
    if isinstance(titles, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        if isinstance(index, list) and len(index) == len(rows):
            return [["date", *titles], *([day, *row] for day, row in zip(index, rows, strict=True))]
        return [titles, *rows]
    if len(node) > 1 and all(_is_date(key) for key in node):
        if all(isinstance(item, dict) for item in node.values()):
            units = {str(base): 1} if isinstance(base, str) else {}
            return _table_from_records([{"date": day, **units, **_flatten(item)} for day, item in node.items()])
        if not any(isinstance(item, (dict, list)) for item in node.values()):
            return [["date", "close"], *([day, value] for day, value in node.items())]
        return None
    by_title = {
        title: item
        for title, item in node.items()
        if isinstance(item, dict) and len(item) > 1
        if not any(isinstance(value, (dict, list)) for value in item.values())
    }
    if by_title and all(item.keys() == next(iter(by_title.values())).keys() for item in by_title.values()):
        days = next(iter(by_title.values()))
        if all(_is_date(key) for key in days):
            return [["date", *by_title], *([day, *(item[day] for item in by_title.values())] for day in days)]
        if len(by_title) > 1 and {"date", "Date", "close", "Close"} & by_title.keys():  # by row numbers
            return [list(by_title), *([item[row] for item in by_title.values()] for row in days)]
    # Columns as lists, with the times among them or next to them (`timestamp` in Yahoo's chart).
    lists = dict(_find_lists(node))
    longest = max((len(item) for item in lists.values()), default=0)
    columns = {title: item for title, item in lists.items() if len(item) == longest}
    if longest < 2 or len(columns) < 2:
        return None
    return [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]


def _find_lists(node: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    for title, item in node.items():
        if isinstance(item, list) and item and not any(isinstance(value, (dict, list)) for value in item):
            yield title, item
        elif isinstance(item, list) and len(item) == 1 and isinstance(item[0], dict):
            yield from _find_lists(item[0])
        elif isinstance(item, dict):
            yield from _find_lists(item)


def _table_from_records(rows: Sequence[Mapping[str, Any]]) -> Cells:
    titles = list(dict.fromkeys(title for row in rows for title in row))
    return [[_NUMBERED.sub("", title) for title in titles], *([row.get(title) for title in titles] for row in rows)]


def _flatten(item: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the item with nested objects as keys such as `mid.c`."""
    flat: dict[str, Any] = {}
    for key, value in item.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _is_date(key: str) -> bool:
    return read_stamp(key) is not None or read_number(key) is not None
