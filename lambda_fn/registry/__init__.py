"""Pointers of the old form: their champions are asked for at the MLflow server."""
