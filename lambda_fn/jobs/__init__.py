"""Jobs: for each pair in turn, what started them, and their logs and metrics."""
