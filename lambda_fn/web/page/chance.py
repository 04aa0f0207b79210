"""What chance makes of a number of days."""

import math

CONFIDENCE = 0.95


def likely_counts(days: int, share: float) -> tuple[int, int]:
    """The fewest and the most of `days` that chance brings in 95 of 100 records when each day is held with
    probability `share` (0 < share < 1) by itself: the quantiles of the binomial distribution."""
    tail, odds = (1 - CONFIDENCE) / 2, math.log(share) - math.log1p(-share)
    low, held, log = 0, 0, days * math.log1p(-share)  # the logarithm, as the probability itself may be too small
    below = math.exp(log)
    while below < 1 - tail and held < days:
        if below < tail:
            low = held + 1
        log += math.log((days - held) / (held + 1)) + odds
        held += 1
        below += math.exp(log)
    return low, held
