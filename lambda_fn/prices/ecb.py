"""Download and parse the European Central Bank's euro reference rates since 1999, and compute a pair's rates.

The file is a zip of one CSV: header `Date,USD,JPY,...,` and rows such as `2026-10-30,1.1172,175.68,N/A,...,`, newest
first, in units per euro, N/A where a currency was not quoted, with a comma at the end of each line.
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

from lambda_fn.settings import redact_url

MAX_BYTES = 16 * 2**20  # zipped or not; the history is 0.6 MB zipped and 1.9 MB unzipped after 27 years
NOT_QUOTED = "N/A"
MAX_ROWS, MAX_CELLS = 25_000, 1_500_000  # the history has 7,126 rows of 42 cells
TIMEOUT_S = 20.0  # each for connecting, for the response and for the body: all within a function's minute
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class EcbError(ValueError):
    """The file cannot be fetched or is not the ECB's file of rates; the message names it and the cure."""


class Rates(NamedTuple):
    """n rows by date, oldest first.

    `lines` are line numbers in the file, whose header is line 1. `columns` are rates [n] by name, NaN where the file
    has no finite number.
    """

    lines: list[int]
    dates: list[date]
    columns: dict[str, list[float]]


def download(url: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """Download at most MAX_BYTES from `url`, which must be https or on this machine.

    `timeout_s` limits each wait, and the whole body. Raises EcbError.
    """
    try:
        _require_safe(url)
        deadline = time.monotonic() + timeout_s
        data = bytearray()
        opener = urllib.request.build_opener(_CheckedRedirects)
        with opener.open(url, timeout=timeout_s) as response:
            # read1 returns after one receive, so a server that sends a few bytes at a time cannot outlast the deadline.
            while chunk := response.read1(2**16):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise ValueError(f"over the limit of {MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete within {timeout_s:g} s")
            if response.length:  # read1 does not report an early end
                raise http.client.IncompleteRead(bytes(data), response.length)
        return bytes(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is also the response, and holds the connection
        raise EcbError(f"{redact_url(url)}: cannot be fetched ({error}); try again later or check ECB_URL") from error


def read(data: bytes, name: str) -> Rates:
    """Parse a zip of the history into columns by currency in lower case (`usd`, ...); errors name the file `name`.

    Only the form of dates is checked, so they may repeat. Raises EcbError.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > MAX_BYTES:
                raise zipfile.BadZipFile(f"not one file of at most {MAX_BYTES} bytes")
            text = archive.read(members[0]).decode("utf-8-sig")
    # NotImplementedError, RuntimeError: unsupported compression, or encryption. ValueError: an offset before the start
    # of the file, or text that is not UTF-8.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise EcbError(f"{name}: not a zip of the ECB's history ({error}); check ECB_URL") from error
    if text.count("\n") > MAX_ROWS or text.count(",") > MAX_CELLS:
        raise EcbError(
            f"{name}: over {MAX_ROWS:,} rows or {MAX_CELLS:,} cells; check that ECB_URL is the URL of the history"
        )
    rows = [(line, row.split(",")) for line, row in enumerate(text.split("\n"), 1) if row.strip()]
    if not rows:
        raise EcbError(f"{name}: the file is empty; it must have a header such as Date,USD and one row a day")
    (_, header), *rows = rows
    names = [title.strip().lower() for title in header]
    if names[0] != "date" or len(set(names)) < len(names):
        raise EcbError(
            f"{name}: the header is {','.join(header)[:60]!r}; it must begin with Date and have no name twice"
        )
    for line, row in rows:
        if len(row) != len(names):
            raise EcbError(f"{name}: row {line} has {len(row)} cells, the header has {len(names)}")
    dated = []
    for line, row in rows:
        try:
            dated.append((date.fromisoformat(row[0].strip()), line, row))
        except ValueError as error:
            raise EcbError(
                f"{name}: row {line} begins with {row[0][:20]!r}; it must begin with a date such as 2026-10-30"
            ) from error
    by_date = sorted(dated, key=lambda item: item[0])
    columns = {title: _parse_rates([row[i] for _, _, row in by_date]) for i, title in enumerate(names) if i and title}
    return Rates([line for _, line, _ in by_date], [day for day, _, _ in by_date], columns)


def quote(rates: Rates, pair: str) -> Rates:
    """Compute the columns of a pair's price table: `close` of the pair, and the ECB's rates (`eurjpy`, ...).

    The pair may be a cross such as GBPUSD. Rows before it was first quoted are left out. Raises EcbError for a currency
    that the ECB does not quote.
    """
    per_euro = {"EUR": [1.0] * len(rates.dates)} | {name.upper(): rate for name, rate in rates.columns.items()}
    base, counter = pair[:3], pair[3:]
    if base not in per_euro or counter not in per_euro or base == counter:
        raise EcbError(f"{pair}: not a pair of two of {', '.join(sorted(per_euro))}; choose another or use a CSV")
    close = [
        above / below if below else math.nan for above, below in zip(per_euro[counter], per_euro[base], strict=True)
    ]
    others = {f"eur{name}": rate for name, rate in rates.columns.items() if f"EUR{name.upper()}" != pair}
    first = next((i for i, price in enumerate(close) if not math.isnan(price)), 0)
    columns = {name: rate[first:] for name, rate in {"close": close, **others}.items()}
    return Rates(rates.lines[first:], rates.dates[first:], columns)


def _parse_rates(cells: list[str]) -> list[float]:
    """Parse the rates of a currency; NaN for what is not a finite number. The file has 300,000 cells."""
    try:
        rates = [math.nan if cell == NOT_QUOTED else float(cell) for cell in cells]
    except ValueError:
        return list(map(_parse_rate, cells))
    return list(map(_parse_rate, cells)) if any(map(math.isinf, rates)) else rates


def _parse_rate(cell: str) -> float:
    try:
        rate = float(cell)
    except ValueError:
        return math.nan
    return rate if math.isfinite(rate) else math.nan


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https, and from this machine to itself."""

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
        raise ValueError("rates are downloaded over https only")
