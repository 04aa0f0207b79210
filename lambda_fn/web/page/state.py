"""How far what is shown can be trusted, in words at the top, and what to do where that is not far."""

from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.markup import Child, Markup, element

FETCH = "python -m lambda_fn.ingest"
REFRESH = "python -m lambda_fn.refresh"


def banner(facts: Facts) -> Markup:
    """Fresh, late or expired; then whether the store answers, and why no newer forecast could be made."""
    state = facts.age.state
    notices = [notice(state, state.capitalize(), _sentence(facts.age.sentence), _cure(state))]
    if facts.unasked:
        since = f"{facts.checked_at:%Y-%m-%d %H:%M} UTC"
        told = f"It could not be asked for newer {' and '.join(facts.unasked)} since {since}; the last known are shown."
        notices.append(notice("down", "Store down", told, "It is asked again every few seconds."))
    if facts.official.failure_reason:
        why = f"No newer forecast could be made: {facts.official.failure_reason}"
        notices.append(notice("late", "Withheld", _sentence(why), ["Then run ", element("code", REFRESH), "."]))
    return element("div", notices, class_="notices", role="status")


def notice(state: str, word: str, sentence: str, cure: Child = None) -> Markup:
    """One state; its word says it to who sees no colours."""
    return element(
        "p",
        element("strong", word),
        " ",
        sentence,
        [" ", element("span", cure, class_="cure")] if cure else None,
        class_=f"notice {state}",
    )


def _cure(state: str) -> Child:
    if state == "fresh":
        return None
    return ["Run ", element("code", FETCH), " and then ", element("code", REFRESH), "."]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
