"""The last official forecasts against what came: where in its forecast each outcome fell."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lambda_fn.web.page.chart import Axes, Tick, chart, legend, row, tick, values
from lambda_fn.web.page.facts import COVERAGES, Facts
from lambda_fn.web.page.figures import MONTHS, day, percent, price
from lambda_fn.web.page.markup import Child, Markup, element

SHOWN = 60
TABLE = "strip-values"
MARKED = (0.1, 0.5, 0.9)
Day = Mapping[str, Any]


def figure(facts: Facts) -> Markup | None:
    """A dot a day, on the intervals; None while nothing is scored."""
    days: Sequence[Day] = ((facts.record or {}).get("newest") or [])[-SHOWN:]
    if not days:
        return None
    x = [round(100 * (i + 0.5) / len(days), 2) for i in range(len(days))]
    held = sum(_inside(found, 80) for found in days)
    label = (
        f"Where the outcome fell within each of the last {len(days)} official forecasts, one business day ahead: "
        f"{held} within the 80% interval. All values are in the table below."
    )
    left = [tick(_y(place), place, 0, "percent") for place in MARKED]
    ends = [Tick(x[0], _short(days[0]), {}), Tick(x[-1], _short(days[-1]), {})]
    dots = [_dot(*pair) for pair in zip(x, days, strict=True)]
    drawing = chart(label, Axes(left, (), ends), _bands(), table=TABLE, marks=dots)
    return element(
        "div",
        element(
            "div",
            element("h3", f"The last {len(days)} official forecasts against what came"),
            _legend(days),
            class_="head",
        ),
        element(
            "p",
            "Each dot is a day: how far up in its forecast, from the lowest to the highest percentile, what came is.",
            class_="note",
        ),
        drawing,
        _values(x, days),
        class_="strip",
    )


def _legend(days: Sequence[Day]) -> Markup:
    late = [("dot late", "made too late")] if any(found["kind"] != "live" for found in days) else []
    bands = [(f"band-{coverage}", f"{coverage}%") for coverage in COVERAGES]
    return legend(("dot", "within 80%"), ("dot out", "outside"), *late, *bands)


def _short(found: Day) -> str:
    target = date.fromisoformat(found["target_date"])
    return f"{target.day} {MONTHS[target.month - 1][:3]}"


def _y(place: float) -> float:
    return round(100 * (1 - place), 2)


def _bands() -> list[Markup]:
    bands = []
    for coverage in sorted(COVERAGES, reverse=True):
        top, height = (100 - coverage) / 2, float(coverage)
        bands.append(element("rect", x="0", width="100", y=top, height=height, class_=f"band-{coverage}"))
    return bands


def _dot(x: float, found: Day) -> Markup:
    name = "dot" if _inside(found, 80) else "dot out"
    kind = name if found["kind"] == "live" else f"{name} late"
    return element("circle", cx=f"{x:g}%", cy=f"{_y(float(found['pit'])):g}%", r="4", class_=kind)


def _inside(found: Day, coverage: int) -> bool:
    """By its place in the forecast, so that it is known of champions without that interval too."""
    tail = (1 - coverage / 100) / 2
    return tail <= float(found["pit"]) <= 1 - tail


def _values(x: Sequence[float], days: Sequence[Day]) -> Markup:
    rows = [row(at, _y(float(found["pit"])), *_cells(found)) for at, found in zip(x, days, strict=True)]
    header = ("Day", "Close before", "What came", "Place in the forecast", "Within 80%", "Kind")
    return values(TABLE, "All forecasts and outcomes of the chart", header, rows[::-1])


def _cells(found: Day) -> list[Child]:
    return [
        day(date.fromisoformat(found["target_date"]), "year"),
        price(float(found["close"])),
        price(float(found["outcome"])),
        percent(float(found["pit"])),
        "yes" if _inside(found, 80) else "no",
        str(found["kind"]),
    ]
