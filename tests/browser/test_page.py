"""The page in Chromium: its values are the API's, in every state, on a phone, in the dark, in German, scriptless."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from matplotlib import image
from playwright.sync_api import Browser, Page, expect

from lambda_fn.web.page.formats import day_text
from tests.browser import picture
from tests.browser.conftest import Open
from tests.support.project import ROOT
from tests.support.server_process import Server

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
QUESTIONS = [
    *(("below", "1.0950", 1), ("below", "1.1000", 5), ("above", "1.1100", 21), ("above", "1.0900", 3)),
    *(("below", "0.5000", 2), ("above", "0.5000", 2), ("below", "1.3000", 10), ("above", "1.1050", 7)),
    *(("touch", "1.0900", 5), ("touch", "1.1300", 21)),
]
ROWS = "#fan-values tbody tr"


def days(server: Server) -> list[dict[str, Any]]:
    forecast: list[dict[str, Any]] = server.ask("GET", "/api/predict?horizon=21").json["forecast"]
    return forecast


def probability_of(server: Server, side: str, price: str, horizon: int) -> dict[str, Any]:
    answer: dict[str, Any] = server.ask("GET", f"/api/probability?{side}={price}&horizon={horizon}").json
    return answer


def in_english(answer: dict[str, Any]) -> str:
    bound = {"at_most": "less than ", "at_least": "more than ", None: ""}[answer["bound"]]
    return f"{bound}{answer['probability']:.1%}"


CUT_CELLS = """() => [...document.querySelectorAll("th, td")].filter(cell => {
    if (cell.parentElement.parentElement.clientWidth <= 1) return false
    const text = document.createRange(), box = cell.getBoundingClientRect()
    text.selectNodeContents(cell)
    const inner = text.getBoundingClientRect()
    const isText = inner.width > 0 && box.width > 1 && !cell.querySelector("svg")
    return isText && (inner.left < box.left - 1 || inner.right > box.right + 1)
}).map(cell => cell.innerText)"""


def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side, of the page or of a cell of a table."""
    assert page.evaluate(CUT_CELLS) == []
    result: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return result


