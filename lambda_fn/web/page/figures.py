"""Numbers and days as the page shows them: in English, and marked so that the script can write them as the browser's
locale does."""

from datetime import date

from lambda_fn.web.page.markup import Markup, element

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple("January February March April May June July August September October November December".split())
NONE = "\N{EN DASH}"  # where there is no number
Attributes = dict[str, str | float | bool | None]


def price_digits(price: float) -> int:
    """Decimals of a price, as its pair is usually quoted: 4 for EUR/USD, 2 for EUR/JPY."""
    return 4 if price < 20 else 2 if price < 2000 else 0


def marked(value: float, digits: int, kind: str = "price") -> tuple[str, Attributes]:
    """The English text of a number and the attributes that let the script write it anew. `kind` is price, percent (of
    a fraction), or signed, which is percent with its sign."""
    part = round(value, digits + 2) + 0.0  # turns -0.0 into 0.0
    sign = "+" if kind == "signed" and part else ""
    text = f"{value:,.{digits}f}" if kind == "price" else f"{part:{sign}.{digits}%}"
    return text, {"data_n": repr(float(value)), "data_kind": kind, "data_digits": str(digits)}


def number(value: float, digits: int, kind: str = "price") -> Markup:
    """A number in a sentence or a cell."""
    text, attributes = marked(value, digits, kind)
    return element("span", text, class_="n", **attributes)


def price(value: float) -> Markup:
    return number(value, price_digits(value))


def between(low: float, high: float) -> Markup:
    """Two prices, the lower first; read aloud as "to"."""
    return element("span", price(low), element("span", " to ", class_="to"), price(high), class_="range")


def percent(value: float, digits: int = 1) -> Markup:
    return number(value, digits, "percent")


def signed(value: float, digits: int = 1) -> Markup:
    return number(value, digits, "signed")


def count(value: int) -> Markup:
    return number(value, 0)


def day(found: date, form: str = "short") -> Markup:
    """A day in one of the forms of `words`."""
    return element("time", words(found, form), datetime=found.isoformat())


def words(found: date, form: str) -> str:
    """`form` is long (Monday, 2 November 2026), plain (2 November 2026), short (Mon 2 Nov) or year (2 Nov 2026)."""
    month, weekday = MONTHS[found.month - 1], WEEKDAYS[found.weekday()]
    return {
        "long": f"{weekday}, {found.day} {month} {found.year}",
        "plain": f"{found.day} {month} {found.year}",
        "short": f"{weekday[:3]} {found.day} {month[:3]}",
        "year": f"{found.day} {month[:3]} {found.year}",
    }[form]
