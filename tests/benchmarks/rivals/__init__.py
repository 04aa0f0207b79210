"""What a user would build or take instead. Each is tuned as its own documentation says, runs on the same champion or
one of its own kind, and has a locked environment of its own: none of these files is imported by the project."""
