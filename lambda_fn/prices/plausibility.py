"""What prices and forecasts can be, the same for price files, export, activation, official forecasts and answers.

Plain Python on nested sequences, because the API checks the reply of its sandbox and does not import numpy.
"""

from collections.abc import Sequence
from itertools import islice
from math import exp, inf, isfinite, log, pi, sqrt, tan
from operator import le, sub

from lambda_fn.fields import LARGEST

MAX_DAILY_CHANGE = 0.2  # relative: a larger change means that a price is wrong, as in training
LOWEST, HIGHEST = 0.001, 10_000_000.0  # prices of any pair in its usual quotation; answers have six decimals
MIN_PROBABILITY = 0.001  # the smallest that can be estimated from a forecast; a smaller one is "less than 0.1 %"
Days = Sequence[Sequence[float]]  # prices [horizon][levels]
OUTER_LOW, OUTER_HIGH = 0.025, 0.975
MAX_MOVE = 0.02  # of the price, for the median and the mean after one day; after h days sqrt(h) times that
WIDTH_95 = (0.001, 0.1)  # of the price, one business day ahead
RECENT = 60  # returns of a window that show whether its pair is managed and moves less than WIDTH_95
MIN_WIDTH_VS_RECENT = 0.5  # of their mean size, for such a pair; a normal distribution has 4.9 of it
MAX_WIDTH_VS_SHOCK = 3.0  # of the window's largest return, after a shock; GARCH and EWMA reach 1 to 2.9 of it
GROWTH = (0.25, 4.0)  # of the 95 % width after h days, in multiples of sqrt(h) times that of one day
SHRINK = 0.95  # the least width of a day, as a multiple of the width of the day before
TAIL = 2.0  # largest distance of the outermost levels, in multiples of that of a Cauchy distribution of equal width
SD_SHARE = (
    0.11,
    1.0,
)  # of the log width of the 95 % interval: 0.255 for a normal distribution; none has less than 0.111
SLACK = 1e-12  # of the price: rounding may put a mean beyond the level that it equals


def find_fault(quantiles: Sequence[Days], mean: Sequence[Sequence[float]]) -> str | None:
    """Return what makes a batch of forecasts invalid whatever the prices before it were, or None.

    Prices must be finite, positive and at most LARGEST, quantiles must not decrease over the levels, and the mean must
    be within the outer levels.

    Args:
        quantiles: prices [batch][horizon][levels].
        mean: prices [batch][horizon].
    """
    for days, means in zip(quantiles, mean, strict=True):
        for prices, average in zip(days, means, strict=True):
            # every comparison with NaN is false
            ascending = 0 < prices[0] and prices[-1] <= LARGEST and all(map(le, prices, islice(prices, 1, None)))
            if not (ascending and 0 < average <= LARGEST):
                if not all(map(isfinite, (*prices, average))):
                    return "is not finite"
                if max(*prices, average) > LARGEST:
                    return f"has a price above {LARGEST:g}"
                if min(*prices, average) <= 0:
                    return "has a price that is not above zero"
                return "has quantiles that fall from one level to the next; export them in ascending order"
            slack = SLACK * average
            if not prices[0] - slack <= average <= prices[-1] + slack:
                return "has a mean outside its outer quantiles"
    return None


