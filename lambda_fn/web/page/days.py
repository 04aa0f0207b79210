"""The forecast day by day: each day's intervals on one scale."""

from lambda_fn.web.page.facts import COVERAGES, Facts
from lambda_fn.web.page.figures import between, day, marked
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.page.scale import Scale, decimals

WIDEST = max(COVERAGES)
TICKS = 4


def section(facts: Facts) -> Markup:
    """The forecast by day, each with its intervals on one scale."""
    positions = [horizon - 1 for horizon in facts.horizons()]
    bounds = [facts.interval(i, WIDEST) for i in positions]
    scale = Scale.of([bound for both in bounds for bound in both])
    rows = [
        element(
            "tr",
            element(
                "th",
                day(facts.official.days[i]),
                element("small", facts.distance(i + 1)),
                scope="row",
            ),
            element("td", _bar(facts, i, scale), class_="bar"),
            element("td", between(*facts.interval(i, 80))),
            element("td", between(*facts.interval(i, 95)), class_="wide"),
        )
        for i in positions
    ]
    range_title = element("span", "From low to high", class_="hidden"), _ticks(scale)
    titles: list[tuple[Child, str | None]] = [("Day", None), (range_title, "bar"), ("80%", None), ("95%", "wide")]
    head = element("thead", element("tr", [element("th", title, scope="col", class_=of) for title, of in titles]))
    return element(
        "section",
        element("h2", "Day by day", id="days-title"),
        element("table", head, element("tbody", rows), class_="days"),
        id="days",
        aria_labelledby="days-title",
    )


def _ticks(scale: Scale) -> Markup:
    ticks = scale.ticks(TICKS)
    digits = max(decimals(ticks), 2)
    labels = []
    for value in ticks:
        text, attributes = marked(value, digits)
        labels.append(element("text", text, x=f"{100 - scale.at(value):.2f}%", y="1em", **attributes))
    return element("svg", labels, class_="axis", aria_hidden="true")


def _bar(facts: Facts, position: int, scale: Scale) -> Markup:
    def across(value: float) -> float:
        return 100 - scale.at(value)

    at_ticks = [f"{across(value):.2f}%" for value in scale.ticks(TICKS)]
    grid = [element("line", x1=at, x2=at, y1="-50%", y2="150%", class_="grid") for at in at_ticks]
    bars = []
    for coverage in sorted(COVERAGES, reverse=True):
        low, high = facts.interval(position, coverage)
        at, width = across(low), across(high) - across(low)
        bars.append(
            element("rect", x=f"{at:.2f}%", width=f"{width:.2f}%", y="15%", height="70%", class_=f"band-{coverage}")
        )
    median = across(facts.at(position, 0.5))
    line = element("line", x1=f"{median:.2f}%", x2=f"{median:.2f}%", y1="5%", y2="95%", class_="middle")
    return element("svg", grid, bars, line, aria_hidden="true")
