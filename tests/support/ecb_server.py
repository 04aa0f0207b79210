"""A stand-in for the ECB: a real HTTP server with one answer a path, and files in the ECB's form."""

import io
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.merge import FIRST_DAY

DAYS = next_business_days(FIRST_DAY - timedelta(days=1), 40, "ecb")


class Bank(ThreadingHTTPServer):
    """/slow sends nothing and /drip a byte now and then, until closed; /cut ends early, /elsewhere redirects,
    unknown paths fail."""

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
        elif path == "cut":
            self._head(200, 10_000)
            self.wfile.write(b"PK")
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


@contextmanager
def running() -> Iterator[Bank]:
    """A bank on a free port of this machine."""
    with Bank() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def zipped(*texts: str) -> bytes:
    """A zip of these files, the same bytes whenever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, text in enumerate(texts):
            archive.writestr(zipfile.ZipInfo(f"{i}.csv"), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def rates(days: Sequence[date]) -> dict[str, list[str]]:
    """A row a day as the ECB writes it: USD, JPY, GBP, and a currency that was given up after the fifth day."""
    return {
        day.isoformat(): [f"1.{1500 + i}", f"{130 + i / 100:g}", f"0.{7100 + i}", "13.5" if i < 5 else "N/A"]
        for i, day in enumerate(days)
    }


def history(rows: Mapping[str, Sequence[str]] | int, currencies: Sequence[str] = ("USD", "JPY", "GBP", "EEK")) -> bytes:
    """The ECB's zip of these rows, newest first, a comma at each line's end; a number: of the first business days."""
    cells = rates(DAYS[:rows]) if isinstance(rows, int) else rows
    lines = [["Date", *currencies], *([day, *cells[day]] for day in sorted(cells, reverse=True))]
    return zipped("".join(",".join([*line, ""]) + "\n" for line in lines))
