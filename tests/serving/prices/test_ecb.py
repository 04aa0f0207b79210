"""The ECB's file: read in its own form and in no other, and downloaded from a real server, good and bad."""

import http.client
import io
import math
import urllib.request
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError, Rates
from tests.support import ecb_server
from tests.support.ecb_server import Bank, zipped

SMALL = "Date,USD,JPY,BGN,\n2026-10-30,1.1172,175.68,N/A,\n2026-10-29,1.12,,1.9558,\n"


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ecb_server.running() as server:
        yield server


def test_rows_are_read_oldest_first_with_gaps_and_line_numbers() -> None:
    rates = ecb.read(zipped(SMALL), "hist.zip")
    assert rates.lines == [3, 2]
    assert rates.dates == [date(2026, 10, 29), date(2026, 10, 30)]
    assert list(rates.columns) == ["usd", "jpy", "bgn"]
    assert rates.columns["usd"] == [1.12, 1.1172]
    assert math.isnan(rates.columns["jpy"][0])
    assert math.isnan(rates.columns["bgn"][1])


def test_line_ends_byte_order_mark_and_blank_lines_do_not_matter() -> None:
    other = "\ufeff" + SMALL.replace("\n", "\r\n") + "\r\n\r\n"
    assert repr(ecb.read(zipped(other), "x")) == repr(ecb.read(zipped(SMALL), "x"))


def test_what_is_no_finite_number_is_a_gap() -> None:
    rates = ecb.read(zipped("Date,USD,JPY,\n2026-10-30,inf,-,\n"), "hist.zip")
    assert all(math.isnan(values[0]) for values in rates.columns.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"\bzip\b.*\("),
        (b"<html>maintenance</html>", r"\bzip\b.*\("),
        (zipped(SMALL)[:-30], r"\bzip\b.*\("),
        (zipped("a", "b"), rf"\b{ecb.MAX_BYTES} bytes\b"),
        (zipped("0" * (ecb.MAX_BYTES + 1)), rf"\b{ecb.MAX_BYTES} bytes\b"),
        (zipped(""), r"\bempty; .*\bDate,USD\b"),
        (zipped(SMALL.replace("Date", "Day")), r"'Day,USD,JPY,BGN,'; .*\bDate\b"),
        (zipped(SMALL.replace("JPY", "USD")), "no name twice"),
        (zipped(SMALL.replace(",,", ",")), "row 3 has 4 cells, the header has 5"),
        (zipped(SMALL.replace("2026-10-30", "30 Oct")), r"row 2 .*'30 Oct'.*\b2026-10-30\b"),
    ],
)
def test_other_files_are_refused_by_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(EcbError, match=rf"^hist\.zip: .*{message}"):
        ecb.read(data, "hist.zip")


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(zipped) | st.text(",\n2026-13.DateUSD", max_size=80).map(zipped)
)
def test_nothing_but_ecb_errors_escapes(data: bytes) -> None:
    try:
        rates = ecb.read(data, "hist.zip")
    except EcbError:
        return
    assert {len(values) for values in rates.columns.values()} <= {len(rates.dates)}


# Pairs

DAYS = [date(2026, 10, 28), date(2026, 10, 29), date(2026, 10, 30)]
QUOTED = Rates([4, 3, 2], DAYS, {"usd": [1.1, 1.2, 1.25], "gbp": [math.nan, 0.8, 0.5]})


def test_a_pair_against_the_euro() -> None:
    quoted = ecb.quote(QUOTED, "EURUSD")
    assert list(quoted.columns) == ["close", "eurgbp"]
    assert quoted.columns["close"] == [1.1, 1.2, 1.25]
    assert ecb.quote(QUOTED, "USDEUR").columns["close"] == [1 / 1.1, 1 / 1.2, 0.8]


def test_a_cross_begins_when_both_are_quoted() -> None:
    quoted = ecb.quote(QUOTED, "GBPUSD")
    assert quoted == Rates([3, 2], DAYS[1:], {"close": [1.2 / 0.8, 2.5], "eurusd": [1.2, 1.25], "eurgbp": [0.8, 0.5]})


