"""What chance makes of a number of days."""

import math

CONFIDENCE = 0.95


def likely_counts(days: int, share: float) -> tuple[int, int]:
    """The fewest and the most of `days` that chance brings in 95 of 100 records when each day is held with
    probability `share` (0 < share < 1) by itself: the quantiles of the binomial distribution."""
    tail, below, low, high = (1 - CONFIDENCE) / 2, 0.0, 0, days
    for held in range(days + 1):
        log = math.lgamma(days + 1) - math.lgamma(held + 1) - math.lgamma(days - held + 1)
        below += math.exp(log + held * math.log(share) + (days - held) * math.log1p(-share))
        if below < tail:
            low = held + 1
        if below >= 1 - tail:
            high = held
            break
    return low, high
