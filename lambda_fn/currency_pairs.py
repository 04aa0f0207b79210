"""Currency pairs of the ECB's table in market convention, and keywords for groups of them."""

from itertools import combinations

# The first of two is the base: EUR, GBP, AUD, NZD, USD, CAD and CHF by market convention, then the more valuable unit.
ORDER = (
    *("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF"),
    *("SGD", "ILS", "PLN", "MYR", "RON", "BRL", "CNY", "DKK", "HKD", "NOK", "SEK", "ZAR", "MXN", "CZK", "THB", "TRY"),
    *("PHP", "INR", "ISK", "JPY", "HUF", "KRW", "IDR"),
)
MAJORS = ("EUR", "USD", "JPY", "GBP", "CHF", "CAD", "AUD", "NZD")
# No keyword includes these: a peg, whose forecast is narrower than the checks of a champion allow, and currencies whose
# history has gaps or a daily change of over 20 %.
PEGS = frozenset({"EURDKK"})
WITH_GAPS = frozenset({"ISK", "TRY"})
NAMES = {
    **{"AUD": "Australian dollar", "BRL": "Brazilian real", "CAD": "Canadian dollar", "CHF": "Swiss franc"},
    **{"CNY": "Chinese yuan", "CZK": "Czech koruna", "DKK": "Danish krone", "EUR": "euro", "GBP": "pound sterling"},
    **{"HKD": "Hong Kong dollar", "HUF": "Hungarian forint", "IDR": "Indonesian rupiah", "ILS": "Israeli shekel"},
    **{"INR": "Indian rupee", "ISK": "Icelandic krona", "JPY": "Japanese yen", "KRW": "South Korean won"},
    **{"MXN": "Mexican peso", "MYR": "Malaysian ringgit", "NOK": "Norwegian krone", "NZD": "New Zealand dollar"},
    **{"PHP": "Philippine peso", "PLN": "Polish zloty", "RON": "Romanian leu", "SEK": "Swedish krona"},
    **{"SGD": "Singapore dollar", "THB": "Thai baht", "TRY": "Turkish lira", "USD": "US dollar"},
    **{"ZAR": "South African rand"},
}
UNCHANGED = {"CNY", "JPY", "KRW", "MYR", "THB", "ZAR", "IDR"}  # the same for one unit and for several
IRREGULAR = {
    **{"BRL": "Brazilian reais", "DKK": "Danish kroner", "GBP": "pounds sterling", "NOK": "Norwegian kroner"},
    **{"ISK": "Icelandic kronur", "RON": "Romanian lei", "SEK": "Swedish kronor", "PLN": "Polish zlotys"},
}
KEYWORDS = "majors, all, or a currency for all its pairs"


def currency_names(code: str) -> tuple[str, str]:
    """Return the name of one unit and of several, for example US dollar and US dollars; the code if it is unknown."""
    name = NAMES.get(code, code)
    return name, name if code in UNCHANGED or code not in NAMES else IRREGULAR.get(code, f"{name}s")


def price_digits(rate: float) -> int:
    """Return the decimals in which a rate is usually quoted: 4 for EUR/USD, 2 for EUR/JPY."""
    return 4 if rate < 20 else 2 if rate < 2000 else 0


def market_pair(first: str, second: str) -> str:
    """Return the pair of two currencies of ORDER in market convention: GBPUSD and not USDGBP."""
    return "".join(sorted((first, second), key=ORDER.index))


def majors() -> tuple[str, ...]:
    """Return the 28 pairs of the eight majors."""
    return tuple(pair for pair in _pairs() if pair[:3] in MAJORS and pair[3:] in MAJORS)


def read_pairs(text: str) -> tuple[str, ...]:
    """Return the pairs in a comma-separated list, each once and in its order.

    An item is a pair such as EURUSD, `majors`, `all`, or a currency such as USD for all its pairs. Raises ValueError
    whose message says what is wrong and what to give.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise ValueError(f"contains no pair; give comma-separated pairs such as EURUSD,GBPUSD, {KEYWORDS}")
    return tuple(dict.fromkeys(pair for item in items for pair in _expand(item)))


def _expand(item: str) -> tuple[str, ...]:
    if item == "majors":
        return majors()
    if item == "all":
        return _pairs()
    if item in ORDER and (pairs := tuple(pair for pair in _pairs() if item in (pair[:3], pair[3:]))):
        return pairs
    base, quote = item[:3], item[3:]
    if base not in ORDER or quote not in ORDER or base == quote:
        currencies = ", ".join(sorted(ORDER))
        raise ValueError(f"{item[:40]!r} is not a pair of two of {currencies}; give one such as GBPUSD, {KEYWORDS}")
    if (pair := market_pair(base, quote)) != item:
        raise ValueError(f"{item} is quoted as {pair}; give {pair}")
    return (item,)


def _pairs() -> tuple[str, ...]:
    """Return all pairs that a keyword can include; EURUSD comes first, because the first pair is the default."""
    currencies = [currency for currency in ORDER if currency not in WITH_GAPS]
    pairs = (first + second for first, second in combinations(currencies, 2))
    return tuple(sorted((pair for pair in pairs if pair not in PEGS), key=lambda pair: pair != "EURUSD"))
