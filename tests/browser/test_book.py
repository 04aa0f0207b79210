"""The book in Chromium: entered, bookmarked, without script, on a phone, in the dark, by keyboard and for axe."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_page import PHONE, fits
from tests.support.server_process import Server

BOOK = "/?amount=1000000&position=USD&amount=-400000&position=GBP&currency=EUR&days=5"
BAD = "/?amount=1&position=USD&amount=2&position=USD"


def answer(server: Server, positions: str, currency: str = "EUR", horizon: int = 5) -> dict[str, Any]:
    path = f"/api/book?position={positions}&currency={currency}&horizon={horizon}"
    found: dict[str, Any] = server.ask("GET", path).json
    return found


def expect_answer(page: Page, expected: dict[str, Any]) -> None:
    for position, confidence in enumerate(("95", "99")):
        loss = expected["risk"][confidence]["value_at_risk"]
        expect(page.locator("#book-output dd").nth(position)).to_have_text(f"{loss:,.0f} {expected['currency']}")
    expect(page.locator("#book-parts tbody tr")).to_have_count(len(expected["positions"]))
    for row, position in enumerate(expected["positions"]):
        contribution = position["contribution"]["95"]["value_at_risk"]
        expect(page.locator("#book-parts tbody tr").nth(row).locator("td").last).to_have_text(f"{contribution:,.0f}")


def test_a_book_is_entered_and_its_address_gives_it_again(booked: Server, visit: Open) -> None:
    page = visit(booked)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    amounts = page.locator("#book-rows input")
    expect(amounts).to_have_count(2)
    amounts.nth(0).fill("1000000")
    amounts.nth(1).fill("-400000")
    page.locator("#book-rows select").nth(1).select_option("GBP")
    expect(amounts).to_have_count(3)
    expect_answer(page, answer(booked, "USD:1000000,GBP:-400000"))
    page.locator("#book-form [name=currency]").select_option("GBP")
    page.locator("#book-form [name=days]").select_option("21")
    expected = answer(booked, "USD:1000000,GBP:-400000", "GBP", 21)
    expect_answer(page, expected)
    query = parse_qs(urlsplit(page.url).query)
    assert (query["position"][:2], query["amount"][:2]) == (["USD", "GBP"], ["1000000", "-400000"])
    assert all(urlsplit(url).path == "/" for url in asked), "the page itself, for its new address"
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    again = visit(booked, page.url.partition(str(booked.port))[2])
    expect_answer(again, expected)
    amounts.nth(1).fill("")
    expect(page.locator("#book-parts tbody tr")).to_have_count(1)


def test_without_a_script_the_form_gives_the_same(booked: Server, visit: Open) -> None:
    page = visit(booked, "/?side=above&price=1.2&horizon=3", java_script_enabled=False)
    page.locator("#book-rows input").nth(0).fill("1000000")
    page.locator("#book-rows input").nth(1).fill("-400000")
    page.locator("#book-rows select").nth(1).select_option("GBP")
    page.locator("#book-form button").click()
    expect_answer(page, answer(booked, "USD:1000000,GBP:-400000"))
    expect(page.locator("#price")).to_have_value("1.2000")
    page.locator("#likely-form button").click()
    expect_answer(page, answer(booked, "USD:1000000,GBP:-400000"))


def test_a_book_that_the_api_refuses_has_the_reason(booked: Server, visit: Open) -> None:
    page = visit(booked, BAD)
    expect(page.locator("#book-problem")).to_contain_text("USD")
    expect(page.locator("#book-rows input").first).to_have_attribute("aria-invalid", "true")
    page.locator("#book-rows select").nth(1).select_option("GBP")
    expect(page.locator("#book-problem")).to_have_count(0)
    expect(page.locator("#book-rows input").first).not_to_have_attribute("aria-invalid", "true")
    page.route("**/?amount=*", lambda route: route.fulfill(status=503, body="down"))
    page.locator("#book-rows input").first.fill("7")
    expect(page.locator("#book-output .problem")).to_be_visible()
    expect(page.locator("#book-parts")).to_have_count(0)


def test_a_book_is_entered_by_keyboard(booked: Server, visit: Open) -> None:
    page = visit(booked)
    page.locator("#book-rows input").first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("250000")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("-100000")
    expect_answer(page, answer(booked, "USD:250000,CHF:-100000"))
    expect(page.locator("#book-rows input").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect_answer(page, answer(booked, "USD:250000,CHF:-100000"))


def test_numbers_of_the_book_are_german_for_a_german_browser(booked: Server, visit: Open) -> None:
    page = visit(booked, BOOK, locale="de-DE")
    page.locator("#book-rows input").first.fill("2000000")
    loss = answer(booked, "USD:2000000,GBP:-400000")["risk"]["95"]["value_at_risk"]
    expect(page.locator("#book-output strong")).to_have_text(f"{loss:,.0f} EUR".replace(",", "."))


@pytest.mark.parametrize("path", [BOOK, BAD])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_axe_finds_nothing(booked: Server, visit: Open, path: str, scheme: str) -> None:
    page = visit(booked, path, color_scheme=scheme, **PHONE)
    assert fits(page)
    edge = page.evaluate("document.querySelector('#book').getBoundingClientRect().right")
    inside = "[...document.querySelectorAll('#book *')].every(it => it.getBoundingClientRect().right <= %f)"
    assert page.evaluate(inside % edge)
    assert Axe().run(page).response["violations"] == []
