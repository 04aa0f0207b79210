"""Turn the bytes of a user's file into CSV text: unpack them, convert them from other formats, and decode them."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
from charset_normalizer import from_bytes

from training.prices.json_table import json_table
from training.prices.row_checks import PriceError

MAX_BYTES = 512 * 2**20  # of the text; twenty years of minute bars have 400 MB
CODE_PAGES = ["cp1252", "cp1250", "cp1251"]  # what spreadsheets write if they do not write UTF-8
LARGE = 2**20  # bytes of Parquet; a daily table has a hundred kilobytes
HEAD = 30  # rows of a sheet that are searched for a header
_PANDAS = "write it as Parquet with pandas, such as pd.{}(name).to_parquet(name)"
OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "is a spreadsheet in the old format (.xls); save it as .xlsx or as CSV",
    b"BZh": "is packed with bzip2 (.bz2); unpack it with bunzip2, or pack it as .gz",
    b"\xfd7zXZ": "is packed with xz (.xz); unpack it with unxz, or pack it as .gz",
    b"\x28\xb5\x2f\xfd": "is packed with Zstandard (.zst); unpack it with unzstd, or pack it as .gz",
    b"7z\xbc\xaf": "is a 7z archive; unpack it, or pack it as .zip",
    b"Rar!": "is a RAR archive; unpack it, or pack it as .zip",
    b"ARROW1": f"is a Feather file; {_PANDAS.format('read_feather')}",
    b"FEA1": f"is a Feather file; {_PANDAS.format('read_feather')}",
    b"\x80\x04\x95": f"is a pickle, which may run code when it is read; {_PANDAS.format('read_pickle')}",
    b"\x80\x05\x95": f"is a pickle, which may run code when it is read; {_PANDAS.format('read_pickle')}",
    b"\x89HDF": f"is an HDF5 file; {_PANDAS.format('read_hdf')}",
    b"SQLite format 3": "is an SQLite database; export the table as CSV",
    b"%PDF": "is a PDF; download the table as CSV",
}
_DOCUMENTS = {"xl/workbook.xml", "content.xml"}  # zip files that are spreadsheets
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Text(NamedTuple):
    """A decoded file.

    Attributes:
        text: The text; line ends are plain.
        notes: Remarks on how the text was obtained.
    """

    text: str
    notes: tuple[str, ...] = ()


def unpack(data: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Unpack a .gz, a .zip of one table, or a large Parquet file (as CSV); return other bytes unchanged.

    Returns the bytes and remarks on how they were packed. Raises PriceError if they are damaged or too many.
    """
    notes: list[str] = []
    while True:
        if data.startswith(b"\x1f\x8b"):
            data = _read_gzip(data, name)
            notes.append("unpacked (gzip)")
        elif data.startswith(b"PK\x03\x04") and (packed := _list_zip(data)) and not _DOCUMENTS & set(packed):
            data = _read_zip(data, packed, name)
            notes.append("unpacked (zip)")
        elif data.startswith(b"PAR1") and len(data) > LARGE:
            data = _check_size(_parquet_as_csv(data, name), name)
            notes.append("read as Parquet")
        else:
            return data, tuple(notes)


def open_text(data: bytes, name: str, is_header: Callable[[Sequence[str]], bool]) -> Text:
    """Return the text of a CSV, JSON or Parquet file, or of the first sheet of an .xlsx with a header.

    Raises PriceError, which names the format of any other file and how to convert it.
    """
    if data.startswith(b"PK\x03\x04") and (members := _list_zip(data)) is not None:
        if "xl/workbook.xml" in members:
            return _read_sheet(data, name, is_header)
        if "content.xml" in members:
            raise PriceError([f"{name}: is an OpenDocument spreadsheet (.ods); save it as .xlsx or as CSV"])
    if data.startswith(b"PAR1"):
        return _read_parquet(data, name)
    for start, kind in OTHER_KINDS.items():
        if data.startswith(start):
            raise PriceError([f"{name}: {kind}"])
    text, code = _decode(data, name)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    notes = (f"read as {code}",) if code else ()
    if re.match(r"[{\[]\s*[\"{\[\]}]", text[:200].lstrip()):
        return Text(_read_json(text, name), (*notes, "read as JSON"))
    _refuse_other_kinds(text, name)
    return Text(text, notes)


def _read_json(text: str, name: str) -> str:
    try:
        table = json_table(text)
    except (ValueError, RecursionError) as error:
        raise PriceError([f"{name}: incomplete or invalid JSON ({error}); download it again"]) from error
    if table is None or len(table) < 2:
        first = text.lstrip().split("\n")[0][:40]
        raise PriceError(
            [f"{name}: is JSON without a table of prices, its first line is {first!r}; dates and closes are expected"]
        )
    return _write_csv(table)


