"""The risk of a book of currencies: GET and POST /api/book."""

from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

from lambda_fn.web.errors import bad_body
from lambda_fn.web.forecast import AgedFreshness, Horizon, age_json, freshness_fields
from lambda_fn.web.params import DATE, DAY, DAY_H, DECIMAL, FORMAT, Parameter
from lambda_fn.web.request import Request
from lambda_fn.web.response import CSV, DateText, Text
from lambda_fn.web.routing import BAD_QUERY, COMPRESSED, LARGE, NOTHING, Form, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.web.book import BookQuery  # only for a book

MONEY_DECIMALS = 2
LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
Currency = Annotated[str, ("pattern", "^[A-Z]{3}$")]
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


class Loss(TypedDict):
    """Losses in the reporting currency; positive numbers are losses."""

    value_at_risk: float
    expected_shortfall: float


Losses = Annotated[dict[str, Loss], 'by confidence in percent, for example "95"']


class BookPosition(TypedDict):
    """A position of a book.

    Attributes:
        amount: in its own currency.
        value: in the reporting currency, at the last close.
        contribution: its part of the book's losses; the parts add up to the total, and a hedge has a negative one.
        stand_alone: losses of the position alone.
    """

    currency: Currency
    amount: float
    value: float
    contribution: Losses
    stand_alone: Losses


class BookRisk(AgedFreshness):
    """The risk of a book: the change of its value from the last close to the close of a day.

    Attributes:
        currency: the reporting currency.
        as_of: date of the last close, the oldest if they differ.
        correlations_as_of: last day of the prices from which the correlations are estimated.
        date: the day.
        horizon: its business days after the latest of the last closes.
        value: of all positions, in the reporting currency.
        volatility: standard deviation of the change, in the reporting currency.
        risk: losses that are exceeded with the remaining probability, and the mean loss beyond them.
        diversification: sum of the stand-alone losses less those of the book.
        quantiles: profit (positive) or loss by level.
        sentence: the value at risk as a sentence.
    """

    currency: Currency
    as_of: DateText
    correlations_as_of: DateText
    date: DateText
    horizon: Horizon
    value: float
    volatility: float
    risk: Losses
    diversification: Losses
    quantiles: Annotated[dict[str, float], 'by level, for example "0.05"; non-decreasing']
    positions: list[BookPosition]
    degrees_of_freedom: float
    sentence: str


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

    assessment = evaluate(pair.state, query)
    risk, currency = assessment.risk, query.currency

    def money(amount: float) -> float:
        return round(amount, MONEY_DECIMALS) + 0.0  # turns -0.0 into 0.0

    factors = {
        name: (risk.loss(round(float(name) / 100, 9)), risk.shortfall(round(float(name) / 100, 9)))
        for name in query.confidences
    }

    def losses(sd: float) -> dict[str, Loss]:
        return {
            name: {"value_at_risk": money(loss * sd), "expected_shortfall": money(shortfall * sd)}
            for name, (loss, shortfall) in factors.items()
        }

    day, loss = assessment.day.isoformat(), risk.loss(0.95) * risk.sd
    sentence = f"With a 1-in-20 chance this book loses more than {loss:,.2f} {currency} by {day}"
    sentence = sentence if risk.sd else f"This book has no currency risk in {currency}"
    lead = "No current forecast: " if assessment.timeliness.state == "expired" else ""
    begun = "; this day has begun" if assessment.has_begun else ""
    quantiles = {
        f"{level:g}": money((1 if level > 0.5 else -1) * risk.loss(max(level, round(1 - level, 9))) * risk.sd)
        for level in LEVELS
    }
    freshness = freshness_fields(assessment.checks, assessment.timeliness, assessment.failure_reason)
    return {
        "currency": currency,
        "as_of": assessment.as_of.isoformat(),
        "correlations_as_of": assessment.correlations_as_of.isoformat(),
        "date": day,
        "horizon": assessment.horizon,
        "value": money(sum(position.value for position in risk.positions)),
        "volatility": money(risk.sd),
        "risk": losses(risk.sd),
        "diversification": losses(sum(risk.stand_alone) - risk.sd),
        "quantiles": quantiles,
        "positions": [
            {
                "currency": position.currency,
                "amount": position.amount,
                "value": money(position.value),
                "contribution": losses(contribution),
                "stand_alone": losses(alone),
            }
            for position, contribution, alone in zip(risk.positions, risk.contributions, risk.stand_alone, strict=True)
        ],
        "degrees_of_freedom": risk.freedom,
        "sentence": f"{lead}{sentence}{begun}",
        "age": age_json(assessment.timeliness),
        "checked_at": freshness["checked_at"],
        "stale": freshness["stale"],
        "stale_reason": freshness["stale_reason"],
    }


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
