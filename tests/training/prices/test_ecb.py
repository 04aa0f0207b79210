"""The ECB's rates as training reads them: pairs out of the table, fresh ones or with a reason the embedded ones."""

import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from http.server import ThreadingHTTPServer

import numpy as np
import pytest

from lambda_fn.prices import ecb as ecb_file
from lambda_fn.prices.merge import read_ecb_table, update
from tests.support import ecb_server
from tests.support.ecb_server import Answer, Bank, zipped
from tests.support.errors import has_cure
from tests.support.facts import lacking
from training.prices import ecb as ecb_rates
from training.prices.row_checks import PriceError
from training.prices.table import EMBEDDED, PriceTable, load

TODAY = date(2050, 1, 3)
NEWEST = date(2049, 12, 31)  # a Friday after everything that a package will embed for a while


@cache
def embedded_text() -> str:
    with zipfile.ZipFile(ecb_rates.EMBEDDED) as archive:
        return archive.read(archive.namelist()[0]).decode()


def with_a_new_row(text: str) -> str:
    header, newest, rest = text.split("\n", 2)
    return "\n".join([header, NEWEST.isoformat() + newest[10:], newest, rest])


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ecb_server.running() as server:
        yield server


def test_fresh_rates_are_used(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(with_a_new_row(embedded_text()))
    embedded = load("ecb", today=TODAY)
    fresh = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"))
    assert fresh.origin == f"European Central Bank, fetched through {NEWEST}"
    assert fresh.notes == ()
    assert len(fresh.frame) == len(embedded.frame) + 1
    assert fresh.frame.iloc[:-1].equals(embedded.frame)
    assert fresh.serialised().startswith(embedded.serialised())


def test_one_download_serves_every_pair_and_so_does_one_failure(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(with_a_new_row(embedded_text()))
    once = ecb_rates.EcbRates()
    euro = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"), ecb_rates=once)
    del bank.files["hist.zip"]
    pound = load(
        "ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"), ecb_rates=once, pair="GBPUSD"
    )
    assert euro.origin == pound.origin == f"European Central Bank, fetched through {NEWEST}"
    failed = ecb_rates.EcbRates()
    first = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"), ecb_rates=failed)
    bank.files["hist.zip"] = zipped(with_a_new_row(embedded_text()))
    again = load(
        "ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"), ecb_rates=failed, pair="GBPUSD"
    )
    assert "cannot be fetched" in first.notes[0]
    assert again.notes == first.notes


def shrunk(text: str) -> str:
    return "\n".join(text.split("\n")[:-2])


def without_yen(text: str) -> str:
    return text.replace("JPY", "XXX", 1)


def on_a_holiday(text: str) -> str:
    """A row of Good Friday, which ingest refuses, too."""
    header, newest, rest = text.split("\n", 2)
    return "\n".join([header, newest, rest.replace("2026-04-02,", "2026-04-03,", 1)])


def with_a_zero(text: str) -> str:
    header, newest, rest = text.split("\n", 2)
    return "\n".join([header, f"{newest[:10]},0,{newest.split(',', 2)[2]}", rest])


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (lambda: b"", ["not a zip "]),
        (lambda: b"<html>maintenance</html>", ["not a zip "]),
        (lambda: zipped(embedded_text())[:-1000], ["not a zip "]),
        (lambda: zipped(embedded_text()).replace(b"\x00", b"\x01"), ["not a zip "]),
        (lambda: zipped("a", "b"), ["not a zip ", "not one file ", f" {ecb_file.MAX_BYTES} bytes"]),
        (
            lambda: zipped("0" * (ecb_file.MAX_BYTES + 1)),
            ["not a zip ", "not one file ", f" {ecb_file.MAX_BYTES} bytes"],
        ),
        (lambda: b"0" * (ecb_file.MAX_BYTES + 1), [f" limit of {ecb_file.MAX_BYTES} bytes"]),
        (lambda: zipped(""), ["empty; "]),
        (lambda: zipped(shrunk(embedded_text())), ["{fewer} rows, ", " embedded {all}"]),
        (lambda: zipped(on_a_holiday(embedded_text())), ["2026-04-03 is a Friday "]),
        (lambda: zipped(with_a_zero(embedded_text())), ["close: 1 zero price: row 2"]),
    ],
)
def test_bad_file_falls_back_to_the_embedded_one(
    bank: Bank, ecb: PriceTable, content: Callable[[], bytes], facts: list[str]
) -> None:
    bank.files["hist.zip"] = content()
    table = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=bank.url("hist.zip"))
    assert table.sha256 == ecb.sha256
    (note,) = table.notes
    assert note.startswith("warning: ")
    assert f" {ecb.frame.index[-1].date()}: {bank.url('hist.zip')}: " in note
    rows = len(ecb.frame)
    assert not lacking(note, *(fact.format(fewer=rows - 1, all=rows) for fact in facts))


