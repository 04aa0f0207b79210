"""Every surface that shows a forecast says how old it is, by a fresh, a late, an expired and a wrong clock.

A surface is listed in SURFACES; a route that answers from the official forecast and is not listed fails a test.
"""

import contextlib
import csv
import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from matplotlib.patches import Rectangle

from lambda_fn.api import App, handle_event
from lambda_fn.client import Client
from lambda_fn.record import correlations
from lambda_fn.record.official_forecast import Official
from lambda_fn.record.timeliness import CONSEQUENCES, STATES, State, assess
from lambda_fn.settings import Settings
from lambda_fn.store.keys import forecast_key
from lambda_fn.store.s3 import open_store
from lambda_fn.web.page.formats import day_text
from tests.support import page_store, records
from tests.support.events import event
from training.__main__ import main
from training.commands import command, forecast_files

AS_OF = date(2026, 10, 30)
DAYS: dict[State, int] = {"fresh": 3, "late": 12, "expired": 45, "unknown": -2}  # calendar days after AS_OF
NEXT: dict[State, str | None] = {"fresh": "2026-11-03", "late": "2026-11-12", "expired": None, "unknown": "2026-11-02"}
HORIZONS = {"fresh": 2, "late": 9, "expired": 21, "unknown": 1}
SENTENCES: dict[State, str] = {
    "fresh": r".*\b2026-10-30, 1 business ",
    "late": r".*\b2026-10-30, 8 business .*; 8 of the 21 .*\boverdue",
    "expired": r"No current forecast: .*\b2026-10-30, 31 business ",
    "unknown": r".*\bclock are wrong: .*\b2026-10-30, .*\b2026-10-28",
}


class World:
    """Two pairs with a forecast of AS_OF, at a clock."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        self.now = datetime(2026, 10, 30, 9, tzinfo=UTC) + timedelta(days=DAYS[state])
        settings = Settings.from_env({"STORE_DIR": str(folder), "PAIRS": "EURUSD,GBPUSD"})
        self.app = App(open_store(settings), settings, self.now.timestamp)

    def body(self, path: str, **query: str) -> str:
        answer = handle_event(self.app, event("GET", path, query))
        assert answer["statusCode"] == 200, answer
        return str(answer["body"])

    def json(self, path: str, **query: str) -> Any:
        return json.loads(self.body(path, **query))

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code and the standard output of `python -m training` at this clock, 200 columns wide."""

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> "Clock":
                return cls.fromtimestamp(self.now.timestamp(), tz)

        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
            patch.setenv("STORE_DIR", str(self.folder))
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder}/none.db")
            patch.setattr(command, "datetime", Clock)
            patch.chdir(self.folder)
            code = main([*arguments, "--wide"])
        return code, out.getvalue()


