"""The live record of two books: forecast daily, stored before the outcome is known, and scored.

`long` holds the same euro amount of each served currency; `long_short` holds it of the first half by alphabet and owes
it of the second. Both have a gross value of GROSS euros. `record/book/2026-10-30.json` is the forecast after that day,
which is never overwritten. `serving/book-record.json` is the summary of all forecasts whose outcome is known, computed
from them and the price files.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION, ContractError, utc_text
from lambda_fn.prices.price_file import parse
from lambda_fn.record.book import CURRENCY, EURO, MAX_CURRENCIES, Correlations, assess
from lambda_fn.record.official_forecast import Official, publication_time, return_sd
from lambda_fn.record.statistics import estimate_coverage
from lambda_fn.store import keys, schema
from lambda_fn.store.object_store import Missing, Store
from lambda_fn.store.schema import Invalid

GROSS = 1_000_000.0
BOOKS = ("long", "long_short")
HORIZONS, CONFIDENCES = (1, 5, 21), ("95", "99")
MAX_NEWEST = 250  # rows of one day ahead in the summary
_DIGITS = 6
_log = logging.getLogger(__name__)
_LOSSES = schema.object_of(
    dict.fromkeys(
        CONFIDENCES, schema.object_of(dict.fromkeys(("value_at_risk", "expected_shortfall"), schema.number(0, 1e9)))
    )
)
_BY_HORIZON = schema.map_of(_LOSSES)


class BookEntry(NamedTuple):
    """The forecast of the reference books after the close of `as_of`.

    `days` are the forecast days of HORIZONS. `rates` are the last closes by currency, in units per euro, and `sources`
    those of their prices. `losses` are in euros by book, horizon and confidence.
    """

    as_of: date
    made_at: datetime
    kind: Annotated[str, schema.text("live|late", "live or late")]
    days: Annotated[tuple[date, ...], schema.list_of(schema.DAY, len(HORIZONS))]
    currencies: Annotated[tuple[str, ...], schema.list_of(CURRENCY, MAX_CURRENCIES)]
    rates: Annotated[dict[str, float], schema.map_of(schema.PRICE)]
    sources: Annotated[dict[str, str], schema.map_of(schema.SOURCE)]
    losses: Annotated[dict[str, Any], schema.object_of(dict.fromkeys(BOOKS, _BY_HORIZON))]

    @classmethod
    def parse(cls, data: bytes, as_of: date) -> "BookEntry":
        """Parse the entry of `as_of`, which is in its key. Raises ContractError naming the field and the cure."""
        return schema.parse(cls, schema.keyed_object(data, "book", as_of=as_of.isoformat()), "book")

    def check(self) -> None:
        """Check that each currency has a rate and a source, and each day its losses. Raises Invalid."""
        for name, members in (("rates", self.rates), ("sources", self.sources)):
            if {*members} != {*self.currencies}:
                raise Invalid(f".{name}", "must be of the currencies; delete the entry")
        for book, by_horizon in self.losses.items():
            if [*by_horizon] != [str(horizon) for horizon in HORIZONS[: len(self.days)]]:
                raise Invalid(f".losses.{book}", "must be of the days; delete the entry")

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        return fields.summed_bytes({"contract_version": CONTRACT_VERSION, **schema.dump(self)})


class BookScore(NamedTuple):
    """The outcome of one book at one horizon: its profit in euros and the losses that were forecast."""

    as_of: date
    target_date: date
    horizon: int
    book: str
    kind: str
    profit: float
    losses: Mapping[str, Mapping[str, float]]


def euro_values(book: str, currencies: Sequence[str]) -> dict[str, float]:
    """Return the value of each position of a book in euros, with the currencies in alphabetical order."""
    names, share = sorted(currencies), GROSS / len(currencies)
    half = (len(names) + 1) // 2
    return {name: -share if book == "long_short" and i >= half else share for i, name in enumerate(names)}


def update(store: Store, pairs: Sequence[str], now: datetime) -> None:
    """Store the forecast of the day unless it exists, and renew the summary. Raises Unavailable."""
    try:
        record = Correlations.parse(store.read(keys.BOOK_KEY).data)
    except (Missing, ContractError) as error:
        _log.info("no reference books: %s", error)
        return
    forecasts = {}
    for name in record.currencies:
        if (pair := EURO + name) in pairs:
            try:
                forecasts[name] = Official.parse(store.read(keys.forecast_key(pair)).data, pair)
            except (Missing, ContractError) as error:
                _log.warning("%s is left out of the reference books: %s", pair, error)
    if forecasts:
        entry = make_entry(forecasts, record, now)
        store.create(keys.book_ledger_key(entry.as_of), entry.to_json())
    scores = score_all(store)
    members = {"contract_version": CONTRACT_VERSION, **summarise(scores)}

    def renew(stored: bytes | None) -> tuple[bytes | None, None]:
        try:
            before = {} if stored is None else fields.json_object(stored, "book")
        except ContractError:
            before = {}
        if {name: value for name, value in before.items() if name != "made_at"} == members:
            return None, None
        return fields.summed_bytes({**members, "made_at": utc_text(now)}), None

    store.update(keys.BOOK_RECORD_KEY, renew)


def make_entry(forecasts: Mapping[str, Official], record: Correlations, now: datetime) -> BookEntry:
    """Forecast the books from the official forecasts of the latest day, by currency."""
    as_of = max(forecast.as_of for forecast in forecasts.values())
    latest = {name: forecast for name, forecast in sorted(forecasts.items()) if forecast.as_of == as_of}
    longest = min(forecast.horizon for forecast in latest.values())
    horizons = [horizon for horizon in HORIZONS if horizon <= longest]
    first = next(iter(latest.values()))
    rates = {name: forecast.last_close for name, forecast in latest.items()}
    losses: dict[str, dict[str, Any]] = {}
    for book in BOOKS:
        amounts = [(name, value * rates[name]) for name, value in euro_values(book, [*latest]).items()]
        losses[book] = {}
        for horizon in horizons:
            sds = {name: return_sd(forecast, horizon) for name, forecast in latest.items()}
            risk = assess(EURO, amounts, {EURO: 1.0, **rates}, sds, record)
            losses[book][str(horizon)] = {
                name: {
                    "value_at_risk": round(risk.loss(float(name) / 100) * risk.sd, 2),
                    "expected_shortfall": round(risk.shortfall(float(name) / 100) * risk.sd, 2),
                }
                for name in CONFIDENCES
            }
    published = min(publication_time(forecast.days[0], forecast.source) for forecast in latest.values())
    return BookEntry(
        as_of=as_of,
        made_at=now,
        kind="live" if now < published else "late",
        days=tuple(first.days[horizon - 1] for horizon in horizons),
        currencies=tuple(latest),
        rates=rates,
        sources={name: forecast.source for name, forecast in latest.items()},
        losses=losses,
    )


def score_all(store: Store) -> list[BookScore]:
    """Score all entries of the ledger whose outcomes are in the price files; an invalid entry has no scores."""
    closes: dict[tuple[str, str], dict[date, float]] = {}

    def close(name: str, source: str, day: date) -> float | None:
        if (name, source) not in closes:
            try:
                table = parse(store.read(keys.price_key(EURO + name, source)).data, ["close"])
                closes[name, source] = dict(zip(table.dates, table.columns["close"].tolist(), strict=True))
            except (Missing, ContractError) as error:
                _log.warning("EUR%s: %s", name, error)
                closes[name, source] = {}
        return closes[name, source].get(day)

    scores = []
    for key in sorted(store.list("record/book")):
        try:
            entry = BookEntry.parse(store.read(key).data, date.fromisoformat(key[-15:-5]))
        except (ContractError, ValueError) as error:
            _log.warning("%s is not scored: %s", key, error)
            continue
        for horizon, day in zip(HORIZONS, entry.days, strict=False):
            later = {name: close(name, entry.sources[name], day) for name in entry.currencies}
            rates = {name: rate for name, rate in later.items() if rate}
            if len(rates) < len(entry.currencies):
                continue
            for book in BOOKS:
                values = euro_values(book, entry.currencies)
                profit = math.fsum(value * (entry.rates[name] / rates[name] - 1) for name, value in values.items())
                losses = entry.losses[book][str(horizon)]
                scores.append(BookScore(entry.as_of, day, horizon, book, entry.kind, round(profit, 2), losses))
    return scores


def summarise(scores: Sequence[BookScore]) -> dict[str, Any]:
    """Return `books`, the summary of each book by horizon, and `newest`, the latest outcomes one day ahead.

    `covered` is the share of losses within the value at risk, with its 95 % interval. `shortfall` is the realised loss
    on the other days over the forecast one, and `pinball` the mean pinball loss of the value at risk, in euros.
    """
    live = [score for score in scores if score.kind == "live"]
    books = {
        book: [
            _summarise(horizon, rows)
            for horizon in HORIZONS
            if (rows := [score for score in live if (score.book, score.horizon) == (book, horizon)])
        ]
        for book in BOOKS
    }
    newest = [
        {
            "as_of": score.as_of.isoformat(),
            "target_date": score.target_date.isoformat(),
            **{"book": score.book, "kind": score.kind, "profit": score.profit},
            **{f"value_at_risk_{name}": losses["value_at_risk"] for name, losses in score.losses.items()},
        }
        for score in scores
        if score.horizon == 1
    ]
    return {"books": books, "newest": newest[-MAX_NEWEST:]}


def _summarise(horizon: int, rows: Sequence[BookScore]) -> dict[str, Any]:
    covered, shortfall, pinball = {}, {}, {}
    for name in CONFIDENCES:
        level = float(name) / 100
        risks = [row.losses[name]["value_at_risk"] for row in rows]
        inside = [-row.profit <= risk for row, risk in zip(rows, risks, strict=True)]
        covered[name] = estimate_coverage([float(hit) for hit in inside], horizon, len(inside))
        beyond = [row for row, hit in zip(rows, inside, strict=True) if not hit]
        expected = math.fsum(row.losses[name]["expected_shortfall"] for row in beyond)
        shortfall[name] = round(-math.fsum(row.profit for row in beyond) / expected, _DIGITS) if expected else None
        errors = [-row.profit - risk for row, risk in zip(rows, risks, strict=True)]
        pinball[name] = round(math.fsum(max(level * x, (level - 1) * x) for x in errors) / len(errors), 2)
    return {"horizon": horizon, "n": len(rows), "covered": covered, "shortfall": shortfall, "pinball": pinball}
