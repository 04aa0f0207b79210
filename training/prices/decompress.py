"""Turn the bytes of a user's file into CSV text: unpack them, convert them from other formats, and decode them."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

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


@contextmanager
def _refuse(name: str, problem: str, cure: str, *more_errors: type[Exception]) -> Iterator[None]:
    """Turn the errors of damaged files into a PriceError."""
    errors: tuple[type[Exception], ...] = (*_BROKEN, *more_errors)
    try:
        yield
    except errors as error:
        raise PriceError([f"{name}: {problem} ({error}); {cure}"]) from error


def unpack(data: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Unpack a .gz, a .zip of one table, or a large Parquet file (as CSV); return other bytes unchanged.

    Returns the bytes and remarks on how they were packed. Raises PriceError if they are damaged or too many.
    """
    notes: list[str] = []
    while True:
        if data.startswith(b"\x1f\x8b"):
            with (
                _refuse(name, "incomplete or damaged gzip file", "download it again"),
                gzip.GzipFile(fileobj=io.BytesIO(data)) as file,
            ):
                data = file.read(MAX_BYTES + 1)
            notes.append("unpacked (gzip)")
        elif data.startswith(b"PK\x03\x04") and (packed := _list_zip(data)) and not _DOCUMENTS & set(packed):
            data = _read_zip(data, packed, name)
            notes.append("unpacked (zip)")
        elif data.startswith(b"PAR1") and len(data) > LARGE:
            data = _parquet_as_csv(data, name)
            notes.append("read as Parquet")
        else:
            return data, tuple(notes)
        if len(data) > MAX_BYTES:
            raise PriceError([f"{name}: is over {MAX_BYTES // 2**20} MB when unpacked; give a shorter history"])