class Transport(httpx.BaseTransport):
    """Answers the requests of a client by a world's application."""

    def __init__(self, world: World) -> None:
        self._world = world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=self._world.body(request.url.path, **dict(request.url.params)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outdated")
    for pair in ("EURUSD", "GBPUSD"):
        page_store.fill(folder, AS_OF, pair=pair)
    store = open_store(Settings.from_env({"STORE_DIR": str(folder)}))
    correlations.write(store, ["EURUSD"], datetime(2026, 10, 30, 17, tzinfo=UTC))
    return folder


@pytest.fixture(params=STATES)
def world(folder: Path, request: pytest.FixtureRequest) -> World:
    return World(folder, request.param)


def check_age(age: Any, state: State) -> None:
    assert age["state"] == state
    assert re.match(SENTENCES[state], age["sentence"])
    assert age["next_day"] == NEXT[state]


def check_predict(world: World) -> None:
    answer = world.json("/api/predict")
    check_age(answer["age"], world.state)
    assert answer["stale"] is (world.state != "fresh")
    assert (answer["stale_reason"] or "").startswith("" if world.state == "fresh" else answer["age"]["sentence"])
    ahead = [day for day in answer["forecast"] if NEXT[world.state] and day["date"] >= str(NEXT[world.state])]
    assert len(ahead) == {"fresh": 4, "late": 5, "expired": 0, "unknown": 5}[world.state]
    assert len(world.json("/api/predict", horizon="3")["forecast"]) == 3


def check_probability(world: World) -> None:
    answer = world.json("/api/probability", below="1.1")
    check_age(answer["age"], world.state)
    assert answer["horizon"] == HORIZONS[world.state]
    assert answer["sentence"].startswith("No current forecast: ") == (world.state == "expired")
    assert answer["sentence"].endswith("day has begun") == (world.state == "expired")
    first = world.json("/api/probability", below="1.1", horizon="1")["sentence"]
    assert first.endswith("day has begun") == (world.state != "unknown")


def check_health(world: World) -> None:
    answer = world.json("/health")
    check_age(answer["age"], world.state)
    assert answer["status"] == ("ok" if world.state == "fresh" else world.state)


def check_champion(world: World) -> None:
    check_age(world.json("/api/champion")["age"], world.state)


def check_pairs(world: World) -> None:
    for row in world.json("/api/pairs")["pairs"]:
        check_age(row["age"], world.state)
        assert row["champion"] == f"{row['pair']}_Foreign" and row["backtest"]["days"] == 4310


def check_csv(world: World) -> None:
    rows = list(csv.DictReader(io.StringIO(world.body("/api/predict", format="csv"))))
    assert {row["age_state"] for row in rows} == {world.state}


def check_book(world: World) -> None:
    answer = world.json("/api/book", position="USD:1000")
    check_age(answer["age"], world.state)
    assert answer["horizon"] == HORIZONS[world.state]
    assert answer["sentence"].startswith("No current forecast: ") == (world.state == "expired")
    first = world.json("/api/book", position="USD:1000", horizon="1")["sentence"]
    assert first.endswith("day has begun") == (world.state != "unknown")


def check_book_csv(world: World) -> None:
    rows = list(csv.DictReader(io.StringIO(world.body("/api/book", position="USD:1000", format="csv"))))
    assert {row["age_state"] for row in rows} == {world.state}


def check_page(world: World) -> None:
    page = world.body("/", format="html")
    consequence, next_day = CONSEQUENCES[world.state], NEXT[world.state]
    assert consequence in page and "eurusd ingest" not in page
    heading = re.sub(r"<[^>]+>", "", page.partition("<h1")[2].partition("</h1>")[0])
    assert ("No current forecast" in heading) == (world.state == "expired")
    assert ('id="book-parts"' in page) == (world.state != "expired")
    if next_day:
        day = date.fromisoformat(next_day)
        assert day_text(day) in heading, "the head"
        offered = re.search(r'<select name="days">\s*<option value="(\d+)"[^>]*>([^<]*)<', page)
        assert offered and offered.groups() == (str(HORIZONS[world.state]), day_text(day)), "the book"
        chosen = re.findall(r'<option value="(\d+)"( selected)? data-date="([^"]+)"', page)
        assert chosen[0] == (str(HORIZONS[world.state]), " selected", next_day), "the form"
        days = page.partition('<table class="days">')[2].partition("<tbody>")[2].partition("</tr>")[0]
        assert day_text(day) in days and "next business day" in days, "the table of days"


def check_all_pairs(world: World) -> None:
    page = world.body("/api/pairs", format="html")
    assert page.count("not yet") == 0 and page.count("Foreign") == 2
    words = {"fresh": "", "late": "outdated", "expired": "no current forecast", "unknown": "wrong date"}
    assert page.count(f'<small class="{world.state}">{words[world.state]}</small>') == 2 * (world.state != "fresh")


def check_page_plot(world: World) -> None:
    chart = world.body("/", format="html").partition('<section id="forecast"')[2].partition("</section>")[0]
    assert ("url(#hatch)" in chart) == (world.state in ("late", "expired"))
    assert chart.count("has begun") == {"fresh": 1, "late": 8, "expired": 21, "unknown": 0}[world.state]


def check_image(world: World) -> None:
    image = world.body("/api/forecast.svg")
    assert ("url(#hatch)" in image) == (world.state in ("late", "expired"))
    age = re.search(rf'class="{world.state}">([^<]*)<', image)
    assert age and ("30 Oct 2026" in age[1]) and age[1].startswith("No current forecast") == (world.state == "expired")
    assert ("<title>No current forecast" in image) == (world.state == "expired")


def check_forecast_command(world: World) -> None:
    code, text = world.run("forecast")
    assert code == (75 if world.state == "expired" else 0)
    lead = text.splitlines()[0].removeprefix("! ")
    sentence = SENTENCES[world.state]
    assert re.match(sentence[0].upper() + sentence[1:], lead)
    days = re.findall(r"^ ?(\d{4}-\d\d-\d\d)( past)?  ", text, re.MULTILINE)
    assert days and all(bool(past) == (NEXT[world.state] is None or day < str(NEXT[world.state])) for day, past in days)
    assert world.run("forecast", "--json")[0] == code


def check_workbook(world: World) -> None:
    path = world.folder / "forecast.xlsx"
    assert world.run("forecast", "--xlsx", str(path))[0] == (75 if world.state == "expired" else 0)
    header, *rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
    assert {dict(zip(header, row, strict=True))["age_state"] for row in rows} == {world.state}


def check_fan_chart(world: World) -> None:
    response = world.json("/api/predict")
    figure = forecast_files.draw_fan(response)
    title, _, age = figure.axes[0].get_title().partition("\n")
    sentence = SENTENCES[world.state]
    is_told = re.match(sentence[0].upper() + sentence[1:], age.replace("\n", " ")) is not None
    hatched = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert AS_OF.isoformat() in title and is_told == (world.state != "fresh")
    widths = {"fresh": [], "late": [12], "expired": [7], "unknown": [0]}  # days from the close to the last one begun
    assert [patch.get_width() for patch in hatched] == widths[world.state]


def check_client(world: World) -> None:
    with Client(transport=Transport(world)) as client:
        assert {row["age_state"] for row in client.forecast().rows} == {world.state}


def check_book_command(world: World) -> None:
    book = world.folder / "book.csv"
    book.write_text("currency,amount\nUSD,1000\n")
    exit_code = 75 if world.state == "expired" else 0
    code, text = world.run("forecast", "--book", str(book))
    sentence = SENTENCES[world.state]
    is_told = re.match(sentence[0].upper() + sentence[1:], text.removeprefix("! ")) is not None
    assert (code, is_told) == (exit_code, world.state != "fresh")
    assert world.run("forecast", "--book", str(book), "--csv")[0] == exit_code


def check_status(world: World) -> None:
    code, text = world.run("status")
    assert code == 0
    row = world.state + (f", for {NEXT[world.state]} and later days" if NEXT[world.state] else "")
    assert re.search(rf"^forecast +{row} *$", text, re.MULTILINE)
    ingest = r"run eurusd ingest"
    fixes = {"fresh": None, "late": ingest, "expired": ingest, "unknown": r"check the clock .*\bprices/EURUSD-ecb\.csv"}
    fix = fixes[world.state]
    assert bool(re.search(rf"^! {SENTENCES[world.state]}[^!]*; {fix}$", text, re.MULTILINE)) == (fix is not None)
    shown = json.loads(world.run("status", "--json")[1])["forecast"]
    assert (shown["state"], shown["next_day"]) == (world.state, NEXT[world.state])


def check_terminal_plot(world: World) -> None:
    for name in ("forecast", "status"):
        lines = re.findall(r"^(\d{4}-\d\d-\d\d)( past)? .*┃", world.run(name)[1], re.MULTILINE)
        assert len(lines) == {"fresh": 5, "late": 13, "expired": 5, "unknown": 5}[world.state]
        assert sum(bool(past) for _, past in lines) == {"fresh": 1, "late": 8, "expired": 5, "unknown": 0}[world.state]


SURFACES: dict[str, Callable[[World], None]] = {
    "GET /api/predict": check_predict,
    "GET /api/probability": check_probability,
    "GET /api/book": check_book,
    "GET /health": check_health,
    "GET /api/champion": check_champion,
    "GET /api/pairs": check_pairs,
    "CSV": check_csv,
    "CSV of a book": check_book_csv,
    "page": check_page,
    "page of all pairs": check_all_pairs,
    "plot of the page": check_page_plot,
    "image": check_image,
    "forecast": check_forecast_command,
    "forecast --book": check_book_command,
    "workbook": check_workbook,
    "fan chart": check_fan_chart,
    "client": check_client,
    "status": check_status,
    "plot of the terminal": check_terminal_plot,
}


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_says_how_old_the_forecast_is(surface: str, world: World) -> None:
    SURFACES[surface](world)


def test_every_route_with_an_age_is_a_surface(world: World) -> None:
    document = world.json("/openapi.json")

    def has_age(part: object) -> bool:
        text = json.dumps(part)
        return "/Age" in text or any(
            has_age(document["components"]["schemas"][name]) for name in re.findall(r"/schemas/(\w+)", text)
        )

    gets = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}
    found = {f"GET {path}" for path, operation in gets.items() if has_age(operation["responses"]["200"])}
    assert found == {name for name in SURFACES if name.startswith("GET ")}