def test_a_column_that_nobody_uses_may_be_missing(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(with_a_new_row(without_yen(embedded_text())))
    url = bank.url("hist.zip")
    fresh = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=url)
    assert fresh.origin == f"European Central Bank, fetched through {NEWEST}"
    (note,) = fresh.notes
    assert note.startswith(f"{url}: lacks jpy, ")
    used = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=url, columns=["eurjpy"])
    assert "no column eurjpy" in used.notes[0] and used.origin.startswith(EMBEDDED)


def test_a_currency_that_is_quoted_no_more_is_no_fault_of_the_users() -> None:
    with pytest.raises(PriceError) as caught:
        load("ecb", today=TODAY, pair="EURBGN")
    (fault,) = caught.value.faults
    assert "close: not quoted since 2026-01-0" in fault and "choose another pair" in fault
    with pytest.raises(PriceError) as caught:
        load("ecb", today=TODAY, pair="EURISK")
    for fault in caught.value.faults:
        assert has_cure(fault) and not lacking(fault, "choose another pair", "--csv")


def test_server_error_and_dead_server_fall_back(bank: Bank, ecb: PriceTable) -> None:
    dead = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    dead.server_close()
    for url, why in (
        (bank.url("missing"), "HTTP Error 500"),
        (f"http://127.0.0.1:{dead.server_port}/hist.zip", "refused"),
    ):
        table = load("ecb", today=TODAY, fresh=ecb_file.TIMEOUT_S, ecb_url=url)
        assert table.sha256 == ecb.sha256
        assert why in table.notes[0]


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_slow_server_is_given_up(bank: Bank, path: str) -> None:
    with pytest.raises(PriceError, match=r"cannot be fetched .*(timed out|not complete within 0.3 s)"):
        ecb_rates.fetch(bank.url(path), timeout_s=0.3)


def test_the_time_to_wait_is_that_of_the_load(bank: Bank, ecb: PriceTable) -> None:
    table = load("ecb", today=TODAY, fresh=0.3, ecb_url=bank.url("drip"))
    assert table.sha256 == ecb.sha256
    assert table.origin.startswith(EMBEDDED)
    assert "not complete within 0.3 s" in table.notes[0]


def test_plain_http_elsewhere_is_a_price_error() -> None:
    with pytest.raises(PriceError, match=r"^http://example\.com/x\.zip: .* https only\)"):
        ecb_rates.fetch("http://example.com/x.zip")


# Pairs


def test_pairs_against_the_euro_and_crosses(ecb: PriceTable) -> None:
    sterling = load("ecb", today=TODAY, pair="EURGBP").frame
    assert sterling["close"].equals(ecb.frame["eurgbp"].rename("close"))
    assert "eurgbp" not in sterling
    assert sterling["eurusd"].equals(ecb.frame["close"].rename("eurusd"))
    cable = load("ecb", today=TODAY, pair="GBPUSD").frame
    np.testing.assert_array_equal(cable["close"], ecb.frame["close"] / ecb.frame["eurgbp"])
    dollar = load("ecb", today=TODAY, pair="USDEUR").frame
    np.testing.assert_array_equal(dollar["close"], 1 / ecb.frame["close"])


def test_pair_starts_when_it_is_first_quoted(ecb: PriceTable) -> None:
    yuan = load("ecb", today=TODAY, pair="EURCNY").frame
    assert yuan["close"].tolist() == ecb.frame["eurcny"].dropna().tolist()
    assert yuan.index[0] == ecb.frame["eurcny"].first_valid_index()


def test_pair_with_gaps_is_refused() -> None:
    with pytest.raises(PriceError, match=r"close: \d+ missing prices"):
        load("ecb", today=TODAY, pair="EURISK")


@pytest.mark.parametrize("pair", ["EURXXX", "USDUSD", "EUR", "eurusd", "EUR/USD"])
def test_unknown_pair_is_named_with_the_known(pair: str) -> None:
    with pytest.raises(PriceError, match=rf"^{pair}: .* AUD, .*EUR.*USD.*; .* CSV$"):
        load("ecb", today=TODAY, pair=pair)


# The price file: ingest writes the same


@pytest.mark.parametrize("pair", ["EURUSD", "GBPUSD", "EURCNY"])
def test_ingest_makes_the_same_price_file_byte_by_byte(pair: str) -> None:
    ours = load("ecb", today=TODAY, pair=pair).serialised()
    offered = read_ecb_table(ecb_rates.EMBEDDED.read_bytes(), "hist.zip", pair)
    created = update(None, offered, [], TODAY)
    assert created.outcome == "created"
    assert created.data == ours
    header, *lines = ours.splitlines(keepends=True)
    appended = update(b"".join([header, *lines[:-100]]), offered, ["eurjpy"], TODAY)
    assert (appended.outcome, appended.rows, appended.data) == ("appended", 100, ours)
    assert update(ours, offered, ["eurjpy"], TODAY).outcome == "unchanged"
