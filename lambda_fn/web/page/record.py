"""Whether the forecasts have been right: the live record beside the backtest, which are never mixed."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lambda_fn.web.page import reliability, strip
from lambda_fn.web.page.chance import likely_counts
from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.figures import NONE, count, day, percent, signed
from lambda_fn.web.page.markup import Child, Markup, element

Summary = Mapping[str, Any]
LEVELS = ("80", "95")
SHOWN = (1, 5, 10)  # horizons, beside the longest
NAMES = {"garch": "GARCH(1,1)-t", "ewma": "EWMA", "constant": "a constant variance"}


def section(facts: Facts) -> Markup:
    return element(
        "section",
        element("h2", "Has it been right?", id="record-title"),
        _live(facts),
        strip.figure(facts),
        _backtest(facts),
        id="record",
        aria_labelledby="record-title",
    )


def _live(facts: Facts) -> Markup:
    about = "Official forecasts, kept before what they forecast was known."
    if facts.record is None:
        words = "The record cannot be read now; the forecast stands without it."
        return _card("Live", about, [element("p", words)])
    live: Summary = facts.record["live"]
    if not live.get("horizons"):
        return _card("Live", about, [element("p", _nothing_yet(facts))])
    return _card("Live", about, _worth(live), reliability.figure(live["reliability"]))


def _backtest(facts: Facts) -> Markup:
    found = facts.record.get("backtest") if facts.record else None
    if not found or not found.get("horizons"):
        words = "The champion that is active brought no backtest."
        return _card("Backtest", "What its family would have forecast, out of sample.", [element("p", words)])
    since = date.fromisoformat(found["from"])
    about = ["What its family would have forecast, out of sample, since ", day(since, "plain"), "."]
    return _card("Backtest", about, _worth(found), reliability.figure(found["reliability"]))


def _card(title: str, about: Child, told: Sequence[Child], diagram: Markup | None = None) -> Markup:
    head = element("h3", title), element("p", about, class_="about")
    return element("div", element("div", head, told), diagram, class_="card worth")


def _nothing_yet(facts: Facts) -> Child:
    official = facts.official
    return [
        "None has been scored yet. The forecast of ",
        day(official.as_of, "plain"),
        " is kept in the ledger; it is scored when the price of ",
        day(official.days[0], "plain"),
        " comes.",
    ]


def _worth(summary: Summary) -> list[Child]:
    first = summary["horizons"][0]
    return [
        element("p", _held(first), class_="verdict"),
        element("p", _skill(first)),
        by_horizon(summary),
    ]


def _held(row: Summary) -> Child:
    """Such as: its 80% intervals held 81 of 100 days; 72 to 88 would be chance."""
    figure = row["coverage"].get("80")
    if figure is None:
        return "It has no 80% interval."
    days = int(row["n"])
    low, high = likely_counts(days, 0.8)
    return [
        "Its 80% intervals held ",
        element("strong", count(round(figure["value"] * days)), " of ", count(days)),
        " days; ",
        count(low),
        " to ",
        count(high),
        " would be chance.",
    ]


def _skill(row: Summary) -> Child:
    name = next((name for name in NAMES if name in row["skill"]), None)
    if name is None:
        return "It has not been compared with a benchmark."
    figure = row["skill"][name]
    told: list[Child] = [
        "One day ahead its loss is ",
        percent(abs(figure["value"]), 2),
        " smaller" if figure["value"] >= 0 else " larger",
        f" than that of {NAMES[name]}",
    ]
    if figure["low"] is None:
        return [*told, "; these are too few days to say how much of that is luck."]
    return [*told, " (95% interval ", signed(figure["low"], 2), " to ", signed(figure["high"], 2), ")."]


def by_horizon(summary: Summary) -> Markup:
    """Coverage and skill, a row a horizon."""
    titles = [("Days ahead", None), ("80% held", None), ("95% held", "wide"), ("Better than GARCH", None)]
    head = element("thead", element("tr", [element("th", title, scope="col", class_=of) for title, of in titles]))
    known = {int(row["horizon"]): row for row in summary["horizons"]}
    rows = [_row(row) for horizon, row in known.items() if horizon in SHOWN or horizon == max(known)]
    return element("table", head, element("tbody", rows))


def _row(row: Summary) -> Markup:
    held = [
        element("td", figure_of(row["coverage"].get(level), percent), class_="wide" if level == "95" else None)
        for level in LEVELS
    ]
    skill = element("td", figure_of(row["skill"].get("garch"), signed))
    return element("tr", element("th", str(row["horizon"]), scope="row"), held, skill)


def figure_of(figure: Mapping[str, float | None] | None, write: Any) -> Child:
    """The value with its interval below it."""
    if figure is None or figure["value"] is None:
        return NONE
    bounds: Child = None
    if figure["low"] is not None and figure["high"] is not None:
        bounds = element("small", write(figure["low"]), " to ", write(figure["high"]))
    return [write(figure["value"]), bounds]
