"""The last closes and the fan of the forecast."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from lambda_fn.web.page.chart import Axes, Tick, chart, legend, row, tick, values
from lambda_fn.web.page.facts import COVERAGES, Facts
from lambda_fn.web.page.figures import MONTHS, between, day, price
from lambda_fn.web.page.markup import Child, Markup, element, joined
from lambda_fn.web.page.scale import Scale, decimals, path

CLOSES = 120
TABLE = "fan-values"
PRICE_TICKS, RETURN_TICKS = 6, 6
WIDEST = max(COVERAGES)


def section(facts: Facts) -> Markup:
    """The chart with its legend and its values."""
    official = facts.official
    closes = {date.fromisoformat(text): close for text, close in list(official.closes.items())[-CLOSES:]}
    days = [*closes, *official.days]
    x = {found: round(100 * i / (len(days) - 1), 2) for i, found in enumerate(days)}
    lows, highs = zip(*(facts.interval(i, WIDEST) for i in range(official.horizon)), strict=True)
    y = Scale.of([*closes.values(), *lows, *highs])
    label = (
        f"{facts.pair}: the last {len(closes)} closes up to {official.last_close:g}, and the forecast of the next "
        f"{official.horizon} business days. All values are in the table below."
    )
    drawing = chart(
        label,
        Axes(_prices(y), _returns(y, official.last_close), _months(x)),
        [*_bands(facts, x, y), _line(closes, x, y)],
        table=TABLE,
        marks=_marks(facts, x, y),
    )
    keys = [(f"band-{coverage}", f"{coverage}%") for coverage in COVERAGES]
    return element(
        "section",
        element(
            "div",
            element("h2", f"The last {len(closes)} days and the next {official.horizon}", id="fan-title"),
            legend(("line", facts.pair), *keys[:-1], (keys[-1][0], f"{WIDEST}% of what may come")),
            class_="head",
        ),
        drawing,
        _values(facts, closes, x, y),
        id="forecast",
        aria_labelledby="fan-title",
    )


def _bands(facts: Facts, x: dict[date, float], y: Scale) -> list[Markup]:
    """The widest first, so that the narrower ones lie on it; all begin at the last close."""
    official = facts.official
    start = x[official.as_of], y.at(official.last_close)
    bands = []
    for coverage in sorted(COVERAGES, reverse=True):
        bounds = [facts.interval(i, coverage) for i in range(official.horizon)]
        upper = [(x[found], y.at(high)) for found, (_, high) in zip(official.days, bounds, strict=True)]
        lower = [(x[found], y.at(low)) for found, (low, _) in zip(official.days, bounds, strict=True)]
        bands.append(element("path", d=f"{path([start, *upper, *reversed(lower)])}Z", class_=f"band-{coverage}"))
    middle = [(x[found], y.at(facts.at(i, 0.5))) for i, found in enumerate(official.days)]
    return [*bands, element("path", d=path([start, *middle]), class_="median")]


def _line(closes: dict[date, float], x: dict[date, float], y: Scale) -> Markup:
    return element("path", d=path((x[found], y.at(close)) for found, close in closes.items()), class_="line")


def _marks(facts: Facts, x: dict[date, float], y: Scale) -> Markup:
    """The last close, and today where the forecast is late: then some of its days have passed."""
    official = facts.official
    last = element("circle", cx=f"{x[official.as_of]:g}%", cy=f"{y.at(official.last_close):g}%", r="3.5", class_="last")
    passed = [found for found in official.days if found <= facts.today]
    if facts.age.state != "late" or not passed:
        return last
    at = f"{x[passed[-1]]:g}%"
    line = element("line", x1=at, x2=at, y1="0", y2="100%", class_="today")
    return joined([last, line, element("text", "today", x=at, y="0.9em", dx="-6", class_="today")])


def _prices(y: Scale) -> list[Tick]:
    ticks = y.ticks(PRICE_TICKS)
    return [tick(y.at(value), value, max(decimals(ticks), 2)) for value in ticks]


def _returns(y: Scale, last_close: float) -> list[Tick]:
    """Of simple returns since the last close."""
    ticks = Scale(y.low / last_close - 1, y.high / last_close - 1).ticks(RETURN_TICKS)
    digits = max(decimals(ticks) - 2, 0)
    return [tick(y.at((1 + value) * last_close), value, digits, "signed") for value in ticks]


def _months(x: dict[date, float]) -> list[Tick]:
    """The first day of each month that the chart holds."""
    days = list(x)
    firsts = [new for old, new in pairwise(days) if new.month != old.month]
    names = [MONTHS[found.month - 1][:3] + (f" {found.year}" if found.month == 1 else "") for found in firsts]
    return [Tick(x[found], name, {}) for found, name in zip(firsts, names, strict=True)]


def _values(facts: Facts, closes: dict[date, float], x: dict[date, float], y: Scale) -> Markup:
    known = [row(x[found], y.at(close), day(found, "year"), price(close), *_none()) for found, close in closes.items()]
    coming = [
        row(x[found], y.at(facts.at(i, 0.5)), day(found, "year"), price(facts.at(i, 0.5)), *_bounds(facts, i))
        for i, found in enumerate(facts.official.days)
    ]
    header: Sequence[str] = ("Day", "Close or median", *(f"{coverage}%" for coverage in COVERAGES))
    return values(TABLE, "All closes and forecasts of the chart", header, [*reversed(coming), *reversed(known)])


def _none() -> list[Child]:
    return [None for _ in COVERAGES]


def _bounds(facts: Facts, position: int) -> list[Child]:
    return [between(*facts.interval(position, coverage)) for coverage in COVERAGES]
