"""serving/forecast.json: the official forecast, all that an answer to a GET needs, in one file.

Parsed without numpy: every GET answers from it, and a cold one imports what this module imports.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from lambda_fn import fields
from lambda_fn.fields import (
    CONTRACT_VERSION,
    MAX_GENERATION,
    MAX_HORIZON,
    MAX_LEVELS,
    NEEDED_LEVELS,
    ContractError,
)

CLOSES = 250  # days of prices before the forecast that it holds: a year to look back on
BENCHMARKS = ("constant", "ewma", "garch")
Rows = list[list[float]]


class Official(NamedTuple):
    """The forecast of one day. Prices: quantiles [horizon][levels], mean [horizon], each benchmark as quantiles.

    `closes` are the last CLOSES closes by date, oldest first, the last one `last_close` of `as_of`. `inputs_sha256`
    is of what was forecast from: another one on the same day is of corrected prices. `champion` and `card` are what
    answers tell of the champion. `garch` may be missing among the benchmarks, with the reason in `notes`. `withheld`
    says why no newer forecast could be made since, None when that did not happen. `suspended` is the generation whose
    champion was at fault in that: nothing of it is served until it, or another, gives a forecast again.
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
    withheld: str | None = None
    suspended: int | None = None

    @property
    def order(self) -> tuple[int, date]:
        """Forecasts are ordered by this: a lower one never replaces a higher."""
        return self.generation, self.as_of

    @property
    def horizon(self) -> int:
        return len(self.days)

    @classmethod
    def parse(cls, data: bytes) -> "Official":
        """Raises ContractError naming the field and the cure."""
        read = fields.Reader(fields.json_object(data, "forecast"), "forecast")
        read.version("contract_version", CONTRACT_VERSION)
        benchmarks, closes = read.object("benchmarks"), read.object("closes")
        found = cls(
            pair=read.matching("pair", fields.PAIR),
            source=read.matching("source", fields.SOURCE),
            generation=read.whole("generation", 1, MAX_GENERATION),
            as_of=read.day("as_of"),
            last_close=closes.number(read.text("as_of")),
            days=tuple(_days(read, "days")),
            levels=read.levels("levels", NEEDED_LEVELS, MAX_LEVELS),
            quantiles=read.rows("quantiles"),
            mean=read.numbers("mean"),
            benchmarks={name: benchmarks.rows(name) for name in benchmarks.found},
            closes=read.numbers_by_name("closes"),
            inputs_sha256=read.matching("inputs_sha256", fields.SHA256),
            champion=dict(read.object("champion").found),
            card=dict(read.object("card").found),
            made_at=read.moment("made_at"),
            notes=tuple(str(note) for note in read.found.get("notes") or ()),
            withheld=read.optional("withheld", read.text),
            suspended=read.optional("suspended", lambda name: read.whole(name, 1, MAX_GENERATION)),
        )
        found.check()
        return found

    def check(self) -> None:
        """Raises ContractError when the parts do not fit each other."""
        shape = len(self.days), len(self.levels)
        if not 1 <= shape[0] <= MAX_HORIZON or len(self.mean) != shape[0]:
            raise ContractError(f"forecast: {len(self.mean)} means for {shape[0]} days; make it again")
        for name, rows in {"quantiles": self.quantiles, **self.benchmarks}.items():
            if (len(rows), len(rows[0])) != shape:
                raise ContractError(f"forecast.{name}: not one row a day and one price a level; make it again")

    def to_json(self) -> bytes:
        """UTF-8, in the order of the fields; `parse` gives the same object back."""
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
                **({"withheld": self.withheld} if self.withheld else {}),
                **({"suspended": self.suspended} if self.suspended else {}),
            }
        )


def closes_of(dates: Sequence[date], close: Sequence[float]) -> dict[str, float]:
    """The last CLOSES closes by ISO date."""
    return {day.isoformat(): float(price) for day, price in zip(dates[-CLOSES:], close[-CLOSES:], strict=True)}


def _days(read: fields.Reader, name: str) -> list[date]:
    found: Mapping[str, Any] = {text: text for text in read.names(name, MAX_HORIZON)}
    days = [fields.Reader(found, f"{read.where}.{name}").day(text) for text in found]
    if sorted(set(days)) != days:
        raise ContractError(f"{read.where}.{name}: must ascend; make it again")
    return days
