"""The form of the product's errors: "<field or file>: <what is wrong>; <cure>"."""


def has_cure(text: str) -> bool:
    """Return whether an error message says what to do."""
    return bool(text.partition("; ")[2])
