"""What a forecast must be to be served, in one place: for export, activation, official forecasts and answers.

Plain Python on nested sequences: the API checks what its sandbox returns and does not import numpy.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import exp, isfinite, log, pi, sqrt, tan
from operator import le, sub

from lambda_fn.fields import LARGEST

Days = Sequence[Sequence[float]]  # prices [horizon][levels]
OUTER_LOW, OUTER_HIGH = 0.025, 0.975
MAX_MOVE = 0.02  # of the price: the median and the mean after one day; after h days sqrt(h) times that
WIDTH_95 = (0.001, 0.1)  # of the price, one business day ahead
RECENT = 60  # returns of a window that say whether its pair is managed and moves less than WIDTH_95
CALM = 0.5  # of their mean size: the least width of such a pair; a normal distribution has 4.9 of it
WILD = 3.0  # of the window's largest return: the widest after a shock; GARCH and EWMA reach 1 to 2.9 of it
GROWTH = (0.25, 4.0)  # of the 95 % width after h days, in multiples of sqrt(h) times that of one day
SHRINK = 0.95  # of the width of the day before: the least of the next day's
TAIL = 2.0  # of Cauchy's: how far the outermost levels may be, where the 95 % are as they are
SLACK = 1e-12  # of the price: rounding may put a mean beyond the level that it equals


def fault(quantiles: Sequence[Days], mean: Sequence[Sequence[float]]) -> str | None:
    """Return what is wrong with a batch of forecasts whatever their prices are, or None.

    Prices must be finite, positive and at most LARGEST, quantiles must not fall over the levels, and the mean must be
    within the outer levels.

    Args:
        quantiles: prices [batch][horizon][levels].
        mean: prices [batch][horizon].
    """
    for days, means in zip(quantiles, mean, strict=True):
        for prices, average in zip(days, means, strict=True):
            # every comparison with NaN is false
            ascending = 0 < prices[0] and prices[-1] <= LARGEST and all(map(le, prices, islice(prices, 1, None)))
            if not (ascending and 0 < average <= LARGEST):
                return _disorder([*prices, average])
            slack = SLACK * average
            if not prices[0] - slack <= average <= prices[-1] + slack:
                return "has a mean outside of its outer quantiles"
    return None


def fault_for(
    quantiles: Sequence[Days],
    mean: Sequence[Sequence[float]],
    levels: Sequence[float],
    close: Sequence[Sequence[float]],
) -> str | None:
    """Return what is wrong with the forecasts from these windows, or None: `fault`, and what the windows show.

    The median and the mean stay near the last close. The 95 % width of a day is that of an exchange rate, 0.1 % to
    10 %, or what the pair does: less where its recent returns are smaller, more after a shock in the window. It grows
    with the square root of the days, within bounds, and the tails beyond it are no heavier than twice Cauchy's.

    Args:
        quantiles: prices [batch][horizon][levels].
        mean: prices [batch][horizon].
        levels: of the quantiles, ascending.
        close: the windows, prices [batch][window].
    """
    if reason := fault(quantiles, mean):
        return f"the forecast {reason}"
    for days, means, window in zip(quantiles, mean, close, strict=True):
        for reason in _faults(days, means, levels, window):
            return reason
    return None


def _disorder(prices: Sequence[float]) -> str:
    if not all(map(isfinite, prices)):
        return "is not finite"
    if max(prices) > LARGEST:
        return f"has a price above {LARGEST:g}"
    if min(prices) <= 0:
        return "has a price that is not above zero"
    return "has quantiles that fall from one level to the next; export them ascending"


def _faults(days: Days, means: Sequence[float], levels: Sequence[float], window: Sequence[float]) -> Iterator[str]:
    """Yield what is wrong with the forecast from one window."""
    logs = list(map(log, window))
    moves = list(map(abs, map(sub, logs[1:], logs)))
    shock, last = max(moves), window[-1]
    low, middle, high = (levels.index(level) for level in (OUTER_LOW, 0.5, OUTER_HIGH))
    medians = [prices[middle] for prices in days]
    widths = [(prices[high] - prices[low]) / last for prices in days]
    yield from _far("median", medians, last, max(MAX_MOVE, shock / 2))
    yield from _far("mean", means, last, max(MAX_MOVE, shock / 2))
    recent = moves[-RECENT:]
    least = max(min(WIDTH_95[0], CALM * sum(recent) / len(recent)), SLACK)
    most = max(WIDTH_95[1], WILD * shock)
    if not least <= widths[0] <= most:
        allowed = f"{100 * least:.2g} % to {100 * most:.3g} % is allowed"
        yield f"the 95 % interval of a day is {widths[0]:.2%} wide, {allowed}"
    for day, width in enumerate(widths, 1):
        growth = width / (widths[0] * sqrt(day))
        if not GROWTH[0] <= growth <= GROWTH[1] or (day > 1 and width < SHRINK * widths[day - 2]):
            yield f"the 95 % interval of day {day} is {width:.2%} wide, that of day 1 {widths[0]:.2%}"
    for position in (0, -1):
        reach = TAIL * abs(_cauchy(levels[position]) / _cauchy(OUTER_HIGH))
        for day, prices in enumerate(days, 1):
            distance = log(prices[position] / medians[day - 1])
            if abs(distance) > reach * log(prices[high] / prices[low]):
                apart = f"{exp(distance) - 1:.1%} from the median on day {day}"
                yield f"the quantile of {levels[position]:g} is {apart}, out of proportion"


def _far(name: str, prices: Sequence[float], last: float, most: float) -> Iterator[str]:
    """Yield the day on which these prices are too far from the last close, by the largest factor."""
    excess = [abs(price / last - 1) / (most * sqrt(day)) for day, price in enumerate(prices, 1)]
    worst = max(range(len(excess)), key=excess.__getitem__)
    if excess[worst] > 1:
        moved, allowed = abs(prices[worst] / last - 1), 100 * most * sqrt(worst + 1)
        yield f"the {name} is {moved:.1%} from the last close on day {worst + 1}, at most {allowed:.3g} % is allowed"


def _cauchy(level: float) -> float:
    """The quantile of Cauchy's distribution, heavier in its tails than any with a mean."""
    return tan(pi * (level - 0.5))