def find_implausibility(
    quantiles: Sequence[Days],
    mean: Sequence[Sequence[float]],
    levels: Sequence[float],
    close: Sequence[Sequence[float]],
    sd: Sequence[Sequence[float]] | None = None,
) -> str | None:
    """Return what is wrong with the forecasts from these windows, or None: first `find_fault`, then comparisons.

    The median and the mean must be near the last close. The 95 % width of one day must be that of an exchange rate,
    0.1 % to 10 %, or fit the pair: it may be less where recent returns are smaller, and more after a shock in the
    window. It must grow with the square root of the days, within bounds, and the tails beyond it may reach at most
    twice as far as those of a Cauchy distribution.

    Args:
        quantiles: prices [batch][horizon][levels].
        mean: prices [batch][horizon].
        levels: of the quantiles, ascending.
        close: the windows, prices [batch][window].
        sd: standard deviations of the log return since the last close [batch][horizon], if the champion states them.
    """
    if reason := find_fault(quantiles, mean) or find_sd_fault(sd, quantiles, levels):
        return f"the forecast {reason}"
    low, middle, high = (levels.index(level) for level in (OUTER_LOW, 0.5, OUTER_HIGH))
    for days, means, window in zip(quantiles, mean, close, strict=True):
        logs = list(map(log, window))
        moves = list(map(abs, map(sub, logs[1:], logs)))
        shock, last, recent = max(moves), window[-1], moves[-RECENT:]
        medians = [prices[middle] for prices in days]
        for name, center in (("median", medians), ("mean", means)):
            if reason := find_move(name, center, last, max(MAX_MOVE, shock / 2)):
                return reason
        widths = [(prices[high] - prices[low]) / last for prices in days]
        min_width = max(min(WIDTH_95[0], MIN_WIDTH_VS_RECENT * sum(recent) / len(recent)), SLACK)
        max_width = max(WIDTH_95[1], MAX_WIDTH_VS_SHOCK * shock)
        if not min_width <= widths[0] <= max_width:
            bounds = f"{100 * min_width:.2g} % to {100 * max_width:.3g} % is allowed"
            return f"the 95 % interval of day 1 is {widths[0]:.2%} wide, {bounds}"
        for day, width in enumerate(widths, 1):
            growth = width / (widths[0] * sqrt(day))
            if not GROWTH[0] <= growth <= GROWTH[1] or (day > 1 and width < SHRINK * widths[day - 2]):
                return f"the 95 % interval of day {day} is {width:.2%} wide, that of day 1 is {widths[0]:.2%}"
        for position in (0, -1):
            reach = TAIL * abs(_cauchy(levels[position]) / _cauchy(OUTER_HIGH))
            for day, prices in enumerate(days, 1):
                distance = log(prices[position] / medians[day - 1])
                if abs(distance) > reach * log(prices[high] / prices[low]):
                    relative = f"{exp(distance) - 1:.1%} from the median on day {day}"
                    return f"the quantile of {levels[position]:g} is {relative}, too far for the 95 % interval"
    return None


def find_sd_fault(
    sd: Sequence[Sequence[float]] | None, quantiles: Sequence[Days], levels: Sequence[float]
) -> str | None:
    """Return what makes the standard deviations of a batch invalid, or None; a champion may have none.

    They must be positive, must not decrease with the days, and must fit the 95 % interval of each day.

    Args:
        sd: standard deviations of the log return since the last close [batch][horizon].
        quantiles: prices [batch][horizon][levels], positive.
        levels: of the quantiles, ascending.
    """
    low, high = (levels.index(level) for level in (OUTER_LOW, OUTER_HIGH))
    for deviations, days in zip(sd or (), quantiles, strict=sd is not None):
        previous = 0.0
        for day, (deviation, prices) in enumerate(zip(deviations, days, strict=True), 1):
            if not 0 < deviation < inf:
                return f"has the sd {deviation:g} on day {day}, which is not positive and finite"
            if deviation < previous * (1 - SLACK):
                return f"has an sd that falls on day {day}, from {previous:.4g} to {deviation:.4g}"
            width = log(prices[high] / prices[low])
            if not SD_SHARE[0] * width <= deviation <= SD_SHARE[1] * width:
                return f"has the sd {deviation:.4g} on day {day}, which does not fit its 95 % interval"
            previous = deviation
    return None


def find_move(name: str, prices: Sequence[float], last: float, max_move: float) -> str | None:
    """Return which day exceeds the largest distance from the last close by the largest factor, or None.

    Args:
        name: of the prices in the reason.
        prices: [horizon].
        last: the last close.
        max_move: the largest relative distance after one day; after h days sqrt(h) times that.
    """
    excess = [abs(price / last - 1) / (max_move * sqrt(day)) for day, price in enumerate(prices, 1)]
    worst = max(range(len(excess)), key=excess.__getitem__)
    if excess[worst] <= 1:
        return None
    move, limit = abs(prices[worst] / last - 1), 100 * max_move * sqrt(worst + 1)
    return f"the {name} is {move:.1%} from the last close on day {worst + 1}, at most {limit:.3g} % is allowed"


def _cauchy(level: float) -> float:
    """Return the quantile of the standard Cauchy distribution, with heavier tails than any that has a mean."""
    return tan(pi * (level - 0.5))
