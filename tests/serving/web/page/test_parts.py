"""The small parts of the page, each against a law or an oracle."""

import html
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.web.page.chance import likely_counts
from lambda_fn.web.page.figures import day, marked, number, price_digits, words
from lambda_fn.web.page.markup import Markup, element, joined
from lambda_fn.web.page.scale import Scale, decimals, path

# what HTML can hold: no control characters, no carriage return, no half of a pair
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


class Parsed(HTMLParser):
    """The elements, attributes and text of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS, TEXTS)
def test_no_text_is_ever_markup(child: str, value: str) -> None:
    parsed = Parsed(element("p", child, title=value))
    assert parsed.tags == [("p", {"title": value})]
    assert parsed.text == child


def test_markup_stays_and_what_is_none_is_left_out() -> None:
    inner = element("b", "<")
    assert inner == "<b>&lt;</b>"
    assert joined(["a & ", [inner, None], ("c",)]) == "a &amp; <b>&lt;</b>c"
    made = element("input", class_="x", data_n="1", required=True, hidden=False, id=None, max=2.50)
    assert made == '<input class="x" data-n="1" required max="2.5">'
    assert isinstance(made, Markup)


@given(st.floats(0.01, 1e5), st.floats(1e-4, 1e3), st.integers(2, 10))
def test_ticks_are_round_few_and_within(low: float, width: float, most: int) -> None:
    scale = Scale.of([low, low + width])
    ticks = scale.ticks(most)
    assert ticks == sorted(set(ticks))
    assert 1 <= len(ticks) <= most + 1
    assert all(scale.low - 1e-6 <= tick <= scale.high + 1e-6 for tick in ticks)
    assert scale.at(scale.high) == 0
    assert scale.at(scale.low) == 100


def test_decimals_tell_ticks_apart() -> None:
    assert decimals([1.1, 1.12]) == 2
    assert decimals([110.0, 120.0]) == 0
    assert decimals([0.025, 0.05]) == 3


def test_one_value_alone_has_a_scale() -> None:
    assert Scale.of([1.1, 1.1]).at(1.1) == 50
    assert Scale.of([0.0]).at(0.0) == 50
    assert path([(0, 1.5), (100, 2)]) == "M0 1.5L100 2"


@given(st.integers(1, 400), st.sampled_from([0.5, 0.8, 0.95]))
def test_chance_is_the_binomials(days: int, share: float) -> None:
    expected = [int(stats.binom.ppf(tail, days, share)) for tail in (0.025, 0.975)]
    assert list(likely_counts(days, share)) == expected


def test_of_a_hundred_days_72_to_88_are_chance() -> None:
    assert likely_counts(100, 0.8) == (72, 88)
    assert likely_counts(4310, 0.8) == (3396, 3499)


@pytest.mark.parametrize(
    ("value", "digits", "kind", "text"),
    [
        (1.1172, 4, "price", "1.1172"),
        (12345.6, 0, "price", "12,346"),
        (0.7981, 1, "percent", "79.8%"),
        (0.0122, 2, "signed", "+1.22%"),
        (-0.0576, 1, "signed", "-5.8%"),
        (0.0, 2, "signed", "0.00%"),
        (-1e-9, 0, "signed", "0%"),
    ],
)
def test_numbers_in_english(value: float, digits: int, kind: str, text: str) -> None:
    assert marked(value, digits, kind)[0] == text
    assert Parsed(number(value, digits, kind)).text == text
    assert float(str(marked(value, digits, kind)[1]["data_n"])) == value


def test_prices_have_the_digits_of_their_quotation() -> None:
    assert [price_digits(price) for price in (0.85, 1.1, 19.0, 160.0, 12_000.0)] == [4, 4, 4, 2, 0]


def test_days_in_words() -> None:
    found = date(2026, 11, 2)
    forms = [words(found, form) for form in ("long", "plain", "short", "year")]
    assert forms == ["Monday, 2 November 2026", "2 November 2026", "Mon 2 Nov", "2 Nov 2026"]
    assert html.unescape(day(found)) == '<time datetime="2026-11-02">Mon 2 Nov</time>'