def _list_zip(data: bytes) -> list[str] | None:
    """Return the names of the files in a zip, or None if it cannot be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [member.filename for member in archive.infolist() if not member.is_dir()]
    except _BROKEN:
        return None


def _read_zip(data: bytes, members: Sequence[str], name: str) -> bytes:
    """Read the only table in a zip, or all of its tables as one if their first lines are the same header.

    Raises PriceError if there is no table, or if there are several different ones.
    """
    files = [member for member in members if not member.startswith("__MACOSX/")]
    ends = ((".csv",), (".txt",), (".json", ".parquet", ".xlsx"))
    by_end = ([file for file in files if file.lower().endswith(end)] for end in ends)
    tables: Sequence[str] = next(filter(None, by_end), files)
    with (
        _refuse(name, "incomplete or damaged zip file", "download it again"),
        zipfile.ZipFile(io.BytesIO(data)) as archive,
    ):
        if len(tables) == 1:
            with archive.open(tables[0]) as file:
                return file.read(MAX_BYTES + 1)
        is_small = sum(archive.getinfo(table).file_size for table in tables) <= MAX_BYTES
        texts = [archive.read(table) for table in sorted(tables)] if is_small else []
    heads = {text.split(b"\n", 1)[0].strip() for text in texts}
    if len(heads) != 1 or re.search(rb"[A-Za-z]{4}", heads.pop()) is None:
        listed = ", ".join(tables[:3]) or "none"
        raise PriceError(
            [f"{name}: is a zip with {len(tables)} files ({listed}); unpack it and give the one with prices"]
        )
    rest = [text.split(b"\n", 1)[1] for text in texts[1:] if b"\n" in text]
    whole = [part.rstrip(b"\r\n") + b"\n" for part in (texts[0], *rest[:-1])]
    return b"".join([*whole, *rest[-1:]])


def _parquet_as_csv(data: bytes, name: str) -> bytes:
    """Convert a Parquet file to CSV, with its index.

    This is done in batches: intraday bars as Python objects would take a hundred times as much memory.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    out = io.BytesIO()
    with _refuse(name, "the Parquet file cannot be read", "write it again or as CSV", pa.ArrowException):
        file = parquet.ParquetFile(pa.BufferReader(data))
        with csv.CSVWriter(out, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                writer.write_batch(batch)
    return out.getvalue()


def open_text(data: bytes, name: str, is_header: Callable[[Sequence[str]], bool]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a CSV, JSON or Parquet file, or of the first sheet of an .xlsx with a header.

    Line ends are plain. Also returns remarks on how the text was obtained. Raises PriceError, which names the format of
    any other file and how to convert it.
    """
    if data.startswith(b"PK\x03\x04") and (members := _list_zip(data)) is not None:
        if "xl/workbook.xml" in members:
            return _read_sheet(data, name, is_header)
        if "content.xml" in members:
            raise PriceError([f"{name}: is an OpenDocument spreadsheet (.ods); save it as .xlsx or as CSV"])
    if data.startswith(b"PAR1"):
        return _read_parquet(data, name), ("read as Parquet",)
    for magic, kind in OTHER_KINDS.items():
        if data.startswith(magic):
            raise PriceError([f"{name}: {kind}"])
    text, code = _decode(data, name)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    notes = (f"read as {code}",) if code else ()
    start = text.lstrip()[:200]
    first = start.split("\n")[0][:40]
    if re.match(r"[{\[]\s*[\"{\[\]}]", start):
        with _refuse(name, "incomplete or invalid JSON", "download it again", RecursionError):
            table = json_table(text)
        if table is None or len(table) < 2:
            expected = "dates and closes are expected"
            raise PriceError([f"{name}: is JSON without a table of prices, its first line is {first!r}; {expected}"])
        return _write_csv(table), (*notes, "read as JSON")
    if re.match(r"<!doctype html|<html|<\?xml|<head|<body", start, re.IGNORECASE):
        kind = "XML" if start.startswith("<?xml") else "a web page (HTML), often an error or a login"
        raise PriceError(
            [f"{name}: not a CSV file, its first line is {first!r}: it is {kind}; download the CSV file itself"]
        )
    return text, notes


def _read_sheet(data: bytes, name: str, is_header: Callable[[Sequence[str]], bool]) -> tuple[str, tuple[str, ...]]:
    """Read the first sheet that has a date title in its first rows; if none has, the first sheet."""
    import openpyxl

    with _refuse(name, "the spreadsheet cannot be read", "save it as CSV", KeyError, IndexError):
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = list(book.worksheets)
        sheet = next(
            (
                candidate
                for candidate in sheets
                for row in candidate.iter_rows(values_only=True, max_row=HEAD)
                if is_header([_format_cell(value) for value in row])
            ),
            sheets[0],
        )
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    more = f" of {len(sheets)}" if len(sheets) > 1 else ""
    note = f"read from the spreadsheet's sheet {sheet.title}, {sheets.index(sheet) + 1}{more}"
    return _write_csv(rows), (note,)


def _read_parquet(data: bytes, name: str) -> str:
    import pandas as pd
    import pyarrow

    with _refuse(name, "the Parquet file cannot be read", "write it again or as CSV", pyarrow.ArrowException):
        frame = pd.read_parquet(io.BytesIO(data))
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    titles = [" ".join(filter(None, map(str, title))) if isinstance(title, tuple) else str(title) for title in frame]
    cells = frame.astype(object).where(frame.notna(), None)
    # float32 has seven significant digits; the others are noise.
    for title in frame.select_dtypes("float32").columns:
        cells[title] = [None if value is None else float(str(np.float32(value))) for value in cells[title]]
    return _write_csv([titles, *cells.to_numpy().tolist()])


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
        is_binary = re.search(rb"[\x00-\x08\x0e-\x1f]", data)
        if is_binary or (guess := from_bytes(data, cp_isolation=CODE_PAGES).best()) is None:
            cure = "save it as CSV in UTF-8 (or as a complete .xlsx or Parquet file, or a .zip or .gz of a CSV)"
            raise PriceError([f"{name}: not UTF-8 text, byte {error.start + 1} is invalid; {cure}"]) from error
        return str(guess), guess.encoding
    if "\0" in text:
        raise PriceError([f"{name}: not a text file, it contains zero bytes; save it as CSV in UTF-8"])
    return text, ""
