"""The ledger: `record/<PAIR>/<as_of>.json` is the first official forecast of each day, and is never overwritten."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from lambda_fn import fields
from lambda_fn.contract import CONTRACT_VERSION, MAX_GENERATION, MAX_HORIZON, MAX_LEVELS, NEEDED_LEVELS
from lambda_fn.fields import ContractError
from lambda_fn.record.official_forecast import Official, Rows, check_forecast
from lambda_fn.store.keys import ledger_key
from lambda_fn.store.object_store import Store

Kind = Literal["live", "late"]
FIXING = time(14, 15)  # when the ECB fixes its reference rates, in Frankfurt
FRANKFURT = "Europe/Berlin"


@dataclass(frozen=True)
class Entry:
    """The first official forecast of a day, in prices: quantiles [horizon][levels], mean [horizon].

    `benchmarks` are quantiles too. `kind` is live if the forecast was made before the first forecast day's price could
    be known, otherwise late.
    """

    pair: str
    source: str
    as_of: date
    made_at: datetime
    kind: Kind
    generation: int
    family: str
    sha256: str
    last_close: float
    days: tuple[date, ...]
    levels: tuple[float, ...]
    quantiles: Rows
    mean: list[float]
    benchmarks: dict[str, Rows]

    @classmethod
    def of(cls, official: Official) -> "Entry":
        """Create the entry of an official forecast."""
        return cls(
            pair=official.pair,
            source=official.source,
            as_of=official.as_of,
            made_at=official.made_at,
            kind="live" if official.made_at < publication_time(official.days[0], official.source) else "late",
            generation=official.generation,
            family=str(official.champion["family"]),
            sha256=str(official.champion["sha256"]),
            last_close=official.last_close,
            days=official.days,
            levels=official.levels,
            quantiles=official.quantiles,
            mean=official.mean,
            benchmarks=official.benchmarks,
        )

    @classmethod
    def parse(cls, data: bytes, pair: str, as_of: date) -> "Entry":
        """Parse the entry of `pair` and `as_of`, which are in its key. Raises ContractError with field and cure."""
        read = fields.Reader(fields.json_object(data, "ledger"), "ledger")
        read.version("contract_version", CONTRACT_VERSION)
        benchmarks = read.object("benchmarks")
        kind = read.text("kind")
        if kind not in ("live", "late"):
            raise ContractError(f"ledger.kind: is {kind[:60]!r}; it must be live or late")
        days = fields.Reader({text: text for text in read.names("days", MAX_HORIZON)}, "ledger.days")
        read.same("as_of", as_of.isoformat())
        entry = cls(
            pair=read.same("pair", pair),
            source=read.matching("source", fields.SOURCE),
            as_of=as_of,
            made_at=read.moment("made_at"),
            kind="live" if kind == "live" else "late",
            generation=read.whole("generation", 1, MAX_GENERATION),
            family=read.name("family"),
            sha256=read.matching("sha256", fields.SHA256),
            last_close=read.price("last_close"),
            days=tuple(days.day(text) for text in days.members),
            levels=read.levels("levels", NEEDED_LEVELS, MAX_LEVELS),
            quantiles=read.rows("quantiles"),
            mean=read.numbers("mean"),
            benchmarks={name: benchmarks.rows(name) for name in benchmarks.members},
        )
        check_forecast(entry, "ledger")
        return entry

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        members: dict[str, Any] = {
            **vars(self),
            "as_of": self.as_of.isoformat(),
            "made_at": fields.utc_text(self.made_at),
            "days": [day.isoformat() for day in self.days],
        }
        return fields.summed_bytes({"contract_version": CONTRACT_VERSION, **members})


def publication_time(day: date, source: str) -> datetime:
    """Return the earliest time at which the price of `day` can be known.

    For the ECB it is the fixing, 14:15 in Frankfurt; for other sources it is the start of the day in UTC.
    """
    if source != "ecb":
        return datetime.combine(day, time(0), UTC)
    from zoneinfo import ZoneInfo  # only jobs need the time zone database, and not the API

    return datetime.combine(day, FIXING, ZoneInfo(FRANKFURT)).astimezone(UTC)


def keep(store: Store, official: Official) -> bool:
    """Write the day's entry unless it exists; return whether this forecast is the day's first."""
    return store.create(ledger_key(official.pair, official.as_of), Entry.of(official).to_json())
