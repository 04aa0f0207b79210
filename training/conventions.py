"""Baselines, horizons and quantiles of the score table, for readers that import no library for it."""

BASELINE_NAMES = ("constant", "ewma", "garch")
COMPARED_DAYS = 5  # families are compared over the mean of horizons 1 to COMPARED_DAYS
HEADLINE_HORIZONS = (1, 5, 21)  # business days that tables show: a day, a week and a month; JSON has every horizon
TAIL_PERCENTS = (1, 5)  # quantiles whose coverage is tested, in percent
