"""Volatility heads: the standard deviation of the cumulative log return and its tails, a file a head."""