def test_the_first_thing_seen_is_the_next_day(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    bounds = days(fresh)[0]["intervals"]["80"]
    expect(page.locator("h1")).to_contain_text(f"{bounds['lower']:.4f} to {bounds['upper']:.4f}")
    as_of = date.fromisoformat(fresh.ask("GET", "/api/predict").json["as_of"])
    expect(page.locator(".notice.fresh")).to_have_text(re.compile(rf"^Fresh .* {day_text(as_of, 'plain')}, "))
    expect(page).to_have_title("EUR/USD forecast")


def test_how_likely_it_is_as_the_api_says(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    for side, price, horizon in QUESTIONS:
        page.locator("#side").select_option(side)
        page.locator("#horizon").select_option(str(horizon))
        page.locator("#price").fill(price)
        answer = probability_of(fresh, side, price, horizon)
        expect(page.locator("#likely-big")).to_have_text(in_english(answer))
        day = days(fresh)[horizon - 1]
        expect(page.locator("#likely-low")).to_have_text(f"{day['quantiles']['0.05']:.4f}")
        expect(page.locator("#likely-high")).to_have_text(f"{day['quantiles']['0.95']:.4f}")
        expect(page.locator("#likely-day")).to_have_text(day_text(date.fromisoformat(day["date"])))
        expect(page.locator("#likely-when")).to_have_text("by" if side == "touch" else "on")
        expect(page.locator("#likely-touch")).to_be_visible(visible=side == "touch")


def test_values_are_shown_under_the_pointer(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    plot = page.locator("#forecast .plot")
    readout = page.locator("#forecast .readout")
    expect(readout).to_be_hidden()
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 50)
    bounds = days(fresh)[-1]["intervals"]["95"]
    expect(readout).to_be_visible()
    expect(readout).to_contain_text(f"{bounds['lower']:.4f} to {bounds['upper']:.4f}")
    page.mouse.move(box["x"] + 1, box["y"] + 50)
    expect(readout).to_contain_text("Rate or median")
    expect(readout).not_to_contain_text("95%")


def test_values_are_told_by_keyboard(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    chart = page.get_by_role("slider").first
    chart.focus()
    last = fresh.ask("GET", "/api/predict").json["last_close"]
    expect(chart).to_have_attribute("aria-valuetext", re.compile(f"Rate or median {last:.4f}$"))
    page.keyboard.press("ArrowRight")
    bounds = days(fresh)[0]["intervals"]["80"]
    text = f"80% {bounds['lower']:.4f} to {bounds['upper']:.4f}"
    expect(chart).to_have_attribute("aria-valuetext", re.compile(re.escape(text)))
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuenow", str(page.locator(ROWS).count()))
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("Escape")
    expect(page.locator("#forecast .readout")).to_be_hidden()


def test_the_record_is_told_by_keyboard_too(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    chart = page.get_by_role("slider").nth(1)
    chart.focus()
    page.keyboard.press("End")
    newest = fresh.ask("GET", "/api/history?days=1").json["days"][0]
    text = f"Outcome {newest['outcome']:.4f}, Percentile {newest['pit']:.1%}, "
    expect(chart).to_have_attribute("aria-valuetext", re.compile(re.escape(text)))


def test_numbers_are_german_for_a_german_browser(fresh: Server, visit: Open) -> None:
    page = visit(fresh, locale="de-DE")
    bounds = days(fresh)[0]["intervals"]["80"]
    shown = [f"{bounds[name]:.4f}".replace(".", ",") for name in ("lower", "upper")]
    expect(page.locator("h1")).to_contain_text(" to ".join(shown))
    answer = probability_of(fresh, "below", page.locator("#price").input_value(), 1)
    expect(page.locator("#likely-big")).to_have_text(f"{100 * answer['probability']:.1f}\xa0%".replace(".", ","))
    expect(page.locator("#record")).to_contain_text("3.440 of 4.310 days")
    expect(page.locator("#forecast .axis.left text").first).to_have_text(re.compile(r"^\d,\d+$"))


def test_without_a_script_it_says_the_same(fresh: Server, visit: Open) -> None:
    page = visit(fresh, java_script_enabled=False)
    bounds = days(fresh)[0]["intervals"]["80"]
    expect(page.locator("h1")).to_contain_text(f"{bounds['lower']:.4f} to {bounds['upper']:.4f}")
    page.locator("#side").select_option("above")
    page.locator("#price").fill("1.1050")
    page.locator("#horizon").select_option("3")
    page.get_by_role("button", name="Calculate").click()
    expect(page.locator("#likely-big")).to_have_text(in_english(probability_of(fresh, "above", "1.105", 3)))
    expect(page.locator("#price")).to_have_value("1.1050")
    page.locator("#forecast summary").click()
    expect(page.locator("#fan-values")).to_be_visible()


def test_an_address_asks_the_question_with_a_script_too(fresh: Server, visit: Open) -> None:
    query = urlencode({"side": "above", "price": "1.1", "horizon": "2"})
    page = visit(fresh, f"/?{query}")
    expect(page.locator("#likely-big")).to_have_text(in_english(probability_of(fresh, "above", "1.1", 2)))


def test_a_question_that_the_api_refuses_has_its_reason_instead_of_a_number(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    body = json.dumps({"detail": "below=9 is refused", "cure": "give another"})
    page.route("**/api/probability*", lambda route: route.fulfill(status=503, body=body))
    page.locator("#price").fill("9")
    expect(page.locator("#likely-problem")).to_have_text("below=9 is refused; give another")
    expect(page.locator("#likely-big")).not_to_contain_text("%")
    page.unroute("**/api/probability*")
    page.locator("#price").fill("1.0950")
    expect(page.locator("#likely-big")).to_have_text(in_english(probability_of(fresh, "below", "1.095", 1)))
    expect(page.locator("#likely-problem")).to_be_hidden()


def test_an_invalid_entry_is_reported_beside_its_field_and_clears_the_answer(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    for entry in ("", "-1"):
        page.locator("#price").fill(entry)
        expect(page.locator("#likely-form #likely-problem")).to_have_text("Enter a price above 0.")
        expect(page.locator("#price")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#likely-big")).to_have_text("\N{EN DASH}")
        expect(page.locator("#likely-tails")).to_be_hidden()
        page.locator("#price").fill("1.1")
        expect(page.locator("#likely-problem")).to_be_hidden()
        expect(page.locator("#likely-big")).to_contain_text("%")


CUT = """[...document.querySelectorAll('table, nav a')].filter(one => {
    const parent = one.parentElement.closest('.scroll, .card, main, header');
    const box = one.getBoundingClientRect();
    return one.checkVisibility() && !one.closest('details') &&
        (box.width === 0 || box.right > parent.getBoundingClientRect().right + 1);
}).map(one => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", [360, 768])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_table_is_cut_and_no_menu_entry_disappears(fresh: Server, visit: Open, path: str, width: int) -> None:
    page = visit(fresh, path, viewport={"width": width, "height": 800})
    assert fits(page)
    assert page.evaluate(CUT) == []
    links = page.locator("header nav a")
    assert [link.is_visible() for link in links.all()] == [True] * 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(fresh: Server, visit: Open, scheme: str) -> None:
    page = visit(fresh, color_scheme=scheme, **PHONE)
    assert fits(page)
    expect(page.locator("#days tbody th").first).to_contain_text("%", use_inner_text=True)  # the volatility
    page.locator("#forecast summary").click()
    assert fits(page)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark))) < 200) == (scheme == "dark")


def test_a_late_forecast_says_so_and_marks_today(late: Server, visit: Open) -> None:
    page = visit(late)
    expect(page.locator(".notice.late")).to_contain_text("newer prices")
    expect(page.locator(".notice.late .cure")).to_contain_text("wider than usual")
    expect(page.locator("#forecast rect[fill='url(#hatch)']")).to_be_visible()
    expect(page.locator("text.today")).to_have_text("today")
    expect(page.locator("h1")).to_contain_text("EUR/USD on ")


def test_an_expired_forecast_says_so_first(expired: Server, visit: Open) -> None:
    page = visit(expired)
    expect(page.locator(".notice.expired")).to_contain_text("has begun")
    expect(page.locator("h1")).to_contain_text("No current forecast")
    expect(page.locator("#book-parts")).to_have_count(0)


def test_without_a_forecast_it_says_what_to_do(empty: Server, visit: Open) -> None:
    page = visit(empty, **PHONE)
    expect(page.locator("h1")).to_contain_text("No forecast")
    expect(page.locator(".lead code")).to_have_text(re.compile("^eurusd run .*EURUSD$"))
    assert fits(page)


def test_when_the_store_is_down_the_last_known_is_shown(fresh: Server, visit: Open) -> None:
    store = fresh.log.parent / "store"
    before = visit(fresh).locator("h1").text_content()
    store.rename(store.with_name("gone"))
    try:
        page = visit(fresh)
        expect(page.locator(".notice.down")).to_contain_text("Storage unavailable ")
        expect(page.locator(".notice.down")).to_contain_text("newer forecasts")
        assert page.locator("h1").text_content() == before
    finally:
        store.with_name("gone").rename(store)


def test_the_picture_of_the_readme_is_the_chart(fresh: Server, chromium: Browser, tmp_path: Path) -> None:
    picture.take(chromium, f"http://127.0.0.1:{fresh.port}/", tmp_path / "forecast.png")
    width, height = image.imread(tmp_path / "forecast.png").shape[:2]
    assert (width, height) == image.imread(ROOT / "docs/forecast.png").shape[:2]
