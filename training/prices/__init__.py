"""Prices of every source as one checked table, and the windows sliced from it."""
