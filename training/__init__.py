"""Training: prices, features, model families, walk-forward evaluation, selection, registry and publishing."""
