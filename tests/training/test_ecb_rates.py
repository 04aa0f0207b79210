"""The ECB's rates: pairs out of the table, and fetching the current file from a real server, good and bad."""

import io
import threading
import zipfile
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from training import ecb_rates
from training.price_checks import PriceError
from training.prices import PriceTable, load

TODAY = date(2050, 1, 3)
NEWEST = date(2049, 12, 31)  # a Friday after everything that a package will embed for a while


def embedded_text() -> str:
    with zipfile.ZipFile(ecb_rates.EMBEDDED) as archive:
        return archive.read(archive.namelist()[0]).decode()


def zipped(*texts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, text in enumerate(texts):
            archive.writestr(f"{i}.csv", text)
    return buffer.getvalue()


def with_a_new_row(text: str) -> str:
    header, newest, rest = text.split("\n", 2)
    return "\n".join([header, NEWEST.isoformat() + newest[10:], newest, rest])


class Bank(ThreadingHTTPServer):
    """A real HTTP server with one answer a path; /slow sends nothing and /drip a byte now and then, until closed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.redirect = ""
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Answer(BaseHTTPRequestHandler):
    server: Bank

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        if path == "slow":
            self.server.closing.wait()
        elif path == "drip":
            self._head(200, 10_000)
            while not self.server.closing.wait(0.05):
                self.wfile.write(b"P")
        elif path == "elsewhere":
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
        elif path in self.server.files:
            self._head(200, len(self.server.files[path]))
            self.wfile.write(self.server.files[path])
        else:
            self._head(500, 0)

    def _head(self, status: int, size: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what the client says, not the server's log."""


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Bank() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def test_fresh_rates_are_used(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(with_a_new_row(embedded_text()))
    embedded = load("ecb", today=TODAY)
    fresh = load("ecb", today=TODAY, fresh=True, ecb_url=bank.url("hist.zip"))
    assert fresh.origin == f"European Central Bank, fetched through {NEWEST}"
    assert fresh.notes == ()
    assert len(fresh.frame) == len(embedded.frame) + 1
    assert fresh.frame.iloc[:-1].equals(embedded.frame)
    assert fresh.serialised().startswith(embedded.serialised())


def test_redirect_within_the_rules_is_followed(bank: Bank) -> None:
    bank.files["hist.zip"] = zipped(embedded_text())
    bank.redirect = bank.url("hist.zip")
    assert ecb_rates.fetch(bank.url("elsewhere")).days == ecb_rates.embedded().days


def shrunk(text: str) -> str:
    return "\n".join(text.split("\n")[:-2])


def without_yen(text: str) -> str:
    return text.replace("JPY", "XXX", 1)


def with_a_zero(text: str) -> str:
    header, newest, rest = text.split("\n", 2)
    return "\n".join([header, f"{newest[:10]},0,{newest.split(',', 2)[2]}", rest])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no zip of the ECB's history"),
        (b"<html>maintenance</html>", "no zip of the ECB's history"),
        (zipped(embedded_text())[:-1000], "no zip of the ECB's history"),
        (zipped(embedded_text()).replace(b"\x00", b"\x01"), "no zip of the ECB's history"),
        (zipped("a", "b"), "not one file of at most"),
        (zipped("0" * (ecb_rates.MAX_BYTES + 1)), "not one file of at most"),
        (b"0" * (ecb_rates.MAX_BYTES + 1), "over the limit of"),
        (zipped(""), "the file is empty"),
        (zipped(shrunk(embedded_text())), "fewer than the embedded"),
        (zipped(without_yen(embedded_text())), "lacks jpy, which the embedded history has"),
        (zipped(with_a_zero(embedded_text())), "close: 1 zero price: row 2"),
    ],
)
def test_bad_file_falls_back_to_the_embedded_one(bank: Bank, ecb: PriceTable, content: bytes, why: str) -> None:
    bank.files["hist.zip"] = content
    table = load("ecb", today=TODAY, fresh=True, ecb_url=bank.url("hist.zip"))
    assert table.sha256 == ecb.sha256
    (note,) = table.notes
    assert note.startswith(f"warning: using the embedded rates, which end {ecb.frame.index[-1].date()}: {bank.url('')}")
    assert why in note


def test_server_error_and_dead_server_fall_back(bank: Bank, ecb: PriceTable) -> None:
    dead = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    dead.server_close()
    for url, why in (
        (bank.url("missing"), "HTTP Error 500"),
        (f"http://127.0.0.1:{dead.server_port}/hist.zip", "refused"),
    ):
        table = load("ecb", today=TODAY, fresh=True, ecb_url=url)
        assert table.sha256 == ecb.sha256
        assert why in table.notes[0]


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_slow_server_is_given_up(bank: Bank, path: str) -> None:
    with pytest.raises(PriceError, match=r"cannot be fetched .*(timed out|not complete within 0.3 s)"):
        ecb_rates.fetch(bank.url(path), timeout_s=0.3)


@pytest.mark.parametrize("url", ["http://example.com/x.zip", "http:///x", "ftp://127.0.0.1/x", "file:///x.zip", ""])
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(PriceError, match="rates are fetched over https only"):
        ecb_rates.fetch(url)


def test_redirect_to_plain_http_elsewhere_is_not_followed(bank: Bank) -> None:
    bank.redirect = "http://example.com/x.zip"
    with pytest.raises(PriceError, match="rates are fetched over https only"):
        ecb_rates.fetch(bank.url("elsewhere"))


@pytest.mark.parametrize("url", ["http://[::1", "https://", "http://127.0.0.1:x/", "http://127.0.0.1/a b"])
def test_malformed_address_is_a_price_error(url: str) -> None:
    with pytest.raises(PriceError, match="cannot be fetched"):
        ecb_rates.fetch(url)


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
    with pytest.raises(PriceError, match=rf"{pair}: no pair of two of AUD, .*EUR.*USD.*; choose another or use a CSV"):
        load("ecb", today=TODAY, pair=pair)
