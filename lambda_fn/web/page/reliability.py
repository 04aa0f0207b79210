"""The reliability diagram: how often outcomes fell into each tenth of the forecast distribution."""

from collections.abc import Mapping, Sequence

from lambda_fn.web.page.figures import marked
from lambda_fn.web.page.markup import Markup, element
from lambda_fn.web.page.scale import Scale

EVEN = 0.1  # of the outcomes in each tenth, when the forecasts are calibrated


def figure(tenths: Sequence[Mapping[str, float]]) -> Markup | None:
    """Bars, and behind them what chance makes of a tenth; None without outcomes."""
    if not tenths:
        return None
    scale = Scale(0.0, max(2 * EVEN, *(max(tenth["share"], tenth["high"]) for tenth in tenths)))
    low, high = scale.at(tenths[0]["low"]), scale.at(tenths[0]["high"])
    band = element("rect", x="0", width="100%", y=f"{high}%", height=f"{low - high:.2f}%", class_="chance")
    bars = [_bar(i, tenth["share"], len(tenths), scale) for i, tenth in enumerate(tenths)]
    at = f"{scale.at(EVEN)}%"
    text, attributes = marked(EVEN, 0, "percent")
    even = [
        element("line", x1="0", x2="100%", y1=at, y2=at, class_="zero"),
        element("text", text, x="100%", y=at, dy="-0.4em", **attributes),
    ]
    outside = sum(not tenth["low"] <= tenth["share"] <= tenth["high"] for tenth in tenths)
    words = "all are" if not outside else f"{outside} of {len(tenths)} are not"
    label = f"Share of outcomes in each tenth of the forecast, from the lowest to the highest; {words} within chance."
    return element(
        "figure",
        element("svg", band, even, bars, class_="reliability", role="img", aria_label=label),
        element(
            "figcaption",
            element("span", "lowest tenth"),
            element("span", "Outcomes by tenth of the forecast: a tenth in each, within the band of chance"),
            element("span", "highest"),
        ),
    )


def _bar(position: int, share: float, number: int, scale: Scale) -> Markup:
    width = 100 / number
    top = scale.at(share)
    return element(
        "rect",
        element("title", f"{share:.1%}"),
        x=f"{(position + 0.15) * width:.2f}%",
        width=f"{0.7 * width:.2f}%",
        y=f"{top}%",
        height=f"{100 - top:.2f}%",
        class_="share",
    )
