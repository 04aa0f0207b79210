"""The page of all pairs: what the forecasts are worth together, and each pair with its own record."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lambda_fn.web.answer import Text
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.page import choose, shell
from lambda_fn.web.page.figures import NONE, count, day, percent, price, signed
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.page.record import by_horizon, figure_of

Summary = Mapping[str, Any]
SECTIONS = (("together", "Together"), ("each", "Each pair"))
KINDS = (
    ("live", "Live", "Official forecasts, kept before what they forecast was known."),
    ("backtest", "Backtest", "What the champions' families would have forecast, out of sample."),
)
INSIDE, SKILL = "80", "garch"


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
    return element("div", element("h3", title), element("p", about, class_="about"), told, class_="card worth")


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
    titles = ("Pair", "Last close", "Champion", "Live, 80% held", "Backtest, 80% held", "Better than GARCH")
    head = element("thead", element("tr", [element("th", title, scope="col") for title in titles]))
    return element(
        "section",
        element("h2", "Each pair", id="each-title"),
        element("div", element("table", head, element("tbody", map(_row, found))), class_="scrolls", tabindex="0"),
        id="each",
        aria_labelledby="each-title",
    )


def _row(each: Summary) -> Markup:
    pair, champion = each["pair"], each.get("champion")
    name = element("th", element("a", choose.written(pair), href=f"/?pair={pair}"), scope="row")
    if champion is None:
        return element("tr", name, element("td", "nothing is known of it yet", colspan="5"))
    live, backtest = (each.get(kind) or {} for kind, _, _ in KINDS)
    return element(
        "tr",
        name,
        element("td", price(each["last_close"])),
        element("td", str(champion).removeprefix(f"{pair}_") or NONE),
        element("td", figure_of(live.get("coverage", {}).get(INSIDE), percent)),
        element("td", figure_of(backtest.get("coverage", {}).get(INSIDE), percent)),
        element("td", figure_of(backtest.get("skill", {}).get(SKILL), signed)),
    )
