"""Two questions that people have: how likely a price is on a day, and what a position can lose."""

from lambda_fn.record.interpolation import price_at
from lambda_fn.web.errors import Problem
from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.figures import day, number, percent, price, price_digits, words
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.params import DEFAULT_HORIZON
from lambda_fn.web.probability import BOUNDS, PriceProbability

RARE = 0.05  # of the days lose more than what is told
AMOUNT = 100_000


def section(facts: Facts) -> Markup:
    return element("div", _likely(facts), _position(facts), class_="pair", id="questions")


def _likely(facts: Facts) -> Markup:
    """A form that works without JavaScript too: the page answers by its query."""
    return element(
        "section",
        element("h2", "How likely is it?", id="likely-title"),
        _form(facts),
        element("div", _answer(facts), id="likely-answer", aria_live="polite", class_="answer"),
        id="likely",
        class_="card",
        aria_labelledby="likely-title",
    )


def _form(facts: Facts) -> Markup:
    official = facts.official
    asked = facts.asked if isinstance(facts.asked, PriceProbability) else None
    side, horizon = (asked.side, asked.horizon) if asked else ("below", min(DEFAULT_HORIZON, official.horizon))
    digits = price_digits(official.last_close)
    value = f"{asked.price if asked else official.last_close:.{digits}f}"
    return element(
        "form",
        element("span", f"{facts.pair} is"),
        _select("side", "Side", [("below", "below"), ("above", "above")], side),
        element(
            "input",
            type="number",
            name="price",
            id="price",
            aria_label="Price",
            value=value,
            min="0",
            step=f"{10.0**-digits:.{digits}f}",
            required=True,
        ),
        element("span", "on"),
        _day_select(facts, horizon),
        element("input", type="hidden", name="pair", value=official.pair) if len(facts.pairs) > 1 else None,
        element("button", "Tell me", type="submit"),
        action="/#likely",
        method="get",
        id="likely-form",
    )


def _day_select(facts: Facts, horizon: int) -> Markup:
    options = [
        element(
            "option",
            f"{words(found, 'short')}, {facts.distance(i)}",
            value=str(i),
            selected=i == horizon,
            data_day=words(found, "long"),
        )
        for i, found in enumerate(facts.official.days, 1)
    ]
    return element("select", options, name="horizon", id="horizon", aria_label="Day")


def _select(name: str, label: str, choices: list[tuple[str, str]], chosen: str) -> Markup:
    options = [element("option", words, value=value, selected=value == chosen) for value, words in choices]
    return element("select", options, name=name, id=name, aria_label=label)


def _answer(facts: Facts) -> Child:
    if isinstance(facts.asked, Problem):
        return element("p", f"{facts.asked}: {facts.asked.cure}.", class_="problem")
    found, position = facts.asked, facts.asked.horizon - 1
    big = [f"{BOUNDS[found.bound]} " if found.bound else None, percent(found.probability)]
    return [
        element("p", element("output", big, id="likely-big", for_="side price horizon"), class_="big"),
        element(
            "svg",
            element("rect", width="100%", height="100%", class_="all"),
            element("rect", width=f"{found.probability:.1%}", height="100%", class_="part", id="likely-part"),
            class_="meter",
            aria_hidden="true",
        ),
        element(
            "p",
            "On ",
            element("span", day(found.day, "long"), id="likely-day"),
            " it is below ",
            element("span", price(facts.at(position, RARE)), id="likely-low"),
            f" with a probability of {RARE:.0%}, and above ",
            element("span", price(facts.at(position, 1 - RARE)), id="likely-high"),
            f" with {RARE:.0%}.",
        ),
    ]


def _position(facts: Facts) -> Markup:
    base, quote = facts.base, facts.quote
    rows = [_row(facts, horizon) for horizon in facts.horizons() if horizon in (1, 5, 10, facts.official.horizon)]
    titles = ["Sold after", f"Loss in {quote}", "In percent"]
    head = element("thead", element("tr", [element("th", title, scope="col") for title in titles]))
    return element(
        "section",
        element("h2", "What can a position lose?", id="position-title"),
        element(
            "p",
            "Of ",
            element("span", number(AMOUNT, 0), f" {base}", id="position-shown"),
            element(
                "span",
                _amount(),
                _select("currency", "Currency", [(base, base), (quote, quote)], base),
                class_="only-js",
            ),
            " held, one time in twenty loses more than this. What you enter stays in this page.",
            class_="asks",
        ),
        element("table", head, element("tbody", rows), id="position-table"),
        id="position",
        class_="card",
        aria_labelledby="position-title",
    )


def _amount() -> Markup:
    """Without a name, so that no form sends it."""
    return element("input", type="number", id="amount", aria_label="Amount", value=str(AMOUNT), min="0", step="1000")


def _row(facts: Facts, horizon: int) -> Markup:
    official = facts.official
    low = price_at(official.levels, official.quantiles[horizon - 1], RARE)
    words = "1 business day" if horizon == 1 else f"{horizon} business days"
    return element(
        "tr",
        element("th", words, scope="row"),
        element("td", number(max(AMOUNT * (official.last_close - low), 0.0), 0)),
        element("td", percent(max(1 - low / official.last_close, 0.0), 2)),
        data_horizon=str(horizon),
    )
