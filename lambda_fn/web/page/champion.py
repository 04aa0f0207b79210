"""The champion's card, and its challengers beside it."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.figures import NONE, count, day, number, percent, signed
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.page.scale import Scale

Row = Mapping[str, Any]


def section(facts: Facts) -> Markup:
    return element(
        "section",
        element("h2", "Who made it", id="champion-title"),
        element("div", _card(facts), _challengers(facts), class_="pair champion"),
        id="champion",
        aria_labelledby="champion-title",
    )


def _card(facts: Facts) -> Markup:
    champion, card = facts.official.champion, facts.official.card
    entries: list[tuple[str, Child]] = [
        ("Family", str(champion["family"])),
        ("Version", f"{champion['version']} (generation {champion['generation']})"),
        ("Trained through", day(date.fromisoformat(champion["trained_through"]), "plain")),
        ("Active since", day(date.fromisoformat(champion["activated_at"][:10]), "plain")),
        ("Looks back", [count(card["inputs"]["window"]), " days"]),
        ("Features", ", ".join(champion["features"]) or "none beside its own"),
        ("File", element("code", champion["sha256"][:12], title=champion["sha256"])),
    ]
    listed = [element("div", element("dt", name), element("dd", value)) for name, value in entries]
    return element(
        "div",
        element("p", "Champion", class_="eyebrow"),
        element("h3", str(champion["name"])),
        element("dl", listed, class_="card-list"),
        class_="card",
    )


def _challengers(facts: Facts) -> Markup:
    """Every family of the run that chose the champion, at one day, the smallest loss first."""
    rows = [row for row in facts.official.card.get("scores") or () if row.get("horizon") == 1 and _has(row, "pinball")]
    rows.sort(key=lambda row: (float(row["pinball"]), row.get("family") != facts.official.champion["family"]))
    known = [float(row[name]) for row in rows for name in ("skill_garch_low", "skill_garch_high") if _has(row, name)]
    scale = Scale.of([0.0, *known, *(float(row["skill_garch"]) for row in rows if _has(row, "skill_garch"))])
    titles = ("Family", "Loss", "Better than GARCH", "", "80% held")
    head = element("thead", element("tr", [_title(title) for title in titles]))
    body = [_challenger(row, str(facts.official.champion["family"]), scale) for row in rows]
    return element(
        "div",
        element("p", "Challengers and benchmarks, one day ahead, out of sample", class_="eyebrow"),
        element("div", element("table", head, element("tbody", body)), class_="scroll", tabindex="0", role="region")
        if rows
        else element("p", "The run that chose it told no scores."),
        element(
            "p",
            "Loss is the mean pinball loss over all levels, in percent; the bars are 90% intervals of a bootstrap.",
            class_="note",
        ),
        class_="card",
    )


def _title(title: str) -> Markup:
    return element("th", title, scope="col") if title else element("td", class_="wide")


def _challenger(row: Row, champion: str, scale: Scale) -> Markup:
    family = str(row.get("family"))
    badge = "champion" if family == champion else "benchmark" if family in BENCHMARKS else None
    skill = float(row["skill_garch"]) if _has(row, "skill_garch") else None
    return element(
        "tr",
        element("th", family, element("small", badge) if badge else None, scope="row"),
        element("td", number(float(row["pinball"]), 5)),
        element("td", signed(skill, 2) if skill is not None else NONE),
        element("td", _whisker(row, skill, scale), class_="bar wide"),
        element("td", percent(float(row["coverage_80"])) if _has(row, "coverage_80") else NONE),
        class_=badge,
    )


def _whisker(row: Row, skill: float | None, scale: Scale) -> Child:
    def across(value: float) -> str:
        return f"{100 - scale.at(value):.2f}%"

    if skill is None:
        return None
    zero = element("line", x1=across(0), x2=across(0), y1="0", y2="100%", class_="zero")
    both = [float(row[name]) for name in ("skill_garch_low", "skill_garch_high") if _has(row, name)]
    line = element("line", x1=across(both[0]), x2=across(both[1]), y1="50%", y2="50%") if len(both) == 2 else None
    dot = element("circle", cx=across(skill), cy="50%", r="3.5")
    return element("svg", zero, line, dot, class_="whisker", aria_hidden="true")


def _has(row: Row, name: str) -> bool:
    return isinstance(row.get(name), int | float)
