"""The commands of `python -m training`, a file each, and what several of them share."""
