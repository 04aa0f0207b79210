"""Names and horizons of the score table, for readers that compute none of it: no library of statistics is imported."""

BASELINE_NAMES = ("constant", "ewma", "garch")
JUDGED = 5  # horizons, 1 to JUDGED, over whose mean families are compared
