"""Several pairs in Chromium: the choice, what is asked of the chosen one, and the page of all."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_page import PHONE, fits
from tests.support.server_process import Server

ALL = "/api/pairs?format=html"
WIDE = """[...document.querySelectorAll('body *:not(.scrolls *)')]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth)
    .map(one => one.outerHTML.slice(0, 80)).join(' | ')"""


def test_a_pair_is_chosen_and_kept(several: Server, visit: Open) -> None:
    page = visit(several)
    expect(page).to_have_title("EUR/USD forecast")
    page.locator("#pair").select_option("GBPUSD")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_title("GBP/USD forecast")
    expect(page.locator("#pair")).to_have_value("GBPUSD")
    expect(page.locator(".brand")).to_have_text("GBP/USD")
    page.locator(".brand").click()
    expect(page).to_have_title("GBP/USD forecast")


def test_a_question_is_asked_of_the_chosen_pair_without_script(several: Server, visit: Open) -> None:
    page = visit(several, "/?pair=GBPUSD", java_script_enabled=False)
    page.locator("#price").fill("1.0900")
    page.get_by_role("button", name="Calculate").click()
    expect(page).to_have_title("GBP/USD forecast")
    answer = several.ask("GET", "/api/probability?below=1.09&horizon=1&pair=GBPUSD").json
    expect(page.locator("#likely-big")).to_contain_text(f"{answer['probability']:.1%}")


def test_all_pairs_are_shown_together_and_lead_to_each(several: Server, visit: Open) -> None:
    page = visit(several)
    page.get_by_role("link", name="All pairs").click()
    expect(page).to_have_title("All pairs")
    rows = page.locator("#each tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(3)).to_contain_text("No forecast of EURCHF yet")
    pooled = several.ask("GET", "/api/pairs").json["pooled"]["live"]
    expect(page.locator(".card").first).to_contain_text(f"{pooled['horizons'][0]['coverage']['80']['value']:.1%}")
    expect(page.locator(".card").first).to_contain_text(f"{pooled['horizons'][0]['n']:,} forecasts")
    page.get_by_role("link", name="USD/JPY").click()
    expect(page).to_have_title("USD/JPY forecast")


def test_a_pair_without_a_forecast_says_so(several: Server, visit: Open) -> None:
    page = visit(several, "/?pair=EURCHF")
    expect(page.locator("h1")).to_contain_text("No forecast")


@pytest.mark.parametrize("path", ["/", ALL])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wrong_on_a_phone_and_for_axe(several: Server, visit: Open, path: str, scheme: str) -> None:
    assert Axe().run(visit(several, path, color_scheme=scheme)).response["violations"] == []
    phone = visit(several, path, color_scheme=scheme, **PHONE)
    assert fits(phone), phone.evaluate(WIDE)
