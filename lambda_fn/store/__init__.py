"""Bytes under keys, the same for a folder and a bucket, and the last good value of what was read."""
