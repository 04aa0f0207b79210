"""Currency pairs of the ECB's table as people quote them, and the short words for many of them."""

from itertools import combinations

# Who comes first is the base: EUR, GBP, AUD, NZD, USD, CAD and CHF by the market's convention, then the dearer unit.
ORDER = (
    *("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF"),
    *("SGD", "ILS", "PLN", "MYR", "RON", "BRL", "CNY", "DKK", "HKD", "NOK", "SEK", "ZAR", "MXN", "CZK", "THB", "TRY"),
    *("PHP", "INR", "ISK", "JPY", "HUF", "KRW", "IDR"),
)
EIGHT = ("EUR", "USD", "JPY", "GBP", "CHF", "CAD", "AUD", "NZD")
# What no short word means: a peg, whose forecast is narrower than a champion's check takes, and
# currencies whose history has holes or a day of over 20 %.
PEGS = frozenset({"EURDKK"})
BROKEN = frozenset({"ISK", "TRY"})
SHORT = "majors, all, or a currency for all its pairs"


def quoted(first: str, second: str) -> str:
    """The pair of two currencies of ORDER, as people quote it: GBPUSD and not USDGBP."""
    return "".join(sorted((first, second), key=ORDER.index))


def majors() -> tuple[str, ...]:
    """The 28 pairs of the eight majors."""
    return tuple(pair for pair in _pairs() if pair[:3] in EIGHT and pair[3:] in EIGHT)


def read_pairs(text: str) -> tuple[str, ...]:
    """The pairs that `text` names, by commas, each once and in its order: EURUSD, `majors`, `all`, or a currency
    such as USD for all its pairs.

    Raises ValueError, whose words say what cannot be read and what to give.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError(f"names no pair; give pairs such as EURUSD,GBPUSD by commas, {SHORT}")
    return tuple(dict.fromkeys(pair for word in words for pair in _meant(word)))


def _meant(word: str) -> tuple[str, ...]:
    if word == "majors":
        return majors()
    if word == "all":
        return _pairs()
    if word in ORDER and (found := tuple(pair for pair in _pairs() if word in (pair[:3], pair[3:]))):
        return found
    return (_one(word),)


def _one(word: str) -> str:
    base, quote = word[:3], word[3:]
    if base not in ORDER or quote not in ORDER or base == quote:
        known = ", ".join(sorted(ORDER))
        raise ValueError(f"{word[:40]!r} is no pair of two of {known}; give one such as GBPUSD, {SHORT}")
    if (usual := quoted(base, quote)) != word:
        raise ValueError(f"{word} is quoted the other way round; give {usual}")
    return word


def _pairs() -> tuple[str, ...]:
    """All that a short word can mean; EURUSD is the first, as the first of a deployment's is what nobody names."""
    whole = [currency for currency in ORDER if currency not in BROKEN]
    found = (first + second for first, second in combinations(whole, 2))
    return tuple(sorted((pair for pair in found if pair not in PEGS), key=lambda pair: pair != "EURUSD"))
