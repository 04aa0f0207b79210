"""Objects under keys in a folder or a bucket, and an in-memory cache of what was read."""
