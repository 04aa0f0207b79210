"""A training run: its tasks, where they run, and what their results come to."""
