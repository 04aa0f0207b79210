"""The risk of a book of currencies: the change of its value from the last close to a day's close.

The change is linear in the log returns of each currency against the euro. Their standard deviations are those of the
official forecasts, their correlations come from `serving/book.json`, their means are zero, and the distribution is
Student's t with the degrees of freedom of that record. Pure Python, because a GET must not import numpy.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, NamedTuple

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION
from lambda_fn.record import student_t
from lambda_fn.store import schema
from lambda_fn.store.schema import Invalid

EURO = "EUR"
MAX_CURRENCIES = 60
MIN_FREEDOM, MAX_FREEDOM = 2.1, 1000.0
ROUNDING = 1e-9  # of a correlation
CURRENCY = schema.text("[A-Z]{3}", "three capital letters such as USD")
Rows = list[list[float]]


class Correlations(NamedTuple):
    """The correlations of the log returns of currencies against the euro, `serving/book.json`.

    `as_of` is the last day of the returns, and `freedom` the degrees of freedom pooled over the official forecasts.
    """

    as_of: date
    currencies: Annotated[tuple[str, ...], schema.list_of(CURRENCY, MAX_CURRENCIES)]
    correlations: Annotated[Rows, schema.parse_rows]
    freedom: Annotated[float, schema.number(MIN_FREEDOM, MAX_FREEDOM), "degrees_of_freedom"]
    made_at: datetime

    @classmethod
    def parse(cls, data: bytes) -> "Correlations":
        """Parse the record. Raises ContractError naming the field and the cure."""
        return schema.parse(cls, schema.keyed_object(data, "book"), "book")

    def check(self) -> None:
        """Check that the rows are a matrix of correlations. Raises Invalid."""
        rows, size = self.correlations, len(self.currencies)
        if len({*self.currencies}) < size:
            raise Invalid(".currencies", "names a currency twice; run eurusd ingest")
        if (len(rows), len(rows[0])) != (size, size):
            raise Invalid(".correlations", f"must be {size} rows of {size}; run eurusd ingest")
        for i, row in enumerate(rows):
            if row[i] != 1 or any(row[j] != rows[j][i] or abs(row[j]) > 1 for j in range(i)):
                raise Invalid(f".correlations[{i}]", "is not of a symmetric matrix with ones on its diagonal")
        if not _is_semidefinite(rows):
            raise Invalid(".correlations", "would give a negative variance; run eurusd ingest")

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        return fields.summed_bytes({"contract_version": CONTRACT_VERSION, **schema.dump(self)})


class Position(NamedTuple):
    """An amount of a currency, and its value in the reporting currency at the last close."""

    currency: str
    amount: float
    value: float


class Risk(NamedTuple):
    """The risk of a book in the reporting currency, as multiples of which all its losses follow.

    Attributes:
        positions: those of the book.
        sd: standard deviation of the change of value.
        contributions: to `sd`, by position; their sum is `sd`.
        stand_alone: the standard deviation of each position alone.
        freedom: degrees of freedom of the distribution.
    """

    positions: tuple[Position, ...]
    sd: float
    contributions: tuple[float, ...]
    stand_alone: tuple[float, ...]
    freedom: float

    def loss(self, confidence: float) -> float:
        """Return the factor of a standard deviation that is its value at risk; `confidence` is a fraction."""
        return student_t.quantile(confidence, self.freedom)

    def shortfall(self, confidence: float) -> float:
        """Return the factor of a standard deviation that is its expected shortfall."""
        return student_t.tail_mean(confidence, self.freedom)


def assess(
    reporting: str,
    amounts: Sequence[tuple[str, float]],
    rates: Mapping[str, float],
    sds: Mapping[str, float],
    record: Correlations,
) -> Risk:
    """Return the risk of a book.

    Args:
        reporting: the reporting currency.
        amounts: currency and amount of each position; several may have one currency.
        rates: the last close of each currency, in units per euro; 1 for the euro.
        sds: the standard deviation of the log return of each currency against the euro.
        record: the correlations; it has each of the currencies but the euro.
    """
    positions = tuple(Position(name, amount, amount / rates[name] * rates[reporting]) for name, amount in amounts)
    names = sorted({reporting, *(position.currency for position in positions)} - {EURO})
    row_of = {name: record.currencies.index(name) for name in names}
    # A position gains with the reporting currency's rate per euro and loses with its own.
    exposures = dict.fromkeys(names, 0.0)
    for position in positions:
        for name, sign in ((reporting, 1), (position.currency, -1)):
            if name != EURO:
                exposures[name] += sign * position.value
    slopes = {EURO: 0.0}  # half the derivative of the variance
    for name in names:
        row = record.correlations[row_of[name]]
        slopes[name] = sds[name] * math.fsum(row[row_of[other]] * sds[other] * exposures[other] for other in names)
    sd = math.sqrt(max(math.fsum(exposures[name] * slopes[name] for name in names), 0.0))

    def alone(position: Position) -> float:
        spread, base = (sds.get(name, 0.0) for name in (position.currency, reporting))
        rows = [row_of.get(name) for name in (position.currency, reporting)]
        correlation = 0.0 if None in rows else record.correlations[rows[0] or 0][rows[1] or 0]
        variance = spread * spread + base * base - 2 * correlation * spread * base
        return abs(position.value) * math.sqrt(max(variance, 0.0))

    return Risk(
        positions,
        sd,
        tuple((p.value * (slopes[reporting] - slopes[p.currency]) / sd if sd else 0.0) + 0.0 for p in positions),
        tuple(0.0 if p.currency == reporting else alone(p) for p in positions),
        record.freedom,
    )


def _is_semidefinite(rows: Rows) -> bool:
    """Return whether no combination has a negative variance, by a Cholesky decomposition."""
    lower: Rows = []
    for i, row in enumerate(rows):
        factors: list[float] = []
        for j in range(i):
            rest = row[j] - math.fsum(a * b for a, b in zip(factors, lower[j], strict=False))
            pivot = lower[j][j]
            if pivot == 0 and abs(rest) > 10 * math.sqrt(ROUNDING):
                return False
            factors.append(rest / pivot if pivot else 0.0)
        rest = row[i] - math.fsum(factor * factor for factor in factors)
        if rest < -ROUNDING * (i + 1):
            return False
        factors.append(math.sqrt(rest) if rest > ROUNDING else 0.0)
        lower.append(factors)
    return True
