"""Evaluation of forecasts: walk-forward, baselines, metrics, scores, selection."""
