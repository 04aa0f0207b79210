"""The model families, their features and their volatility heads."""