def _read_gzip(data: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise PriceError([f"{name}: incomplete or damaged gzip file ({error}); download it again"]) from error
    return _check_size(content, name)


def _list_zip(data: bytes) -> list[str] | None:
    """Return the names of the files in a zip, or None if it cannot be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [member.filename for member in archive.infolist() if not member.is_dir()]
    except _BROKEN:
        return None


def _read_zip(data: bytes, members: Sequence[str], name: str) -> bytes:
    """Read the only table in a zip, or all of its tables as one if they have the same header.

    Raises PriceError if there is no table, or if there are several different ones.
    """
    files = [member for member in members if not member.startswith("__MACOSX/")]
    ends = ((".csv",), (".txt",), (".json", ".parquet", ".xlsx"))
    by_end = ([file for file in files if file.lower().endswith(end)] for end in ends)
    tables: Sequence[str] = next(filter(None, by_end), files)
    if len(tables) > 1 and (joined := _join_tables(data, sorted(tables), name)) is not None:
        return joined
    if len(tables) != 1:
        listed = ", ".join(tables[:3]) or "none"
        raise PriceError(
            [f"{name}: is a zip with {len(tables)} files ({listed}); unpack it and give the one with prices"]
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(tables[0]) as file:
            content = file.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise PriceError([f"{name}: incomplete or damaged zip file ({error}); download it again"]) from error
    return _check_size(content, name)


def _join_tables(data: bytes, tables: Sequence[str], name: str) -> bytes | None:
    """Concatenate tables whose first lines are the same headers; return None for others."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(archive.getinfo(table).file_size for table in tables) > MAX_BYTES:
                return None
            texts = [archive.read(table) for table in tables]
    except _BROKEN as error:
        raise PriceError([f"{name}: incomplete or damaged zip file ({error}); download it again"]) from error
    heads = {text.split(b"\n", 1)[0].strip() for text in texts}
    if len(heads) != 1 or re.search(rb"[A-Za-z]{4}", heads.pop()) is None:
        return None
    rest = [text.split(b"\n", 1)[1] for text in texts[1:] if b"\n" in text]
    whole = [part.rstrip(b"\r\n") + b"\n" for part in (texts[0], *rest[:-1])]
    return b"".join([*whole, *rest[-1:]])


def _check_size(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise PriceError([f"{name}: is over {MAX_BYTES // 2**20} MB when unpacked; give a shorter history"])
    return data


def _read_sheet(data: bytes, name: str, is_header: Callable[[Sequence[str]], bool]) -> Text:
    """Read the first sheet that has a date title in its first rows; if none has, the first sheet."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = list(book.worksheets)
        sheet = next((candidate for candidate in sheets if _is_table(candidate, is_header)), sheets[0])
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except (*_BROKEN, KeyError, IndexError) as error:
        raise PriceError([f"{name}: the spreadsheet cannot be read ({error}); save it as CSV"]) from error
    more = f" of {len(sheets)}" if len(sheets) > 1 else ""
    note = f"read from the spreadsheet's sheet {sheet.title}, {sheets.index(sheet) + 1}{more}"
    return Text(_write_csv(rows), (note,))


def _is_table(sheet: Any, is_header: Callable[[Sequence[str]], bool]) -> bool:
    rows = sheet.iter_rows(values_only=True, max_row=HEAD)
    return any(is_header([_format_cell(value) for value in row]) for row in rows)


def _read_parquet(data: bytes, name: str) -> Text:
    import pandas as pd
    import pyarrow

    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise PriceError([f"{name}: the Parquet file cannot be read ({error}); write it again or as CSV"]) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    titles = [" ".join(filter(None, map(str, title))) if isinstance(title, tuple) else str(title) for title in frame]
    cells = frame.astype(object).where(frame.notna(), None)
    # float32 has seven significant digits; the others are noise.
    for title in frame.select_dtypes("float32").columns:
        cells[title] = [None if value is None else float(str(np.float32(value))) for value in cells[title]]
    return Text(_write_csv([titles, *cells.to_numpy().tolist()]), ("read as Parquet",))


def _parquet_as_csv(data: bytes, name: str) -> bytes:
    """Convert a Parquet file to CSV, with its index.

    This is done in batches: intraday bars as Python objects would take a hundred times as much memory.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    out = io.BytesIO()
    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        with csv.CSVWriter(out, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                writer.write_batch(batch)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PriceError([f"{name}: the Parquet file cannot be read ({error}); write it again or as CSV"]) from error
    return out.getvalue()


def _write_csv(rows: Iterable[Sequence[object]]) -> str:
    """Write the cells of a typed table as CSV: dates in ISO format, numbers with all of their digits."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_format_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def _decode(data: bytes, name: str) -> tuple[str, str]:
    """Return the text, and its code page if it is not Unicode."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), ""
        except UnicodeDecodeError as error:
            raise PriceError([f"{name}: incomplete UTF-16 text ({error.reason}); download it again"]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _decode_code_page(data, name, error)
    if "\0" in text:
        raise PriceError([f"{name}: not a text file, it contains zero bytes; save it as CSV in UTF-8"])
    return text, ""


def _decode_code_page(data: bytes, name: str, error: UnicodeDecodeError) -> tuple[str, str]:
    guess = None if re.search(rb"[\x00-\x08\x0e-\x1f]", data) else from_bytes(data, cp_isolation=CODE_PAGES).best()
    if guess is None:
        cure = "save it as CSV in UTF-8 (or as a complete .xlsx or Parquet file, or a .zip or .gz of a CSV)"
        raise PriceError([f"{name}: not UTF-8 text, byte {error.start + 1} is invalid; {cure}"]) from error
    return str(guess), guess.encoding


def _refuse_other_kinds(text: str, name: str) -> None:
    start = text.lstrip()[:200]
    first = start.split("\n")[0][:40]
    if re.match(r"<!doctype html|<html|<\?xml|<head|<body", start, re.IGNORECASE):
        kind = "XML" if start.startswith("<?xml") else "a web page (HTML), often an error or a login"
        raise PriceError(
            [f"{name}: not a CSV file, its first line is {first!r}: it is {kind}; download the CSV file itself"]
        )
