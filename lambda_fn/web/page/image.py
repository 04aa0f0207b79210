"""The chart of the forecast as a file: the page's drawing in one SVG that loads nothing else."""

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

from lambda_fn.web.page.charts import element, fan_chart
from lambda_fn.web.page.formats import day_text, sentence, time_text
from lambda_fn.web.page.view_model import COVERAGES, ForecastPage
from lambda_fn.web.response import SVG, Text

WIDTH, HEIGHT = 960, 540
LEFT_MARGIN, RIGHT_MARGIN, TOP_MARGIN, BOTTOM_MARGIN = 76, 76, 104, 76  # around the plot
AXIS = 26  # height of the axis below the plot
PIXELS = 16  # of the style sheet's unit rem
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = """
text { fill: #16202b; font: 14px Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
svg { overflow: visible; }
.title { font-size: 20px; font-weight: 600; } .end { text-anchor: end; }
.note, .fresh { fill: #57636f; } .late, .expired, .unknown { fill: #8a4b00; }
"""


def forecast_image(page: ForecastPage) -> Text:
    """Return the last rates and the ranges of the forecast, with title, age, units and legend."""
    width, height = WIDTH - LEFT_MARGIN - RIGHT_MARGIN, HEIGHT - TOP_MARGIN - BOTTOM_MARGIN
    boxes = (
        (0, TOP_MARGIN, LEFT_MARGIN, height),
        (LEFT_MARGIN, TOP_MARGIN, width, height),
        (WIDTH - RIGHT_MARGIN, TOP_MARGIN, RIGHT_MARGIN, height),
        (LEFT_MARGIN, TOP_MARGIN + height, width, AXIS),
    )
    parts = [
        element("svg", part, x=str(x), y=str(y), width=str(w), height=str(h))
        for part, (x, y, w, h) in zip(fan_chart(page).parts, boxes, strict=True)
    ]
    title = f"{page.pair.name}: last {len(page.closes)} days and forecast for the next {len(page.days)}"
    if page.timeliness.state == "expired":
        title = f"No current forecast of {page.pair.name}"
    source = "Source: European Central Bank. " if page.official.source == "ecb" else ""
    texts = [
        _text(LEFT_MARGIN, 36, title, "title"),
        _text(LEFT_MARGIN, 60, sentence(page.timeliness.sentence), page.timeliness.state),
        _text(LEFT_MARGIN, TOP_MARGIN - 14, page.pair.unit, "note"),
        _text(
            WIDTH - RIGHT_MARGIN, TOP_MARGIN - 14, f"change since {day_text(page.official.as_of, 'plain')}", "note end"
        ),
        _text(
            WIDTH - RIGHT_MARGIN,
            HEIGHT - 20,
            f"{source}Forecast made at {time_text(page.official.made_at)}.",
            "note end",
        ),
    ]
    drawing = element(
        "svg",
        element("title", title),
        element("style", Markup(_STYLE + _drawing_style())),
        element("rect", width="100%", height="100%", fill="#ffffff"),
        *texts,
        *parts,
        *_legend(LEFT_MARGIN, HEIGHT - 20),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        height=str(HEIGHT),
    )
    name = f"{page.pair.code}-{page.official.as_of}.svg"
    return Text(f"{SVG}; charset=utf-8", str(drawing), {"Content-Disposition": f'inline; filename="{name}"', **HEADERS})


def _text(x: int, y: int, text: str, class_: str) -> Markup:
    return element("text", text, x=str(x), y=str(y), class_=class_)


def _legend(x: int, y: int) -> list[Markup]:
    """Draw a swatch and a label for each range, the narrowest first."""
    marks = []
    for i, coverage in enumerate(sorted(COVERAGES)):
        start = x + 70 * i
        marks.append(element("rect", x=str(start), y=str(y - 11), width="14", height="12", class_=f"band-{coverage}"))
        marks.append(_text(start + 20, y, f"{coverage}%", "note"))
    return [*marks, _text(x + 70 * len(COVERAGES), y, "ranges", "note")]


@cache
def _drawing_style() -> str:
    """Return the page's rules for drawings, in the colours of the light mode.

    They have no variable of CSS and no unit rem, which other programs than browsers do not know.
    """
    sheet = Path(__file__).with_name("style.css").read_text()
    colours = dict(re.findall(r"(--[\w-]+): ([^;]+);", sheet.partition("}")[0]))
    rules = sheet.partition("/* Drawing")[2].partition("*/")[2].partition("/*")[0]
    rules = re.sub(r"var\((--[\w-]+)\)", lambda match: colours[match[1]], rules)
    return re.sub(r"([\d.]+)rem", lambda match: f"{PIXELS * float(match[1]):g}px", rules)
