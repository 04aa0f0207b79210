"""What forecasts are worth: walk-forward, baselines, metrics, scores, selection."""
