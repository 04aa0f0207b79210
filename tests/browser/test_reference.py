"""The API's reference in Chromium: every operation, nothing that axe-core objects to, on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from lambda_fn.web.routes import ROUTES
from tests.browser.conftest import Open, open_details
from tests.browser.test_page import PHONE, fits
from tests.support.server_process import Server


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_operation_is_there_and_axe_finds_nothing(fresh: Server, visit: Open, scheme: str) -> None:
    page = visit(fresh, "/docs", color_scheme=scheme)
    expect(page.locator("h3")).to_have_count(len(ROUTES))
    shown = page.locator("h3").all_inner_texts()
    assert sorted(shown) == sorted(f"{route.method} {route.path} {route.summary}" for route in ROUTES)
    open_details(page)
    wrong = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in wrong] == []


def test_it_fits_a_phone_and_needs_no_script(fresh: Server, visit: Open) -> None:
    page = visit(fresh, "/docs", java_script_enabled=False, **PHONE)
    expect(page.locator("h3")).to_have_count(len(ROUTES))
    assert fits(visit(fresh, "/docs", **PHONE))


def test_a_get_is_tried_in_the_page(fresh: Server, visit: Open) -> None:
    page = visit(fresh, "/docs")
    form = page.locator("form.try[action='/api/predict']")
    form.locator("input[name=horizon]").fill("2")
    form.get_by_role("button").click()
    expect(form.locator("pre")).to_contain_text("GET /api/predict?horizon=2\n200\n")
    expect(form.locator("pre")).to_contain_text('"horizon": 2')
    form = page.locator("form.try[action='/v2/models/{name}']")
    form.locator("input[name=name]").fill("EURUSD_Foreign")
    form.get_by_role("button").click()
    expect(form.locator("pre")).to_contain_text("GET /v2/models/EURUSD_Foreign\n200\n")
