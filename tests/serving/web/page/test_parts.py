"""The small parts of the page, each against a law or an oracle."""

import html
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup
from scipy import stats

from lambda_fn.currency_pairs import price_digits
from lambda_fn.web.page.charts import Scale, decimals, element, path, whiskers
from lambda_fn.web.page.formats import (
    backquoted,
    day,
    day_text,
    number,
    number_attributes,
    number_text,
    price_range,
    sentence,
)
from lambda_fn.web.page.record_view import Figure, expected_counts
from lambda_fn.web.page.render import render

# what HTML can hold: no control characters, no carriage return, no half of a pair
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


class Parsed(HTMLParser):
    """The elements, attributes and text of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(text))  # Markup would escape what it is added to
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


def test_markup_stays_and_attributes_of_none_are_left_out() -> None:
    inner = element("b", "<")
    assert inner == "<b>&lt;</b>" and isinstance(inner, Markup)
    assert element("p", "a & ", inner, "c") == "<p>a &amp; <b>&lt;</b>c</p>"
    assert element("rect", class_="x", data_n="1", id=None, y=2.50) == '<rect class="x" data-n="1" y="2.5"></rect>'


@given(TEXTS)
def test_text_is_escaped_beside_code(text: str) -> None:
    for markup, tags in ((sentence(f"first: eurusd ingest; {text}"), 1), (backquoted(text), None)):
        parsed = Parsed(markup)
        assert {tag for tag, _ in parsed.tags} <= {"code"}
        assert tags is None or len(parsed.tags) >= tags
    assert Parsed(backquoted(text)).text == text.replace("`", "")


def test_a_template_without_its_data_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="problem"):
        render("error.html")


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
def test_expected_counts_are_the_binomials(days: int, share: float) -> None:
    expected = [int(stats.binom.ppf(tail, days, share)) for tail in (0.025, 0.975)]
    assert list(expected_counts(days, share)) == expected


def test_of_a_hundred_days_72_to_88_are_expected() -> None:
    assert expected_counts(100, 0.8) == (72, 88)
    assert expected_counts(4310, 0.8) == (3396, 3499)


def test_whiskers_share_a_scale_and_show_an_interval_where_there_is_one() -> None:
    both, alone, empty = whiskers([Figure(0.5, 0.0, 1.0), Figure(0.25, None, None), None], 0.5)
    assert Parsed(both).tags[1:] == [
        ("line", {"x1": "50.00%", "x2": "50.00%", "y1": "0", "y2": "100%", "class": "zero"}),
        ("line", {"x1": "3.70%", "x2": "96.30%", "y1": "50%", "y2": "50%"}),
        ("circle", {"cx": "50.00%", "cy": "50%", "r": "3.5"}),
    ]
    assert [tag for tag, _ in Parsed(alone).tags] == ["svg", "line", "circle"]
    assert empty == ""


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
    assert number_text(value, digits, kind) == text
    parsed = Parsed(number(value, digits, kind))
    assert parsed.text == text
    [(_, attributes)] = parsed.tags
    data = {name.replace("_", "-"): text for name, text in number_attributes(value, digits, kind).items()}
    assert attributes == {"class": "n", **data}
    assert float(str(attributes["data-n"])) == value


def test_prices_have_the_digits_of_their_quotation() -> None:
    assert [price_digits(price) for price in (0.85, 1.1, 19.0, 160.0, 12_000.0)] == [4, 4, 4, 2, 0]
    assert Parsed(price_range((1.1, 1.25))).text == "1.1000 to 1.2500"


def test_days_in_words() -> None:
    monday = date(2026, 11, 2)
    assert [day_text(monday, form) for form in ("weekday", "plain")] == ["Mon 2 Nov 2026", "2 Nov 2026"]
    assert html.unescape(day(monday)) == '<time datetime="2026-11-02">Mon 2 Nov 2026</time>'
    assert sentence("from 2026-11-02 and 2026-99-99") == "From 2 Nov 2026 and 2026-99-99."


def test_a_sentence_begins_with_a_capital_and_marks_commands() -> None:
    assert sentence("first: eurusd ingest") == "First: <code>eurusd ingest</code>."
    assert backquoted("a `b<` c") == "a <code>b&lt;</code> c"
