"""What `make unguarded` may remove unnoticed, each with the reason why that is left."""

SURVIVORS: dict[str, str] = {}
