"""Chromium and real servers: each on a folder in one of the states that the page can be in."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lambda_fn.record import all_pairs, correlations
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.browser import chromium as chromium_here
from tests.support import page_store
from tests.support.server_process import Server, running

SCORED = 70
LATE, EXPIRED = 4, 30  # business days
Open = Callable[..., Page]
FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = chromium_here.find()
    if found is None:
        pytest.exit(chromium_here.MISSING, returncode=2)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(chromium_here.FLAGS))
        yield browser
        browser.close()


@contextmanager
def serving(folder: Path, **environ: str) -> Iterator[Server]:
    """A server on `folder/store`, which it asks each time."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    variables = {"STORE_DIR": str(store), "CHAMPION_MAX_AGE_S": "0", **environ}
    with running(folder, variables, "--refresh-every", "0") as server:
        yield server


def today() -> date:
    return datetime.now(UTC).date()


def filled(folder: Path, days: int, scored: int = 0) -> Iterator[Server]:
    """A server with the forecast of so many business days ago."""
    page_store.fill(folder / "store", page_store.business_day_ago(days, today()), scored=scored)
    with serving(folder) as server:
        yield server


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With today's forecast, a live record and a backtest."""
    yield from filled(tmp_path_factory.mktemp("fresh"), 0, scored=SCORED)


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three pairs, of which one has a record of days that are scored; nothing is published of a fourth."""
    folder = tmp_path_factory.mktemp("several")
    for pair, scored in (("EURUSD", SCORED), ("GBPUSD", 20), ("USDJPY", 0)):
        page_store.fill(folder / "store", page_store.business_day_ago(0, today()), scored=scored, pair=pair)
    pairs = "EURUSD,GBPUSD,USDJPY,EURCHF"
    settings = Settings.from_env({"STORE_DIR": str(folder / "store"), "PAIRS": pairs})
    all_pairs.write(open_store(settings), settings.pairs, datetime.now(UTC))
    with serving(folder, PAIRS=pairs) as server:
        yield server


def fill_books(folder: Path) -> str:
    """Fill `folder/store` with today's forecasts of three euro pairs; return the pairs."""
    pairs = ("EURUSD", "EURGBP", "EURCHF")
    for pair, spread in zip(pairs, (0.02, 0.015, 0.01), strict=True):
        page_store.fill(folder / "store", page_store.business_day_ago(0, today()), spread=spread, pair=pair)
    settings = Settings.from_env({"STORE_DIR": str(folder / "store"), "PAIRS": ",".join(pairs)})
    correlations.write(open_store(settings), pairs, datetime.now(UTC))
    return ",".join(pairs)


@pytest.fixture(scope="session")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three euro pairs, whose currencies a book may have."""
    folder = tmp_path_factory.mktemp("booked")
    with serving(folder, PAIRS=fill_books(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from filled(tmp_path_factory.mktemp("late"), LATE)


@pytest.fixture(scope="session")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from filled(tmp_path_factory.mktemp("expired"), EXPIRED)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Where nothing was ever published."""
    with serving(tmp_path_factory.mktemp("empty")) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember for `visit` that the test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def visit(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a server as a visitor of some kind.

    Fails when the page reported an error or asked for anything but itself. A failed test leaves pictures of its pages.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def visit(server: Server, path: str = "/", **of_context: Any) -> Page:
        context = chromium.new_context(**({"locale": "en-US"} | of_context))
        contexts.append(context)
        page = context.new_page()
        home = f"http://127.0.0.1:{server.port}"
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((home, "data:")) else None)
        page.goto(home + path)
        return page

    def errors() -> list[str]:
        return [words for words in wrong if "503" not in words]

    yield visit
    if errors() or request.node.stash.get(FAILED, False):
        for number, page in enumerate(page for context in contexts for page in context.pages):
            page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
        sys.stderr.write(f"pictures in {tmp_path}\n")
    for context in contexts:
        context.close()
    assert errors() == []


def open_details(page: Page) -> None:
    """Show what the page keeps folded."""
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
