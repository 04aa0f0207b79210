"""Prices of every source as one checked table, and the windows cut from it."""
