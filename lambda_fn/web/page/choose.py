"""The choice of a pair, a form that works without JavaScript."""

from collections.abc import Sequence

from lambda_fn.web.page.markup import Markup, element


def form(pairs: Sequence[str], chosen: str | None) -> Markup:
    """A field with all pairs, and the way to what they are worth together."""
    options = [
        element("option", written(pair), value=pair, selected=pair == chosen)
        for pair in sorted(pairs, key=lambda pair: pair != chosen)
    ]
    return element(
        "form",
        element("select", options, name="pair", id="pair", aria_label="Currency pair"),
        element("button", "Show", type="submit"),
        element("a", "All pairs", href="/api/pairs?format=html"),
        action="/",
        method="get",
        class_="choice",
    )


def written(pair: str) -> str:
    """As people write it: EUR/USD."""
    return f"{pair[:3]}/{pair[3:]}"
