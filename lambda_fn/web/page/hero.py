"""What somebody sees first: where the rate may be on the next day, how sure that is, and from what."""

from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.figures import between, day, number, price, signed
from lambda_fn.web.page.markup import Child, Markup, element

SURE = 80  # percent, of the interval that is told first
WEEK = 4  # business days after the next
FLAT = 0.0005  # of the price: a smaller change of the middle is none


def section(facts: Facts) -> Markup:
    """The next day's interval as the heading, and three horizons beside it."""
    return element("section", _told(facts), _horizons(facts), class_="hero", aria_labelledby="title")


def _told(facts: Facts) -> Markup:
    official, position = facts.official, facts.next_position
    target = official.days[position]
    if facts.age.state == "expired":
        first: list[Child] = ["This forecast has expired. Of ", day(target, "long"), ", its last day, it said"]
    else:
        first = [f"{facts.pair} on ", day(target, "long")]
    return element(
        "div",
        element("h1", element("span", first, class_="eyebrow"), between(*facts.interval(position, SURE)), id="title"),
        element(
            "p",
            f"With {SURE}% probability ",
            f"{facts.rate} of that day is between these two. The last one, of ",
            day(official.as_of, "plain"),
            ", was ",
            element("strong", price(official.last_close)),
            "; the middle of the forecast is ",
            _middle(facts, position),
            class_="lead",
        ),
    )


def _middle(facts: Facts, position: int) -> Child:
    median = facts.at(position, 0.5)
    change = median / facts.official.last_close - 1
    if abs(change) < FLAT:
        return "no change: how far the rate may go can be forecast; which way it goes, hardly."
    return [price(median), ", ", signed(change), "."]


def _horizons(facts: Facts) -> Markup:
    """The next day, a week on, and the last day."""
    first, last = facts.next_position, facts.official.horizon - 1
    shown = sorted({position for position in (first, first + WEEK, last) if position <= last})
    return element("dl", [_horizon(facts, position) for position in shown], class_="tiles")


def _horizon(facts: Facts, position: int) -> Markup:
    low, high = facts.interval(position, SURE)
    half = (high - low) / 2 / facts.official.last_close
    return element(
        "div",
        element("dt", day(facts.official.days[position]), element("small", facts.distance(position + 1))),
        element("dd", between(low, high), element("small", "± ", number(half, 1, "percent"))),
    )
