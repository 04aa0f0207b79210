"""Checks of texts by the facts that they state, as their wording may change."""


def lacking(text: str, *facts: str) -> list[str]:
    """Return those of the facts (names, numbers, options) that a text does not state."""
    return [fact for fact in facts if fact not in text]