def test_a_rate_of_zero_gives_no_price() -> None:
    zero = Rates([2], DAYS[:1], {"usd": [1.1], "gbp": [0.0]})
    assert math.isnan(ecb.quote(zero, "GBPUSD").columns["close"][0])


@pytest.mark.parametrize("pair", ["EURXXX", "USDUSD", "EUR", "eurusd", "EUR/USD"])
def test_an_unknown_pair_is_named_with_the_known(pair: str) -> None:
    with pytest.raises(EcbError, match=rf"^{pair}: .*\bEUR, GBP, USD; "):
        ecb.quote(QUOTED, pair)


# Download


def test_a_file_is_downloaded_also_by_a_redirect(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(SMALL)
    bank.redirect = bank.url("hist.zip")
    assert ecb.download(bank.url("hist.zip")) == ecb.download(bank.url("elsewhere")) == zipped(SMALL)


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_a_slow_server_is_given_up(bank: Bank, path: str) -> None:
    with pytest.raises(EcbError, match=r"cannot be fetched .*(timed out|not complete within 0.3 s)"):
        ecb.download(bank.url(path), timeout_s=0.3)


def test_a_connection_that_ends_early_is_no_file(bank: Bank) -> None:
    with pytest.raises(EcbError, match=r"cannot be fetched .*2 bytes read, 9998 more expected"):
        ecb.download(bank.url("cut"))


def test_a_file_that_does_not_end_is_given_up(bank: Bank) -> None:
    bank.files["hist.zip"] = b"0" * (ecb.MAX_BYTES + 1)
    with pytest.raises(EcbError, match=rf"^http://.*\b{ecb.MAX_BYTES} bytes\b.*; "):
        ecb.download(bank.url("hist.zip"))


def test_an_error_of_the_server_says_what_to_do(bank: Bank) -> None:
    with pytest.raises(EcbError, match=r"^http://.*\bHTTP Error 500: .*; .*\bECB_URL\b"):
        ecb.download(bank.url("missing"))


@pytest.mark.parametrize("url", ["http://example.com/x.zip", "http:///x", "ftp://127.0.0.1/x", "file:///x.zip", ""])
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(EcbError, match=r"\bhttps only\b.*; .*\bECB_URL\b"):
        ecb.download(url)


def test_a_redirect_to_plain_http_elsewhere_is_not_followed(bank: Bank) -> None:
    bank.redirect = "http://example.com/x.zip"
    with pytest.raises(EcbError, match=r"\bhttps only\b.*; .*\bECB_URL\b"):
        ecb.download(bank.url("elsewhere"))


def test_a_redirect_leaves_https_for_nothing_else() -> None:
    """Not even for this machine, to which a first request may go by http."""
    redirects = ecb._CheckedRedirects()
    request = urllib.request.Request("https://www.ecb.europa.eu/hist.zip")
    message = http.client.HTTPMessage()
    with pytest.raises(ValueError, match="redirects from https"):
        redirects.redirect_request(request, io.BytesIO(), 302, "Found", message, "http://127.0.0.1:8080/hist.zip")
    followed = redirects.redirect_request(request, io.BytesIO(), 302, "Found", message, "https://example.com/hist.zip")
    assert followed is not None


@pytest.mark.parametrize(
    "text",
    [
        "Date,USD,\n" + "1999-01-04,1,\n" * (ecb.MAX_ROWS + 1),
        "\n" * 2**20,
        "Date" + "," * ecb.MAX_CELLS + ",\n",
    ],
)
def test_a_file_of_too_many_rows_or_cells_is_refused_before_it_is_split(text: str) -> None:
    with pytest.raises(EcbError, match="over 25,000 rows or 1,500,000 cells"):
        ecb.read(zipped(text), "hist.zip")


@pytest.mark.parametrize("url", ["http://[::1", "https://", "http://127.0.0.1:x/", "http://127.0.0.1/a b"])
def test_a_malformed_address_is_named(url: str) -> None:
    with pytest.raises(EcbError, match="cannot be fetched"):
        ecb.download(url)
