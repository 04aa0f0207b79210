"""Model families, their features and their volatility heads."""
