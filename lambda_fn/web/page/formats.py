"""Numbers, dates and sentences as the page shows them: filters of the templates.

Numbers are written in English and marked, so that the script can rewrite them in the browser's locale.
"""

import json
import re
from datetime import date, datetime

from markupsafe import Markup, escape

from lambda_fn.currency_pairs import price_digits

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple("January February March April May June July August September October November December".split())
EXAMPLE_CHARACTERS = 1_200  # longer examples of the API reference are cut
DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
COMMAND = re.compile(r"(python -m [a-z_]+(?:\.[a-z_]+)*(?: run)?|eurusd [a-z]+(?: --pairs? [A-Z]{6})?)")


def number_text(value: float, digits: int, kind: str = "price") -> str:
    """Return a number in English; `kind` is price, percent (of a fraction) or signed (percent with its sign)."""
    rounded = round(value, digits + 2) + 0.0  # turns -0.0 into 0.0
    sign = "+" if kind == "signed" and rounded else ""
    return f"{value:,.{digits}f}" if kind == "price" else f"{rounded:{sign}.{digits}%}"


def number_attributes(value: float, digits: int, kind: str = "price") -> dict[str, str]:
    """Return the attributes from which the script rewrites a number."""
    return {"data_n": repr(float(value)), "data_kind": kind, "data_digits": str(digits)}


def number(value: float, digits: int = 0, kind: str = "price") -> Markup:
    """Return a number for a sentence or a cell."""
    text = number_text(value, digits, kind)
    return Markup('<span class="n" data-n="{!r}" data-kind="{}" data-digits="{}">{}</span>').format(
        float(value), kind, digits, text
    )


def price(value: float) -> Markup:
    """Return a price with the decimals of its quotation."""
    return number(value, price_digits(value))


def price_range(bounds: tuple[float, float]) -> Markup:
    """Return two prices, the lower one first."""
    return Markup('<span class="range">{}<span class="to"> to </span>{}</span>').format(*map(price, bounds))


def percent(value: float, digits: int = 1) -> Markup:
    """Return a fraction in percent."""
    return number(value, digits, "percent")


def signed(value: float, digits: int = 1) -> Markup:
    """Return a fraction in percent with its sign."""
    return number(value, digits, "signed")


def day(value: date, form: str = "weekday") -> Markup:
    """Return a date in a form of `day_text`."""
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), day_text(value, form))


def day_text(value: date, form: str = "weekday") -> str:
    """Return a date as the page writes every date: 2 Nov 2026, or with its weekday, Mon 2 Nov 2026."""
    text = f"{value.day} {MONTHS[value.month - 1][:3]} {value.year}"
    return f"{WEEKDAYS[value.weekday()][:3]} {text}" if form == "weekday" else text


def time_text(moment: datetime) -> str:
    """Return a time in UTC: 2 Nov 2026 14:05 UTC."""
    return f"{day_text(moment.date(), 'plain')} {moment:%H:%M} UTC"


def sentence(text: str) -> Markup:
    """Return text as a sentence, with a capital and a full stop, its commands as code and its dates as on the page."""
    whole = f"{text[:1].upper()}{text[1:].rstrip('.')}."
    return _alternate(COMMAND.split(DATE.sub(_replace_date, whole)))


def _replace_date(match: re.Match[str]) -> str:
    """Return a date as the page writes it; what is no date stays as it is."""
    try:
        return day_text(date.fromisoformat(match[0]), "plain")
    except ValueError:
        return match[0]


def backquoted(text: str) -> Markup:
    """Return text with the parts between backquotes as code."""
    return _alternate(text.split("`"))


def breakable(text: str, after: str = "/.") -> Markup:
    """Return a path or a name, which a narrow screen may break behind the characters of `after`."""
    parts = re.split(f"([{re.escape(after)}])", text)
    return Markup("").join(escape(part) + Markup("<wbr>" if part in after else "") for part in parts)


def example(value: object) -> str:
    """Return an example of the API reference: text as it is, other values as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= EXAMPLE_CHARACTERS else text[:EXAMPLE_CHARACTERS] + " ..."


def _alternate(parts: list[str]) -> Markup:
    """Join the parts; every second one is code."""
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if i % 2 else escape(part) for i, part in enumerate(parts))
