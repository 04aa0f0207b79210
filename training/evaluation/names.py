"""Names and horizons of the score table, in a module that imports no statistics library, for readers of the table."""

BASELINE_NAMES = ("constant", "ewma", "garch")
COMPARED_DAYS = 5  # families are compared over the mean of horizons 1 to COMPARED_DAYS
