"""The page for who cannot see or use a mouse: axe-core finds nothing, and every part is reached by keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import Open, open_details
from tests.support.server_process import Server

ACTIVE = "(({ id, className, name, tagName }) => id || className || name || tagName)(document.activeElement)"
BOOK = ["amount", "position", "currency", "days"]
STATES = ("fresh", "booked", "late", "expired", "empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(state: str, scheme: str, request: pytest.FixtureRequest, visit: Open) -> None:
    server: Server = request.getfixturevalue(state)
    page = visit(server, color_scheme=scheme)
    open_details(page)
    wrong = Axe().run(page).response["violations"]
    told = [f"{rule['impact']} {rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in wrong]
    assert told == []


def test_axe_finds_what_is_wrong(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    page.evaluate("document.querySelector('#price').removeAttribute('aria-label')")
    assert "label" in {wrong["id"] for wrong in Axe().run(page).response["violations"]}


def test_the_tab_key_reaches_every_control_in_the_order_of_the_page(fresh: Server, visit: Open) -> None:
    page = visit(fresh)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(ACTIVE)
        if name == "BODY":
            break
        reached.append(name)
    wanted = ["brand", "chart exploring", "side", "price", "horizon", *BOOK, "chart exploring"]
    positions = iter(reached)
    assert all(name in positions for name in wanted), reached


def test_motion_and_colours_are_the_visitors(fresh: Server, visit: Open) -> None:
    page = visit(fresh, reduced_motion="reduce")
    expect(page.locator("html")).to_have_css("scroll-behavior", "auto")
