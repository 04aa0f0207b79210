"""The official forecast, `serving/forecast.json`: everything that an answer to a GET needs in one file.

This module imports no numpy, because every cold GET imports this module.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from operator import le
from typing import Any, NamedTuple, Protocol

from lambda_fn import fields
from lambda_fn.fields import (
    CONTRACT_VERSION,
    MAX_GENERATION,
    MAX_HORIZON,
    MAX_LEVELS,
    NEEDED_LEVELS,
    ContractError,
)

CLOSES = 250  # prices before the forecast that it contains, about a year
MEAN_SLACK = 1e-12  # relative to the price: rounding may put a mean beyond the quantile that it equals
# Relative to the last close, times the square root of the days: the distance of a median is less than half of the
# largest return of its window (`champion.plausibility`), and prices that fall by over a fifth in a day are refused.
MAX_MOVE = 0.12
MAX_NOTES = 20
MAX_WINDOW, MAX_FEATURES = 10_000, 200
BENCHMARKS = ("constant", "ewma", "garch")
Rows = list[list[float]]


class Official(NamedTuple):
    """The official forecast of one day, in prices: quantiles [horizon][levels], mean [horizon].

    `benchmarks` are quantiles too; `garch` may be missing, with the reason in `notes`. `closes` are the last CLOSES
    closes by date, oldest first; the last one is `last_close` of `as_of`. `inputs_sha256` is the digest of the
    champion's inputs: on the same day it differs if prices were corrected. `champion` and `card` are what answers say
    about the champion. `failure_reason` says why no newer forecast could be made since, None if that did not happen.
    `blocked_generation` is the generation of the champion that caused this: nothing of it is served until it, or
    another champion, produces a forecast again. In JSON these two are `withheld` and `suspended`.
    """

    pair: str
    source: str
    generation: int
    as_of: date
    last_close: float
    days: tuple[date, ...]
    levels: tuple[float, ...]
    quantiles: Rows
    mean: list[float]
    benchmarks: dict[str, Rows]
    closes: dict[str, float]
    inputs_sha256: str
    champion: dict[str, Any]
    card: dict[str, Any]
    made_at: datetime
    notes: tuple[str, ...] = ()
    failure_reason: str | None = None
    blocked_generation: int | None = None

    @property
    def order(self) -> tuple[int, date]:
        """Sort key: a forecast with a lower one never replaces one with a higher one."""
        return self.generation, self.as_of

    @property
    def horizon(self) -> int:
        return len(self.days)

    @classmethod
    def parse(cls, data: bytes, pair: str) -> "Official":
        """Parse the forecast of `pair`, which is in its key. Raises ContractError naming the field and the cure."""
        read = fields.Reader(fields.json_object(data, "forecast"), "forecast")
        read.version("contract_version", CONTRACT_VERSION)
        benchmarks, closes = read.object("benchmarks"), read.object("closes")
        champion, card = read.object("champion"), read.object("card")
        _check_champion(champion)
        _check_card(card)
        official = cls(
            pair=read.same("pair", pair),
            source=read.matching("source", fields.SOURCE),
            generation=read.whole("generation", 1, MAX_GENERATION),
            as_of=read.day("as_of"),
            last_close=closes.price(read.text("as_of")),
            days=tuple(_parse_days(read, "days")),
            levels=read.levels("levels", NEEDED_LEVELS, MAX_LEVELS),
            quantiles=read.rows("quantiles"),
            mean=read.numbers("mean"),
            benchmarks={name: benchmarks.rows(name) for name in benchmarks.members},
            closes=_parse_closes(closes, read.day("as_of")),
            inputs_sha256=read.matching("inputs_sha256", fields.SHA256),
            champion=dict(champion.members),
            card=dict(card.members),
            made_at=read.moment("made_at"),
            notes=read.optional("notes", lambda name: read.texts(name, MAX_NOTES)) or (),
            failure_reason=read.optional("withheld", read.text),
            blocked_generation=read.optional("suspended", lambda name: read.whole(name, 1, MAX_GENERATION)),
        )
        check_forecast(official, "forecast")
        return official

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        return fields.summed_bytes(
            {
                "contract_version": CONTRACT_VERSION,
                "pair": self.pair,
                "source": self.source,
                "generation": self.generation,
                "as_of": self.as_of.isoformat(),
                "last_close": self.last_close,
                "days": [day.isoformat() for day in self.days],
                "levels": self.levels,
                "quantiles": self.quantiles,
                "mean": self.mean,
                "benchmarks": self.benchmarks,
                "closes": self.closes,
                "inputs_sha256": self.inputs_sha256,
                "champion": self.champion,
                "card": self.card,
                "made_at": fields.utc_text(self.made_at),
                **({"notes": self.notes} if self.notes else {}),
                **({"withheld": self.failure_reason} if self.failure_reason else {}),
                **({"suspended": self.blocked_generation} if self.blocked_generation else {}),
            }
        )


class Distribution(Protocol):
    """The fields that an official forecast and its entry in the ledger have in common."""

    @property
    def as_of(self) -> date: ...
    @property
    def last_close(self) -> float: ...
    @property
    def days(self) -> tuple[date, ...]: ...
    @property
    def levels(self) -> tuple[float, ...]: ...
    @property
    def quantiles(self) -> Rows: ...
    @property
    def mean(self) -> list[float]: ...
    @property
    def benchmarks(self) -> dict[str, Rows]: ...


def check_forecast(forecast: Distribution, where: str) -> None:
    """Check that the fields are consistent and that the prices form a distribution.

    The days ascend from the day after `as_of`. Each row of quantiles is positive and non-decreasing, its median is near
    the last close, and the mean is within it. These are the checks of `champion.plausibility` that need no window,
    without numpy. Raises ContractError, whose message begins with `where`.
    """
    days, levels = len(forecast.days), len(forecast.levels)
    if len(forecast.mean) != days:
        raise ContractError(f"{where}: {len(forecast.mean)} means for {days} days; make the forecast again")
    if list(forecast.days) != sorted({*forecast.days}) or forecast.days[0] <= forecast.as_of:
        raise ContractError(f"{where}.days: must ascend from the day after {forecast.as_of}; make the forecast again")
    for name, rows in {"quantiles": forecast.quantiles, **forecast.benchmarks}.items():
        if (len(rows), len(rows[0])) != (days, levels):
            raise ContractError(
                f"{where}.{name}: must have one row per day and one price per level; make the forecast again"
            )
        for row in rows:
            if not (0 < row[0] and row[-1] <= fields.LARGEST and all(map(le, row, islice(row, 1, None)))):
                raise ContractError(
                    f"{where}.{name}: prices must be positive and non-decreasing; make the forecast again"
                )
    median = forecast.levels.index(0.5)
    for day, (row, mean) in enumerate(zip(forecast.quantiles, forecast.mean, strict=True), 1):
        slack = MEAN_SLACK * mean
        if not row[0] - slack <= mean <= row[-1] + slack:
            raise ContractError(f"{where}.mean: {mean} is outside of its quantiles; make the forecast again")
        if abs(row[median] / forecast.last_close - 1) > MAX_MOVE * math.sqrt(day):
            raise ContractError(
                f"{where}.quantiles: the median {row[median]} is far from the last close {forecast.last_close}; "
                "make the forecast again"
            )


def recent_closes(dates: Sequence[date], close: Sequence[float]) -> dict[str, float]:
    """Return the last CLOSES closes by ISO date."""
    return {day.isoformat(): float(price) for day, price in zip(dates[-CLOSES:], close[-CLOSES:], strict=True)}


def _parse_closes(read: fields.Reader, as_of: date) -> dict[str, float]:
    """Parse the closes by ISO date, up to `as_of`."""
    try:
        dates = [date.fromisoformat(day).isoformat() for day in read.members]
    except ValueError as error:
        raise ContractError(f"{read.where}: {error}; make the forecast again") from error
    if dates != sorted(dates) or dates[-1] != as_of.isoformat():
        raise ContractError(f"{read.where}: must ascend and end on {as_of}; make the forecast again")
    return {day: read.price(day) for day in dates}


def _check_champion(read: fields.Reader) -> None:
    """Check the fields that answers and the page show about the champion."""
    for name in ("name", "type", "version", "family"):
        read.name(name)
    read.whole("generation", 1, MAX_GENERATION)
    read.matching("sha256", fields.SHA256)
    read.day("trained_through")
    read.names("features", MAX_FEATURES)
    read.moment("activated_at")
    read.optional("run_id", read.name)
    read.scores("scores")


def _check_card(read: fields.Reader) -> None:
    """Check the fields of the model card that the page and the API read."""
    read.object("inputs").whole("window", 1, MAX_WINDOW)
    read.optional("events_known_through", read.day)
    read.scores("scores")


def _parse_days(read: fields.Reader, name: str) -> list[date]:
    texts: Mapping[str, Any] = {text: text for text in read.names(name, MAX_HORIZON)}
    return [fields.Reader(texts, f"{read.where}.{name}").day(text) for text in texts]
