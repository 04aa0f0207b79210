"""The charts of the page, as SVG.

A chart stretches shapes on a square of 100 by 100, and places labels in percent of it: text keeps its size and shape on
every screen, without a script.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from lambda_fn.record.timeliness import State
from lambda_fn.web.page.formats import MONTHS, day_text, number_attributes, number_text
from lambda_fn.web.page.record_view import Figure, Outcome
from lambda_fn.web.page.view_model import COVERAGES, ForecastPage, RateDay

PRICE_TICKS, RETURN_TICKS, BAR_TICKS = 6, 6, 4
WIDEST = max(COVERAGES)
WIDEST_FIRST = sorted(COVERAGES, reverse=True)
PERCENTILES = (0.1, 0.5, 0.9)  # labels of the chart of outcomes
TENTH = 0.1  # the share of the outcomes in each tenth of a calibrated forecast
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.04  # share of the range that stays free above and below


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element. Text is escaped, Markup is not.

    Args:
        name: of the element.
        children: text and elements.
        attributes: `class_` becomes class and `data_x` becomes data-x; None is left out.
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(f"{value:g}" if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{opening}>{''.join(map(escape, children))}</{name}>")


@dataclass(frozen=True)
class Scale:
    """A vertical scale from `low` to `high`; positions are percent of the height from the top."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Scale":
        """Return a scale with some room around the values."""
        ordered = sorted(values)
        low, high = ordered[0], ordered[-1]
        room = ROOM * (high - low) or 0.01 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return the position from the top."""
        return round(100 * (self.high - value) / (self.high - self.low), 2)

    def across(self, value: float) -> str:
        """Return the position from the left, for a horizontal axis."""
        return f"{100 - self.at(value):.2f}%"

    def ticks(self, most: int) -> list[float]:
        """Return round values within the range, ascending, about `most`."""
        rough = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * step for step in STEPS if unit * step >= rough)
        first = math.ceil(self.low / step)
        return [round(step * i, 10) for i in range(first, math.floor(self.high / step) + 1)]


def decimals(ticks: Sequence[float]) -> int:
    """Return the decimals that distinguish the ticks, at most six."""
    return next((n for n in range(6) if all(abs(tick - round(tick, n)) < 1e-9 for tick in ticks)), 6)


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return the `d` attribute of a line through the points."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


class Tick(NamedTuple):
    """A label at a position in percent of an axis."""

    at: float
    text: str
    attributes: dict[str, str]


class Chart(NamedTuple):
    """A chart, and the rows of the table of its values.

    Attributes:
        parts: the left axis, the plot, the right axis and the axis below, each an svg element.
        table: id of the table whose rows, by data-x and data-y, are the values under the pointer.
        rows: x and y in percent, and what is shown there.
    """

    parts: tuple[Markup, Markup, Markup, Markup]
    table: str
    rows: Sequence[tuple[float, float, Any]]

    @property
    def svg(self) -> Markup:
        """The chart in the page, whose style sheet places the parts."""
        return element("div", *self.parts, class_="chart", data_table=self.table)


class RangeBars(NamedTuple):
    """The axis of a column of bars, and a bar for each day."""

    axis: Markup
    bars: Sequence[Markup]


def fan_chart(page: ForecastPage) -> Chart:
    """Draw the last rates and the ranges of the forecast, which begin at the last rate."""
    days = [*page.closes, *page.days]
    x = {day.day: round(100 * i / (len(days) - 1), 2) for i, day in enumerate(days)}
    bounds = [bound for day in page.days for bound in day.ranges[WIDEST]]
    y = Scale.of([*(day.rate for day in page.closes), *bounds])
    last = page.official.last_close
    start = x[page.official.as_of], y.at(last)
    shapes = []
    for coverage in WIDEST_FIRST:
        lower = [(x[day.day], y.at(day.ranges[coverage][0])) for day in page.days]
        upper = [(x[day.day], y.at(day.ranges[coverage][1])) for day in page.days]
        shapes.append(element("path", d=f"{path([start, *upper, *reversed(lower)])}Z", class_=f"band-{coverage}"))
    medians = [(x[day.day], y.at(day.rate)) for day in page.days]
    shapes.append(element("path", d=path([start, *medians]), class_="median"))
    shapes.append(element("path", d=path((x[day.day], y.at(day.rate)) for day in page.closes), class_="line"))
    marks = [element("circle", cx=f"{start[0]:g}%", cy=f"{start[1]:g}%", r="3.5", class_="last")]
    if page.last_begun:
        marks = [*_outdated_part(start[0], x[page.last_begun.day], page.timeliness.state), *marks]
    begun = f" The {page.timeliness.begun} hatched days have begun." if page.last_begun else ""
    label = (
        f"{page.pair.name}: the last {len(page.closes)} rates, up to {last:g}, and the forecast for the next "
        f"{len(page.days)} business days.{begun} The table below has all values."
    )
    prices, returns = y.ticks(PRICE_TICKS), Scale(y.low / last - 1, y.high / last - 1).ticks(RETURN_TICKS)
    left_ticks = [_tick(y.at(value), value, max(decimals(prices), 2)) for value in prices]
    return_digits = max(decimals(returns) - 2, 0)
    right_ticks = [_tick(y.at((1 + value) * last), value, return_digits, "signed") for value in returns]
    firsts = [later for earlier, later in pairwise(x) if later.month != earlier.month]  # of the months
    names = [MONTHS[day.month - 1][:3] + (f" {day.year}" if day.month == 1 else "") for day in firsts]
    month_ticks = [Tick(x[day], name, {}) for day, name in zip(firsts, names, strict=True)]
    parts = _draw(label, left_ticks, right_ticks, month_ticks, shapes, marks)
    return Chart(parts, "fan-values", [(x[day.day], y.at(day.rate), day) for day in days])


def _outdated_part(start: float, end: float, state: State) -> list[Markup]:
    """Draw the days since the last rate hatched, up to today."""
    edge = f"{end:g}%"
    lines = element("line", x1="0", x2="0", y1="0", y2="7", class_="hatch")
    pattern = element(
        "pattern",
        lines,
        id="hatch",
        width="7",
        height="7",
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return [
        element("defs", pattern),
        element(
            "rect", x=f"{start:g}%", width=f"{end - start:g}%", height="100%", fill="url(#hatch)", class_="outdated"
        ),
        element("line", x1=edge, x2=edge, y1="0", y2="100%", class_="today"),
        element("text", "expired" if state == "expired" else "today", x=edge, y="0.9em", dx="-6", class_="today"),
    ]


def outcome_chart(outcomes: Sequence[Outcome]) -> Chart:
    """Draw a dot for each day: the percentile of its forecast at which the outcome fell."""
    x = [round(100 * (i + 0.5) / len(outcomes), 2) for i in range(len(outcomes))]
    y = Scale(0.0, 1.0)
    bands = [
        element("rect", x="0", width="100", y=(100 - coverage) / 2, height=float(coverage), class_=f"band-{coverage}")
        for coverage in WIDEST_FIRST
    ]
    rows = [(at, y.at(outcome.percentile), outcome) for at, outcome in zip(x, outcomes, strict=True)]
    dots = []
    for at, top, day in rows:
        kind = f"dot{'' if day.is_covered else ' out'}{'' if day.kind == 'live' else ' late'}"
        dots.append(element("circle", cx=f"{at:g}%", cy=f"{top:g}%", r="4", class_=kind))
    covered = sum(outcome.is_covered for outcome in outcomes)
    label = (
        f"Percentiles of the outcomes in the latest {len(outcomes)} forecasts of one business day: {covered} are in "
        f"the 80% range. The table below has all values."
    )
    y_ticks = [_tick(y.at(value), value, 0, "percent") for value in PERCENTILES]
    x_ticks = [Tick(x[i], day_text(outcomes[i].day, "plain"), {}) for i in (0, -1)]
    return Chart(_draw(label, y_ticks, [], x_ticks, bands, dots), "strip-values", rows)


def range_bars(days: Sequence[RateDay]) -> RangeBars:
    """Draw the ranges of each day on one horizontal scale."""
    scale = Scale.of(bound for day in days for bound in day.ranges[WIDEST])
    ticks = scale.ticks(BAR_TICKS)
    digits = max(decimals(ticks), 2)
    labels = [
        element("text", number_text(tick, digits), x=scale.across(tick), y="1em", **number_attributes(tick, digits))
        for tick in ticks
    ]
    lines = [element("line", x1=at, x2=at, y1="-50%", y2="150%", class_="grid") for at in map(scale.across, ticks)]
    bars = []
    for day in days:
        shapes = [*lines]
        for coverage in WIDEST_FIRST:
            low, high = day.ranges[coverage]
            place = {"x": scale.across(low), "width": f"{scale.at(low) - scale.at(high):.2f}%"}
            shapes.append(element("rect", **place, y="15%", height="70%", class_=f"band-{coverage}"))
        median = scale.across(day.rate)
        shapes.append(element("line", x1=median, x2=median, y1="5%", y2="95%", class_="middle"))
        bars.append(element("svg", *shapes, aria_hidden="true"))
    return RangeBars(element("svg", *labels, class_="axis", aria_hidden="true"), bars)


def signed_bars(values: Sequence[float]) -> list[Markup]:
    """Draw a bar for each value on one scale: to the right from zero, or to the left for a negative one."""
    scale = Scale.of([0.0, *values])
    zero = scale.across(0.0)
    line = element("line", x1=zero, x2=zero, y1="0", y2="100%", class_="zero")
    drawings = []
    for value in values:
        width = f"{abs(scale.at(0.0) - scale.at(value)):.2f}%"
        place = {"x": scale.across(min(value, 0.0)), "width": width, "y": "20%", "height": "60%"}
        bar = element("rect", **place, class_="hedge" if value < 0 else "share")
        drawings.append(element("svg", bar, line, aria_hidden="true"))
    return drawings


def reliability_diagram(tenths: Sequence[dict[str, float]]) -> Markup:
    """Draw the share of the outcomes in each tenth of the forecast, before the band of sampling error."""
    scale = Scale(0.0, max(2 * TENTH, *(max(tenth["share"], tenth["high"]) for tenth in tenths)))
    low, high, middle = scale.at(tenths[0]["low"]), scale.at(tenths[0]["high"]), f"{scale.at(TENTH)}%"
    width = 100 / len(tenths)
    bars = [
        element(
            "rect",
            element("title", f"{tenth['share']:.1%}"),
            x=f"{(i + 0.15) * width:.2f}%",
            width=f"{0.7 * width:.2f}%",
            y=f"{scale.at(tenth['share'])}%",
            height=f"{100 - scale.at(tenth['share']):.2f}%",
            class_="share",
        )
        for i, tenth in enumerate(tenths)
    ]
    outside = sum(not tenth["low"] <= tenth["share"] <= tenth["high"] for tenth in tenths)
    return element(
        "svg",
        element("rect", x="0", width="100%", y=f"{high}%", height=f"{low - high:.2f}%", class_="chance"),
        *bars,
        element("line", x1="0", x2="100%", y1=middle, y2=middle, class_="zero"),
        element("text", "10%", x="100%", y=middle, dy="-0.4em", **number_attributes(TENTH, 0, "percent")),
        class_="reliability",
        role="img",
        aria_label=f"Share of the outcomes in each tenth of the forecast, from the lowest to the highest; {outside} of "
        f"{len(tenths)} differ from 10% by more than sampling error.",
    )


def whiskers(figures: Sequence[Figure | None], reference: float) -> list[Markup]:
    """Draw each estimate with its interval on one scale, and a line at the reference; empty where there is none."""
    present = [value for figure in figures if figure for value in figure if value is not None]
    scale = Scale.of([reference, *present])
    at = scale.across(reference)
    line = element("line", x1=at, x2=at, y1="0", y2="100%", class_="zero")
    drawings = []
    for figure in figures:
        if figure is None:
            drawings.append(Markup(""))
            continue
        shapes = [line]
        if figure.low is not None and figure.high is not None:
            ends = scale.across(figure.low), scale.across(figure.high)
            shapes.append(element("line", x1=ends[0], x2=ends[1], y1="50%", y2="50%"))
        shapes.append(element("circle", cx=scale.across(figure.value), cy="50%", r="3.5"))
        drawings.append(element("svg", *shapes, class_="whisker", aria_hidden="true"))
    return drawings


def _draw(
    label: str,
    y_ticks: Sequence[Tick],
    right_ticks: Sequence[Tick],
    x_ticks: Sequence[Tick],
    shapes: Iterable[Markup],
    marks: Iterable[Markup],
) -> tuple[Markup, Markup, Markup, Markup]:
    """Draw the parts of a chart: the left axis, the plot, the right axis and the axis below.

    Args:
        label: describes the chart to a screen reader.
        y_ticks: of the left axis, each with a grid line.
        right_ticks: of the right axis.
        x_ticks: of the horizontal axis.
        shapes: drawn on the square of 100 by 100 and stretched.
        marks: placed in percent, not stretched.
    """
    grid = [element("line", x1="0", x2="100%", y1=f"{at:g}%", y2=f"{at:g}%", class_="grid") for at, _, _ in y_ticks]
    stretched = element("svg", *shapes, viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height="100%")
    labels = [element("text", text, x=f"{at:g}%", y="1.1em", **more) for at, text, more in x_ticks]
    return (
        _side_axis("left", "100%", y_ticks),
        element("svg", *grid, stretched, *marks, class_="plot", role="img", aria_label=label),
        _side_axis("right", "0", right_ticks),
        element("svg", *labels, class_="axis below", aria_hidden="true"),
    )


def _side_axis(side: str, x: str, ticks: Sequence[Tick]) -> Markup:
    labels = [element("text", text, x=x, y=f"{at:g}%", dy="0.35em", **more) for at, text, more in ticks]
    return element("svg", *labels, class_=f"axis {side}", aria_hidden="true")


def _tick(at: float, value: float, digits: int, kind: str = "price") -> Tick:
    return Tick(at, number_text(value, digits, kind), number_attributes(value, digits, kind))
