"""The card of a currency book: its entries from the page's query, and the answer of GET /api/book for them.

A form has an amount and a currency for each position, so the page's query is `amount=5&position=USD`; it also takes
`position=USD:5`, as GET /api/book does.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import zip_longest
from typing import NamedTuple
from urllib.parse import urlencode

from lambda_fn.record.book import EURO
from lambda_fn.store.cache import NothingToServe
from lambda_fn.web.book import (
    AMOUNT,
    MAX_AMOUNT,
    MAX_POSITIONS,
    evaluate,
    find_version,
    from_query,
    served_currencies,
)
from lambda_fn.web.book_risk import BookPosition, BookRisk, describe
from lambda_fn.web.errors import Problem, to_problem
from lambda_fn.web.params import DEFAULT_HORIZON
from lambda_fn.web.response import Version
from lambda_fn.web.state import PairState

NAMES = ("amount", "position", "currency", "days")  # of the page's query
EXAMPLE_AMOUNT = "100000"
MAX_TEXT = 40  # characters of an entry that are shown again
DECIMALS = 9  # of an amount, as in the API
_HTML_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


class Entry(NamedTuple):
    """A row of the form: a currency, and an amount as it was entered."""

    currency: str
    amount: str


class BookCard(NamedTuple):
    """The form with its entries, and the answer for them.

    Attributes:
        currencies: those that a book may have.
        entries: the rows, of which the last is empty while a currency is unused.
        currency: the reporting currency.
        days: the forecast days from the first that has not begun, by their number.
        chosen: the number of the chosen day.
        answer: that of GET /api/book; None for an invalid book, and without a current forecast.
        problem: why there is no answer; None for an expired forecast.
        table_address: that of the answer as CSV.
    """

    currencies: Sequence[str]
    entries: Sequence[Entry]
    currency: str
    days: Mapping[int, date]
    chosen: int
    answer: BookRisk | None
    problem: Problem | None
    table_address: str

    @property
    def digits(self) -> int:
        """Decimals of the amounts of money: none, unless the whole risk is small."""
        return 0 if self.answer is None or self.answer["risk"]["99"]["value_at_risk"] >= 100 else 2

    @property
    def parts(self) -> Sequence[BookPosition]:
        """The positions of the answer."""
        return self.answer["positions"] if self.answer else ()

    @property
    def contributions(self) -> list[float]:
        """Those of the positions to the value at risk at 95 %."""
        return [part["contribution"]["95"]["value_at_risk"] for part in self.parts]

    def is_invalid(self, *fields: str) -> bool:
        """Return whether the problem is of one of these fields of the API."""
        return self.problem is not None and self.problem.field in fields


def book_card(pair: PairState, query: Mapping[str, str], days: Mapping[int, date]) -> BookCard | None:
    """Return the card; None if no euro pair is served.

    Args:
        pair: the page's pair.
        query: that of the page.
        days: the forecast days of the page's pair that have not begun, which an invalid book offers.
    """
    currencies = served_currencies(pair.state.settings.pairs)
    if len(currencies) < 2:
        return None
    entries, api_query = _entries(pair, query), _api_query(pair, query)
    if "days" in query:
        api_query["horizon"] = query["days"]
    elif days:
        api_query["horizon"] = str([*days][:DEFAULT_HORIZON][-1])
    answer, problem = None, None
    chosen = next((number for number in days if str(number) == api_query.get("horizon")), 0)
    try:
        book = from_query(api_query, currencies)
        assessment = evaluate(pair.state, book)
        chosen, begun = assessment.horizon, assessment.timeliness.begun
        days = {n: day for n, day in enumerate(assessment.days, 1) if n > begun or n == chosen}
        answer = describe(assessment, book) if assessment.timeliness.state != "expired" else None
    except (Problem, NothingToServe) as error:
        problem = to_problem(error, pair.pair)
    unused = [name for name in currencies if name not in {entry.currency for entry in entries}]
    unused.sort(key=lambda name: name == api_query["currency"])  # which has no risk
    added = [Entry(name, "") for name in unused[:1] if len(entries) < MAX_POSITIONS]
    return BookCard(
        currencies,
        [Entry(entry.currency[:MAX_TEXT], entry.amount[:MAX_TEXT]) for entry in entries[:MAX_POSITIONS]] + added,
        api_query["currency"],
        days,
        chosen,
        answer,
        problem,
        f"/api/book?{urlencode({**api_query, 'format': 'csv'}, safe=':,')}",
    )


def page_version(pair: PairState, query: Mapping[str, str]) -> Version:
    """Return the version of all records of the page: those of the pair and, where there are any, of the book."""
    version = pair.records.version("page")
    try:
        book = find_version(pair.state, _api_query(pair, query))
    except (Problem, NothingToServe):  # the card says so
        return version
    until = None if version.until is None or book.until is None else min(version.until, book.until)
    return version._replace(etag=f"{version.etag} {book.etag}", until=until)


def _entries(pair: PairState, query: Mapping[str, str]) -> list[Entry]:
    """Return the positions of the page's query, without rows of the form that have no amount; an example if none."""
    if "position" not in query:
        served = served_currencies(pair.state.settings.pairs)
        names = [name for name in (pair.pair[3:], pair.pair[:3], *served) if name in served and name != EURO]
        return [Entry(name, EXAMPLE_AMOUNT) for name in names[:1]]
    parts = [part.strip() for part in query["position"].split(",")]
    if "amount" not in query:
        return [Entry(name, amount) for name, _, amount in (part.partition(":") for part in parts if part)]
    # A missing value is refused: which of the others it belongs to is unknown.
    rows = zip_longest(parts, query["amount"].split(","), fillvalue="-")
    return [Entry(name, amount.strip()) for name, amount in rows if amount.strip()]


def _api_query(pair: PairState, query: Mapping[str, str]) -> dict[str, str]:
    """Return the query of GET /api/book for that of the page, without a day."""
    position = ",".join(f"{name}:{_plain(amount)}" for name, amount in _entries(pair, query))
    return {"currency": query.get("currency", EURO), "position": position}


def _plain(amount: str) -> str:
    """Return a number that a browser may send, such as 1e6 or .5, as the API writes it; other text as it is."""
    if AMOUNT.fullmatch(amount) or not _HTML_NUMBER.fullmatch(amount) or not abs(float(amount)) <= MAX_AMOUNT:
        return amount
    return f"{float(amount):.{DECIMALS}f}".rstrip("0").rstrip(".")
