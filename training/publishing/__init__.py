"""The registry, and the way of a candidate from there to the store."""
