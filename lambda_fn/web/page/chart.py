"""The frame of a chart: axes, grid, what is drawn in it, and the table that holds its values.

Shapes are drawn on a square of 100 by 100 that is stretched to the room there is, labels at percent of it: so text
keeps its size and its shape from a phone to a wide screen, without a script.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lambda_fn.web.page.figures import Attributes, marked
from lambda_fn.web.page.markup import Child, Markup, element


class Tick(NamedTuple):
    """A label at `at` percent of an axis; `attributes` as `figures.marked` gives them."""

    at: float
    text: str
    attributes: Attributes


def tick(at: float, value: float, digits: int, kind: str = "price") -> Tick:
    return Tick(at, *marked(value, digits, kind))


class Axes(NamedTuple):
    """The ticks of a chart; a grid line passes through each of the left ones."""

    left: Sequence[Tick]
    right: Sequence[Tick] = ()
    below: Sequence[Tick] = ()


def chart(label: str, axes: Axes, shapes: Child, *, table: str | None = None, marks: Child = None) -> Markup:
    """A chart.

    Args:
        label: what it shows, in a sentence, for who cannot see it.
        axes: with the ticks to mark.
        shapes: SVG on the square of 100 by 100.
        table: the id of the table whose rows, by data-x and data-y, are the values under the pointer.
        marks: SVG placed in percent, which keeps its shape.
    """
    grid = [element("line", x1="0", x2="100%", y1=f"{at:g}%", y2=f"{at:g}%", class_="grid") for at, _, _ in axes.left]
    stretched = element("svg", shapes, viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height="100%")
    plot = element("svg", grid, stretched, marks, class_="plot", role="img", aria_label=label)
    parts: list[Child] = [_side("left", "100%", axes.left), plot, _side("right", "0", axes.right), _below(axes.below)]
    return element("div", parts, class_="chart", data_table=table)


def _side(side: str, x: str, ticks: Iterable[Tick]) -> Markup:
    labels = [element("text", text, x=x, y=f"{at:g}%", dy="0.35em", **more) for at, text, more in ticks]
    return element("svg", labels, class_=f"axis {side}", aria_hidden="true")


def _below(ticks: Iterable[Tick]) -> Markup:
    labels = [element("text", text, x=f"{at:g}%", y="1.1em", **more) for at, text, more in ticks]
    return element("svg", labels, class_="axis below", aria_hidden="true")


def legend(*entries: tuple[str, Child]) -> Markup:
    """What colours mean: a class of the swatch and words."""
    shown = [element("li", element("span", class_=f"swatch {name}"), words) for name, words in entries]
    return element("ul", shown, class_="legend")


def values(name: str, summary: str, header: Sequence[str], rows: Iterable[Markup]) -> Markup:
    """The table of a chart's values, folded away."""
    head = element("thead", element("tr", [element("th", title, scope="col") for title in header]))
    table = element("table", head, element("tbody", rows), id=name)
    return element(
        "details",
        element("summary", summary),
        element("div", table, class_="scroll", tabindex="0", role="region", aria_label=summary),
    )


def row(x: float, y: float | None, heading: Child, *cells: Child) -> Markup:
    """A row of such a table, `x` and `y` in percent of the chart."""
    found = [element("td", cell) for cell in cells]
    return element("tr", element("th", heading, scope="row"), found, data_x=f"{x:g}", data_y=y)
