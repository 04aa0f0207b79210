"""The bytes of a user's file as CSV text: what packs it or holds it otherwise is taken off here."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from charset_normalizer import from_bytes

from training.prices.checks import PriceError

MAX_BYTES = 512 * 2**20  # of the text: a minute's bars of twenty years have 400 MB
CODE_PAGES = ["cp1252", "cp1250", "cp1251"]  # what spreadsheets write that write no UTF-8
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Text(NamedTuple):
    """The text with plain line ends, and notes of how it was got at."""

    text: str
    notes: tuple[str, ...] = ()


def open_text(data: bytes, name: str) -> Text:
    """The text in a CSV, in a .gz or a .zip of one, in Parquet or in the first sheet of an .xlsx.

    Raises PriceError that calls the file what it is.
    """
    if data.startswith(b"\x1f\x8b"):
        return _noted(open_text(_gunzip(data, name), name), "unpacked (gzip)")
    if data.startswith(b"PK\x03\x04") and (members := _members(data)) is not None:
        if "xl/workbook.xml" in members:
            return _sheet(data, name)
        return _noted(open_text(_only_member(data, members, name), name), "unpacked (zip)")
    if data.startswith(b"PAR1"):
        return _parquet(data, name)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise PriceError([f"{name}: is a spreadsheet of the old kind (.xls); save it as .xlsx or as CSV"])
    text, code = _decode(data, name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _refuse_other_kinds(text, name)
    return Text(text, (f"read as {code}",) if code else ())


def _noted(text: Text, note: str) -> Text:
    return Text(text.text, (note, *text.notes))


def _gunzip(data: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise PriceError([f"{name}: no whole gzip file ({error}); download it again"]) from error
    return _limited(found, name)


def _members(data: bytes) -> list[str] | None:
    """The files in a zip; None where it cannot be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [member.filename for member in archive.infolist() if not member.is_dir()]
    except _BROKEN:
        return None


def _only_member(data: bytes, members: Sequence[str], name: str) -> bytes:
    files = [member for member in members if not member.startswith("__MACOSX/")]
    tables = [member for member in files if member.lower().endswith((".csv", ".txt"))] or files
    if len(tables) != 1:
        shown = ", ".join(tables[:3]) or "none"
        raise PriceError(
            [f"{name}: is a zip with {len(tables)} files ({shown}); unpack it and name the one with prices"]
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(tables[0]) as file:
            found = file.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise PriceError([f"{name}: no whole zip file ({error}); download it again"]) from error
    return _limited(found, name)


def _limited(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise PriceError([f"{name}: unpacked it is over {MAX_BYTES // 2**20} MB; give a shorter history"])
    return data


def _sheet(data: bytes, name: str) -> Text:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = next(iter(book.worksheets))
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except (*_BROKEN, KeyError, StopIteration) as error:
        raise PriceError([f"{name}: the spreadsheet cannot be read ({error}); save it as CSV"]) from error
    more = f" of {len(book.worksheets)}" if len(book.worksheets) > 1 else ""
    return Text(_written(rows), (f"read from the spreadsheet's first sheet, {sheet.title}{more}",))


def _parquet(data: bytes, name: str) -> Text:
    import pandas as pd
    import pyarrow

    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise PriceError([f"{name}: the Parquet file cannot be read ({error}); write it again or as CSV"]) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    cells = frame.astype(object).where(frame.notna(), None)
    return Text(_written([[str(title) for title in frame.columns], *cells.to_numpy().tolist()]), ("read as Parquet",))


def _written(rows: Iterable[Sequence[object]]) -> str:
    """Cells of a typed table as CSV: days in ISO's form, numbers with every digit that they have."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def _decode(data: bytes, name: str) -> tuple[str, str]:
    """The text, and the code page where it is none of Unicode's."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), ""
        except UnicodeDecodeError as error:
            raise PriceError([f"{name}: no whole UTF-16 text ({error.reason}); download it again"]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _from_code_page(data, name, error)
    if "\0" in text:
        raise PriceError([f"{name}: no text, it has zero bytes; save it as CSV in UTF-8"])
    return text, ""


def _from_code_page(data: bytes, name: str, error: UnicodeDecodeError) -> tuple[str, str]:
    found = None if re.search(rb"[\x00-\x08\x0e-\x1f]", data) else from_bytes(data, cp_isolation=CODE_PAGES).best()
    if found is None:
        cure = "save it as CSV in UTF-8 (or as .xlsx, Parquet, or a .zip or .gz of a CSV, each of them whole)"
        raise PriceError([f"{name}: no UTF-8 text, byte {error.start + 1} is not; {cure}"]) from error
    return str(found), found.encoding


def _refuse_other_kinds(text: str, name: str) -> None:
    start = text.lstrip()[:200]
    first = start.split("\n")[0][:40]
    if re.match(r"<!doctype html|<html|<\?xml|<head|<body", start, re.IGNORECASE):
        kind = "XML" if start.startswith("<?xml") else "a web page (HTML), often an error or a login"
        raise PriceError([f"{name}: no CSV file, its first line is {first!r}: it is {kind}; download the CSV itself"])
    if re.match(r"[{\[]\s*[\"{\[\]}]", start):
        raise PriceError([f"{name}: no CSV file, its first line is {first!r}: it is JSON; ask its source for CSV"])