@pytest.mark.parametrize("state", STATES)
def test_the_log_has_the_operators_command_once(folder: Path, state: State, caplog: pytest.LogCaptureFixture) -> None:
    world = World(folder, state)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            world.json("/api/predict", pair="GBPUSD")
    lines = [line for line in caplog.messages if re.search(SENTENCES[state], line)]
    assert len(lines) == (state != "fresh")
    assert all(line.startswith("GBPUSD: ") for line in lines)
    if state in ("late", "expired"):
        assert re.search(r"; run eurusd ingest$", lines[0])


def test_the_operators_command_is_that_of_the_source() -> None:
    now = datetime(2026, 12, 30, tzinfo=UTC)
    own = assess(records.official(AS_OF, source="csv", pair="GBPUSD"), now)
    assert re.fullmatch(r"run eurusd prices --pair GBPUSD --csv FILE .*\beurusd refresh --pair GBPUSD", own.fix)
    assert re.fullmatch(r"run eurusd ingest", assess(records.official(AS_OF), now).fix)


def test_the_bytes_of_the_stored_forecast_stay(folder: Path) -> None:
    data = open_store(Settings.from_env({"STORE_DIR": str(folder)})).read(forecast_key("EURUSD")).data
    assert Official.parse(data, "EURUSD").to_json() == data
