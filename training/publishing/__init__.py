"""The MLflow registry, and publishing: the steps that bring a candidate into the store."""
