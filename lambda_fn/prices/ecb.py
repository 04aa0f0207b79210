"""The European Central Bank's file of euro reference rates since 1999: download, parse, and a pair's rates from it.

The file is a zip of one CSV: header `Date,USD,JPY,...,` and rows such as `2026-10-30,1.1172,175.68,N/A,...,`, newest
first, units per euro, N/A where a currency was not quoted, a comma at each line's end.
"""

import http.client
import io
import math
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from datetime import date
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from lambda_fn.settings import shown_url

MAX_BYTES = 16 * 2**20  # zipped or not; the history is 0.6 MB zipped and 1.9 MB unzipped after 27 years
MAX_ROWS, MAX_CELLS = 25_000, 1_500_000  # the history has 7,126 rows of 42 cells
TIMEOUT_S = 20.0  # to connect, to answer and for the body: all three within a function's minute
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class EcbError(ValueError):
    """The file cannot be had or is not what the ECB publishes; the message names it and the cure."""


class Rates(NamedTuple):
    """n rows by date, oldest first: `lines` are those of the file (its header is line 1), `columns` [n] by name, NaN
    where the file has no finite number."""

    lines: list[int]
    dates: list[date]
    columns: dict[str, list[float]]


def download(url: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """What is at `url`, over https or from this machine, at most MAX_BYTES; `timeout_s` is for each wait and for all
    of the body. Raises EcbError."""
    try:
        return _download(url, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the answer, too, and holds the connection
        raise EcbError(f"{shown_url(url)}: cannot be fetched ({error}); try again later or check ECB_URL") from error


def read(data: bytes, name: str) -> Rates:
    """The currencies in a zip of the history, lower-case (`usd`, ...); `name` is what errors call it.

    Raises EcbError. Dates may repeat, as nothing but their form is checked.
    """
    try:
        text = _unzip(data).decode("utf-8-sig")
    # NotImplementedError, RuntimeError: a compression or an encryption that it cannot undo. ValueError: a place before
    # the file's begin, and what is no UTF-8.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise EcbError(f"{name}: no zip of the ECB's history ({error})") from error
    if text.count("\n") > MAX_ROWS or text.count(",") > MAX_CELLS:
        raise EcbError(f"{name}: over {MAX_ROWS:,} rows or {MAX_CELLS:,} cells; check that ECB_URL is the history's")
    rows = [(line, row.split(",")) for line, row in enumerate(text.split("\n"), 1) if row.strip()]
    if not rows:
        raise EcbError(f"{name}: the file is empty; it needs a header such as Date,USD and one row a day")
    (_, header), *rows = rows
    names = [title.strip().lower() for title in header]
    if names[0] != "date" or len(set(names)) < len(names):
        raise EcbError(f"{name}: its header is {','.join(header)[:60]!r}; it must begin with Date and repeat no name")
    for line, row in rows:
        if len(row) != len(names):
            raise EcbError(f"{name}: row {line} has {len(row)} cells, the header has {len(names)}")
    dated = sorted(((_date(row[0], line, name), line, row) for line, row in rows), key=lambda item: item[0])
    columns = {title: [_rate(row[at]) for _, _, row in dated] for at, title in enumerate(names) if at and title}
    return Rates([line for _, line, _ in dated], [day for day, _, _ in dated], columns)


def quote(rates: Rates, pair: str) -> Rates:
    """The columns of a price table: `close` of a pair such as EURUSD or, as a cross, GBPUSD; the others as the ECB
    quotes them (`eurjpy`, ...).

    Rows before the pair was first quoted are left out. Raises EcbError for a currency that the ECB does not quote.
    """
    per_euro = {"EUR": [1.0] * len(rates.dates)} | {name.upper(): rate for name, rate in rates.columns.items()}
    base, quoted = pair[:3], pair[3:]
    unknown = [code for code in (base, quoted) if code not in per_euro]
    if unknown or base == quoted:
        raise EcbError(f"{pair}: no pair of two of {', '.join(sorted(per_euro))}; choose another or use a CSV")
    close = [
        above / below if below else math.nan for above, below in zip(per_euro[quoted], per_euro[base], strict=True)
    ]
    others = {f"eur{name}": rate for name, rate in rates.columns.items() if f"EUR{name.upper()}" != pair}
    first = next((i for i, price in enumerate(close) if not math.isnan(price)), 0)
    columns = {name: rate[first:] for name, rate in {"close": close, **others}.items()}
    return Rates(rates.lines[first:], rates.dates[first:], columns)


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].file_size > MAX_BYTES:
            raise zipfile.BadZipFile(f"not one file of at most {MAX_BYTES} bytes")
        return archive.read(members[0])


def _date(text: str, line: int, name: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise EcbError(f"{name}: row {line} begins with {text[:20]!r}, not with a date such as 2026-10-30") from error


def _rate(cell: str) -> float:
    try:
        rate = float(cell)
    except ValueError:  # N/A
        return math.nan
    return rate if math.isfinite(rate) else math.nan


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and from this machine to itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _require_safe(newurl)
        if urlsplit(req.full_url).scheme == "https" != urlsplit(newurl).scheme:
            raise ValueError("it redirects from https to another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("rates are fetched over https only")


def _download(url: str, timeout_s: float) -> bytes:
    _require_safe(url)
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    opener = urllib.request.build_opener(_CheckedRedirects)
    with opener.open(url, timeout=timeout_s) as response:
        # read1 returns after one receive, so that a server that drips cannot outlast the deadline.
        while chunk := response.read1(2**16):
            data += chunk
            if len(data) > MAX_BYTES:
                raise ValueError(f"over the limit of {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete within {timeout_s:g} s")
        if response.length:  # read1 does not tell an early end
            raise http.client.IncompleteRead(bytes(data), response.length)
    return bytes(data)
