"""Read JSON of the usual sources as a table: pandas, Alpha Vantage, Twelve Data, OANDA, CCXT, Frankfurter, ..."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.prices.date_parsing import read_stamp

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
    if isinstance(node, list):
        if (table := _table_from_list(node)) is not None:
            yield table
            return
        for item in node[:100]:
            yield from _find_tables(item, base)
    elif isinstance(node, dict):
        base = node.get("base", base)
        if (table := _table_from_object(node, base)) is not None:
            yield table
            return
        for item in node.values():
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
    if 5 <= width <= 12 and all(_is_bar(item) for item in node):  # a stamp first; volume and others at the end
        return [[*_BARS[:width], *(f"column_{i}" for i in range(7, width + 1))], *node]
    return None


def _is_bar(item: Sequence[Any]) -> bool:
    """Return True if the second to fifth values are an open, high, low and close."""
    try:
        start, high, low, close = (float(value) for value in item[1:5])
    except (TypeError, ValueError):
        return False
    return low <= min(start, close) and max(start, close) <= high


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
    columns = {
        title: item
        for title, item in node.items()
        if isinstance(item, dict) and len(item) > 1
        if not any(isinstance(value, (dict, list)) for value in item.values())
    }
    if columns and all(item.keys() == next(iter(columns.values())).keys() for item in columns.values()):
        days = next(iter(columns.values()))
        if all(_is_date(key) for key in days):
            return [["date", *columns], *([day, *(item[day] for item in columns.values())] for day in days)]
        if len(columns) > 1 and {"date", "Date", "close", "Close"} & columns.keys():  # by row numbers
            return [list(columns), *([item[row] for item in columns.values()] for row in days)]
    return _table_from_columns(node)


def _table_from_columns(node: Mapping[str, Any]) -> Cells | None:
    """Read columns as lists, with the times among them or next to them (`timestamp` in Yahoo's chart)."""
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
    return read_stamp(key) is not None or read_stamp(key, numbers=True) is not None
