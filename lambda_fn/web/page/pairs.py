"""The page of all pairs: what the forecasts are worth together, and each pair with its own record."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.page import choose, shell
from lambda_fn.web.page.figures import NONE, count, day, percent, price, signed
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.page.record import by_horizon, figure_of
from lambda_fn.web.response import Text

Summary = Mapping[str, Any]
Scale: TypeAlias = tuple[float, float]
SECTIONS = (("together", "Together"), ("each", "Each pair"))
KINDS = (
    ("live", "Live", "Official forecasts, kept before what they forecast was known."),
    ("backtest", "Backtest", "What the champions' families would have forecast, out of sample."),
)
INSIDE, SKILL = "80", "garch"
NOMINAL = 0.8  # what INSIDE says
MARGIN = 0.005


def page(found: JsonObject) -> Text:
    """Of what `GET /api/pairs` answers."""
    names = [each["pair"] for each in found["pairs"]]
    body = [
        shell.header("All pairs", SECTIONS, choice=choose.form(names, None)),
        element("main", _together(found["pooled"]), _each(found["pairs"])),
        element("footer", element("p", "A forecast of what is likely, not advice on what to do.")),
    ]
    return shell.text_of("All pairs", body)


def _together(pooled: Summary | None) -> Markup:
    cards = [_card(title, about, (pooled or {}).get(kind)) for kind, title, about in KINDS]
    return element(
        "section",
        element("h1", "What are the forecasts worth?", id="together-title"),
        element(
            "p",
            "One pair needs years to show whether its intervals hold. All pairs together show it sooner, though not as "
            "many times sooner as there are pairs: on a day they go together, so a day counts as a whole.",
            class_="lead",
        ),
        cards,
        id="together",
        aria_labelledby="together-title",
    )


def _card(title: str, about: str, summary: Summary | None) -> Markup:
    told = _worth(summary) if summary else [element("p", "Nothing has been scored yet.")]
    head = element("h2", title), element("p", about, class_="about")
    return element("div", element("div", head, told), class_="card worth")


def _worth(summary: Summary) -> list[Child]:
    first = summary["horizons"][0]
    held, better = first["coverage"].get(INSIDE), first["skill"].get(SKILL)
    since, through = (date.fromisoformat(summary[name]) for name in ("from", "through"))
    about: list[Child] = [
        *(count(first["n"]), " forecasts of the next business day, of ", count(summary["pairs"]), " pairs on "),
        *(count(summary["days"]), " days, ", day(since, "plain"), " to ", day(through, "plain"), "."),
    ]
    sentences = []
    if held:
        sentences.append(["The 80% intervals held ", element("strong", percent(held["value"])), _bounds(held, percent)])
    if better:
        sentences.append(
            ["Against GARCH(1,1)-t the loss is better by ", signed(better["value"], 2), _bounds(better, signed)]
        )
    verdicts = [element("p", words, ".", class_="verdict") for words in sentences]
    return [*verdicts, element("p", about), by_horizon(summary)]


def _bounds(figure: Summary, write: Any) -> Child:
    if figure["low"] is None:
        return ", too few days to say how much of that is luck"
    return [" (95% interval ", write(figure["low"]), " to ", write(figure["high"]), ")"]


def _each(found: Sequence[Summary]) -> Markup:
    records = ("Live, 80% held", "Backtest, 80% held", "Its interval", "Better than GARCH")
    titles = ("Pair", "Last close", "Champion", *records)
    head = element("thead", element("tr", [element("th", title, scope="col") for title in titles]))
    scale = _scale(found)
    return element(
        "section",
        element("h2", "Each pair", id="each-title"),
        element("p", "One business day ahead. The bars are 95% intervals; the dotted line is 80%.", class_="note"),
        element(
            "div",
            element("table", head, element("tbody", [_row(each, scale) for each in found])),
            class_="scrolls",
            tabindex="0",
        ),
        id="each",
        aria_labelledby="each-title",
    )


def _row(each: Summary, scale: Scale) -> Markup:
    pair, champion = each["pair"], each.get("champion")
    name = element("th", element("a", choose.written(pair), href=f"/?pair={pair}"), scope="row")
    if champion is None:
        return element("tr", name, element("td", "nothing is known of it yet", colspan="6"))
    live, backtest = (each.get(kind) or {} for kind, _, _ in KINDS)
    held = backtest.get("coverage", {}).get(INSIDE)
    return element(
        "tr",
        name,
        element("td", price(each["last_close"])),
        element("td", str(champion).removeprefix(f"{pair}_") or NONE),
        element("td", figure_of(live.get("coverage", {}).get(INSIDE), percent)),
        element("td", figure_of(held, percent)),
        element("td", _whisker(held, scale) if held and held["low"] is not None else None, class_="bar"),
        element("td", figure_of(backtest.get("skill", {}).get(SKILL), signed)),
    )


def _scale(found: Sequence[Summary]) -> Scale:
    """What the bars of all pairs span, with what they should hold among it."""
    figures = [(each.get("backtest") or {}).get("coverage", {}).get(INSIDE) for each in found]
    ends = [each[end] for each in figures if each for end in ("low", "high") if each[end] is not None]
    return min([*ends, NOMINAL]) - MARGIN, max([*ends, NOMINAL]) + MARGIN


def _whisker(figure: Summary, scale: Scale) -> Markup:
    def across(value: float) -> str:
        return f"{(value - scale[0]) / (scale[1] - scale[0]):.1%}"

    line = element("line", x1=across(figure["low"]), x2=across(figure["high"]), y1="50%", y2="50%")
    dot = element("circle", cx=across(figure["value"]), cy="50%", r="3.5")
    should = element("line", x1=across(NOMINAL), x2=across(NOMINAL), y1="0", y2="100%", class_="zero")
    return element("svg", should, line, dot, class_="whisker", aria_hidden="true")
