"""The risk of a book of currencies: GET and POST /api/book."""

from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

from lambda_fn.web.book_risk import BookRisk, Currency, Loss, describe
from lambda_fn.web.errors import bad_body
from lambda_fn.web.params import DATE, DAY, DAY_H, DECIMAL, FORMAT, Parameter
from lambda_fn.web.request import Request
from lambda_fn.web.response import CSV, DateText, Text
from lambda_fn.web.routing import BAD_QUERY, COMPRESSED, LARGE, NOTHING, Form, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.web.book import BookQuery  # only for a book

CURRENCY = Parameter(
    "currency",
    "Reporting currency: EUR, or a currency whose euro pair is served. Default: EUR.",
    "EUR",
    {"type": "string", "pattern": "^[A-Z]{3}$"},
)
POSITION = Parameter(
    "position",
    "Currency and amount in that currency, negative for a short position; repeated or separated by commas.",
    ("USD:1000000", "JPY:-250000000"),
    {"type": "array", "items": {"type": "string"}},
)
CONFIDENCE = Parameter(
    "confidence",
    "Confidence in percent, from 50 to 99.9, repeated or separated by commas. Default: 95 and 99.",
    (95, 99),
    {"type": "array", "items": {"type": "number"}},
)


class BookBody(TypedDict):
    """A book.

    Attributes:
        currency: reporting currency; default EUR.
        positions: amounts by currency, each in its own currency.
        date: business day of the forecast.
        horizon: business days after the last close, instead of date; default: the first that has not begun.
        confidence: percentages from 50 to 99.9; default 95 and 99.
    """

    currency: NotRequired[Currency]
    positions: NotRequired[Annotated[dict[str, float], ("maxProperties", 60)]]
    date: NotRequired[DateText]
    horizon: NotRequired[Annotated[int, ("minimum", 1)]]
    confidence: NotRequired[list[Annotated[float, ("minimum", 50), ("maximum", 99.9)]]]


def book(pair: PairState, request: Request) -> BookRisk:
    """Return the risk of the book in the query."""
    from lambda_fn.web.book import from_query, served_currencies

    DECIMAL.parse_choice(request.query)
    return _assess(pair, from_query(request.query, served_currencies(pair.state.settings.pairs)))


def book_sent(pair: PairState, request: Request) -> BookRisk:
    """Return the risk of the book in the body."""
    from lambda_fn.web.book import from_body, served_currencies
    from lambda_fn.web.errors import Problem

    query = from_body(request.body(), served_currencies(pair.state.settings.pairs))
    try:
        return _assess(pair, query)
    except Problem as problem:
        if problem.code == "bad_query":  # the day, which is in the body here
            raise bad_body(problem.field or "date", str(problem), problem.cure) from problem
        raise


def book_table(pair: PairState, request: Request) -> Text:
    """Return the risk of the book in the query as CSV: a row for each position, and one for the total."""
    content = book(pair, request)
    kinds = ("value_at_risk", "expected_shortfall")
    columns = [(confidence, kind) for confidence in content["risk"] for kind in kinds]
    header = ["currency", "amount", "value", *(f"{kind}_{confidence}" for confidence, kind in columns)]
    header += [f"stand_alone_{kind}_{confidence}" for confidence, kind in columns]

    def cells(losses: dict[str, Loss]) -> list[float]:
        return [losses[confidence][kind] for confidence, kind in columns]  # type: ignore[literal-required]

    rows: list[list[object]] = [
        [
            entry["currency"],
            entry["amount"],
            entry["value"],
            *cells(entry["contribution"]),
            *cells(entry["stand_alone"]),
        ]
        for entry in content["positions"]
    ]
    total = ["total", "", content["value"], *cells(content["risk"])]
    rows.append([*total, *([""] * len(columns))])
    return Text.of_table(
        f"book-{content['currency']}-{content['date']}.csv",
        [*header, "date", "age_state"],
        [[*row, content["date"], content["age"]["state"]] for row in rows],
        DECIMAL.parse_choice(request.query),
    )


def _assess(pair: PairState, query: "BookQuery") -> BookRisk:
    from lambda_fn.web.book import evaluate

    return describe(evaluate(pair.state, query), query)


_TEXT = (
    "What a book of currencies can lose from the last close to a day's close, in the reporting currency: value at "
    "risk, expected shortfall, quantiles of profit and loss, and the contribution of each position. It is linear in "
    "the log returns against the euro. Their standard deviations are those of the official forecasts, their "
    "correlations are estimated daily, and the distribution is Student's t."
)
ROUTES = (
    Route(
        "GET",
        "/api/book",
        book,
        "Risk of a book of currencies",
        f"{_TEXT} CSV has one row for each position, whose losses are its contribution, and one for the total.",
        "book",
        parameters=(CURRENCY, POSITION, CONFIDENCE, DAY, DAY_H, DATE, FORMAT, DECIMAL),
        problems=(BAD_QUERY, NOTHING),
        record="book",
        others=(Form(CSV, book_table, "book"),),
    ),
    Route(
        "POST",
        "/api/book",
        book_sent,
        "Risk of a book of currencies in the body",
        _TEXT,
        "book",
        body="BookBody",
        problems=((400, "The body is invalid; `field` names the place."), LARGE, COMPRESSED, NOTHING),
    ),
)
