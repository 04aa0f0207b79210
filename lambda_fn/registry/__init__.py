"""Pointers of the old form, whose champions are fetched from the MLflow server."""
