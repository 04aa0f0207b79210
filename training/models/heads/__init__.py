"""Volatility heads, one per file: models of the standard deviation and the tails of the cumulative log return."""
