"""Limits of prices, their daily changes and their probabilities, in price files and in requests."""

MAX_DAILY_CHANGE = 0.2  # relative: a larger change means that a price is wrong, as in training
LOWEST, HIGHEST = 0.001, 10_000_000.0  # prices of any pair in its usual quotation; answers have six decimals
MIN_PROBABILITY = 0.001  # the smallest that can be estimated from a forecast; a smaller one is "less than 0.1 %"
