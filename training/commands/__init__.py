"""The commands of `python -m training`, one per file, and the code that they share."""
