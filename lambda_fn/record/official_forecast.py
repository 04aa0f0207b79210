"""The official forecast, `serving/forecast.json`: everything that an answer to a GET needs in one file.

This module imports no numpy, because every cold GET imports this module.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, NamedTuple

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION, MAX_FEATURES, MAX_HORIZON, MAX_WINDOW, ContractError, utc_text
from lambda_fn.prices.plausibility import find_fault, find_move, find_sd_fault
from lambda_fn.prices.volatility import quantile_sd
from lambda_fn.store import schema
from lambda_fn.store.keys import ledger_key
from lambda_fn.store.object_store import Store
from lambda_fn.store.schema import Invalid

CLOSES = 250  # prices before the forecast that it contains, about a year
# Relative to the last close, times the square root of the days: the distance of a median is less than half of the
# largest return of its window (`prices.plausibility`), and prices that fall by over a fifth in a day are refused.
MAX_MOVE = 0.12
MAX_NOTES = 20
BENCHMARKS = ("constant", "ewma", "garch")
Kind = Literal["live", "late"]
FIXING = time(14, 15)  # when the ECB fixes its reference rates, in Frankfurt
FRANKFURT = "Europe/Berlin"
Rows = list[list[float]]
DAYS = schema.list_of(schema.DAY, MAX_HORIZON)
ROWS_BY_NAME = schema.map_of(schema.parse_rows)
# What answers and the page say about the champion, and what they read of its model card.
CHAMPION = schema.object_of(
    {
        **dict.fromkeys(("name", "type", "version", "family"), schema.NAME),
        "generation": schema.GENERATION,
        "sha256": schema.SHA256,
        "trained_through": schema.DAY,
        "features": schema.list_of(schema.NAME, MAX_FEATURES, allow_empty=True),
        "activated_at": schema.MOMENT,
    },
    {"run_id": schema.NAME, "scores": schema.parse_scores},
    keep=True,
)
CARD = schema.object_of(
    {"inputs": schema.object_of({"window": schema.whole(1, MAX_WINDOW)})},
    {"events_known_through": schema.DAY, "scores": schema.parse_scores},
    keep=True,
)


class Official(NamedTuple):
    """The official forecast of one day, in prices: quantiles [horizon][levels], mean [horizon].

    `benchmarks` are quantiles too; `garch` may be missing, with the reason in `notes`. `closes` are the last CLOSES
    closes by date, oldest first; the last one is `last_close` of `as_of`. `inputs_sha256` is the digest of the
    champion's inputs: on the same day it differs if prices were corrected. `champion` and `card` are what answers say
    about the champion. `failure_reason` says why no newer forecast could be made since, None if that did not happen.
    `blocked_generation` is the generation of the champion that caused this: nothing of it is served until it, or
    another champion, produces a forecast again. `sd` is the standard deviation of the log return since the last close
    [horizon], None if the champion does not state it.

    `failed_generation` is the active generation if it gave no plausible forecast for these prices, and `reason` says
    why. The forecast is then of an earlier `generation`, and `inputs_sha256` is still that of the active one.
    """

    pair: Annotated[str, schema.PAIR]
    source: Annotated[str, schema.SOURCE]
    generation: Annotated[int, schema.GENERATION]
    as_of: date
    last_close: Annotated[float, schema.PRICE]
    days: Annotated[tuple[date, ...], DAYS]
    levels: Annotated[tuple[float, ...], schema.parse_levels]
    quantiles: Annotated[Rows, schema.parse_rows]
    mean: Annotated[list[float], schema.parse_numbers]
    benchmarks: Annotated[dict[str, Rows], ROWS_BY_NAME]
    closes: Annotated[dict[str, float], schema.map_of(schema.PRICE)]
    inputs_sha256: Annotated[str, schema.SHA256]
    champion: Annotated[dict[str, Any], CHAMPION]
    card: Annotated[dict[str, Any], CARD]
    made_at: datetime
    notes: Annotated[tuple[str, ...], schema.list_of(schema.TEXT, MAX_NOTES)] = ()
    failure_reason: Annotated[str | None, schema.TEXT, "withheld"] = None
    blocked_generation: Annotated[int | None, schema.GENERATION, "suspended"] = None
    failed_generation: Annotated[int | None, schema.GENERATION] = None
    reason: Annotated[str | None, schema.TEXT] = None
    sd: Annotated[list[float] | None, schema.parse_numbers] = None

    @property
    def active_generation(self) -> int:
        """The generation that was active when the forecast was made."""
        return self.failed_generation or self.generation

    @property
    def order(self) -> tuple[int, date]:
        """Sort key: a forecast with a lower one never replaces one with a higher one."""
        return self.active_generation, self.as_of

    @property
    def horizon(self) -> int:
        return len(self.days)

    @classmethod
    def parse(cls, data: bytes, pair: str) -> "Official":
        """Parse the forecast of `pair`, which is in its key. Raises ContractError naming the field and the cure."""
        return schema.parse(cls, schema.keyed_object(data, "forecast", pair=pair), "forecast")

    def check(self) -> None:
        """Check that the closes end with the last one, and the forecast as `check_forecast` does. Raises Invalid."""
        try:
            dates = [date.fromisoformat(day).isoformat() for day in self.closes]
        except ValueError as error:
            raise Invalid(".closes", f"{error}; make the forecast again") from error
        as_of = self.as_of.isoformat()
        if dates != list(self.closes) or dates != sorted(dates) or dates[-1] != as_of:
            raise Invalid(".closes", f"must ascend and end on {as_of}; make the forecast again")
        if self.closes[as_of] != self.last_close:
            raise Invalid(".last_close", f"must be the close of {as_of}; make the forecast again")
        check_forecast(self)

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        return fields.summed_bytes({"contract_version": CONTRACT_VERSION, **schema.dump(self)})


class Entry(NamedTuple):
    """An entry of the ledger, `record/<PAIR>/<as_of>.json`: the first official forecast of a day, never overwritten.

    The fields are as in Official: `generation` is the one that made the forecast. `kind` is live if it was made before
    the first forecast day's price could be known, otherwise late. `family` and `sha256` are those of the champion.
    """

    pair: Annotated[str, schema.PAIR]
    source: Annotated[str, schema.SOURCE]
    as_of: date
    made_at: datetime
    kind: Annotated[Kind, schema.text("live|late", "live or late")]
    generation: Annotated[int, schema.GENERATION]
    family: Annotated[str, schema.NAME]
    sha256: Annotated[str, schema.SHA256]
    last_close: Annotated[float, schema.PRICE]
    days: Annotated[tuple[date, ...], DAYS]
    levels: Annotated[tuple[float, ...], schema.parse_levels]
    quantiles: Annotated[Rows, schema.parse_rows]
    mean: Annotated[list[float], schema.parse_numbers]
    benchmarks: Annotated[dict[str, Rows], ROWS_BY_NAME]
    failed_generation: Annotated[int | None, schema.GENERATION] = None
    reason: Annotated[str | None, schema.TEXT] = None
    sd: Annotated[list[float] | None, schema.parse_numbers] = None

    @classmethod
    def of(cls, official: Official) -> "Entry":
        """Create the entry of an official forecast."""
        shared = {name: getattr(official, name) for name in cls._fields if name in Official._fields}
        is_live = official.made_at < publication_time(official.days[0], official.source)
        champion = {name: official.champion[name] for name in ("family", "sha256")}
        return cls(**shared, **champion, kind="live" if is_live else "late")

    @classmethod
    def parse(cls, data: bytes, pair: str, as_of: date) -> "Entry":
        """Parse the entry of `pair` and `as_of`, which are in its key. Raises ContractError with field and cure."""
        members = schema.keyed_object(data, "ledger", pair=pair, as_of=as_of.isoformat())
        return schema.parse(cls, members, "ledger")

    def check(self) -> None:
        check_forecast(self)

    def to_json(self) -> bytes:
        """Return JSON in UTF-8, in the order of the fields; `parse` returns an equal object."""
        return fields.summed_bytes({"contract_version": CONTRACT_VERSION, **schema.dump(self)})


def check_forecast(forecast: Official | Entry) -> None:
    """Check that the fields are consistent and that the prices form a distribution. Raises Invalid.

    The days ascend from the day after `as_of`. Each row of quantiles is positive and non-decreasing, its median is near
    the last close, and the mean is within it: the checks of `prices.plausibility` that need no window.
    """
    failed, reason = forecast.failed_generation, forecast.reason
    if (failed is None) != (reason is None) or (failed is not None and failed <= forecast.generation):
        raise Invalid(".failed_generation", "must be above generation and have a reason; make the forecast again")
    days, levels = len(forecast.days), len(forecast.levels)
    if len(forecast.mean) != days:
        raise Invalid("", f"{len(forecast.mean)} means for {days} days; make the forecast again")
    if list(forecast.days) != sorted({*forecast.days}) or forecast.days[0] <= forecast.as_of:
        raise Invalid(".days", f"must ascend from the day after {forecast.as_of}; make the forecast again")
    for name, rows in {"quantiles": forecast.quantiles, **forecast.benchmarks}.items():
        if (len(rows), len(rows[0])) != (days, levels):
            raise Invalid(f".{name}", "must have one row per day and one price per level; make the forecast again")
        if fault := find_fault([rows], [[row[0] for row in rows]]):
            raise Invalid(f".{name}", f"{fault}; make the forecast again")
    if fault := find_fault([forecast.quantiles], [forecast.mean]):
        raise Invalid(".mean", f"{fault}; make the forecast again")
    if forecast.sd is not None and len(forecast.sd) != days:
        raise Invalid(".sd", f"{len(forecast.sd)} numbers for {days} days; make the forecast again")
    if fault := find_sd_fault([forecast.sd] if forecast.sd else None, [forecast.quantiles], forecast.levels):
        raise Invalid(".sd", f"{fault}; make the forecast again")
    medians = [row[forecast.levels.index(0.5)] for row in forecast.quantiles]
    if fault := find_move("median", medians, forecast.last_close, MAX_MOVE):
        raise Invalid(".quantiles", f"{fault}; make the forecast again")


def return_sd(forecast: Official | Entry, horizon: int) -> float:
    """Return the standard deviation of the log return over `horizon` days: the champion's, or that of the quantiles."""
    if forecast.sd is not None:
        return forecast.sd[horizon - 1]
    return quantile_sd(forecast.levels, forecast.quantiles[horizon - 1])


def recent_closes(dates: Sequence[date], close: Sequence[float]) -> dict[str, float]:
    """Return the last CLOSES closes by ISO date."""
    return {day.isoformat(): float(price) for day, price in zip(dates[-CLOSES:], close[-CLOSES:], strict=True)}


def publication_time(day: date, source: str) -> datetime:
    """Return the earliest time at which the price of `day` can be known.

    For the ECB it is the fixing, 14:15 in Frankfurt; for other sources it is the start of the day in UTC.
    """
    if source != "ecb":
        return datetime.combine(day, time(0), UTC)
    from zoneinfo import ZoneInfo  # only jobs need the time zone database, and not the API

    return datetime.combine(day, FIXING, ZoneInfo(FRANKFURT)).astimezone(UTC)


def check_clock(as_of: date, source: str, now: datetime) -> None:
    """Raise ContractError if `now` is before the rate of `as_of` could be known, because then the clock is wrong.

    For other sources than the ECB, `check_window` compares the dates: when their closes are known depends on their
    time zone.
    """
    known_from = publication_time(as_of, source)
    if source == "ecb" and now < known_from:
        raise ContractError(
            f"clock: it shows {utc_text(now)}, but the rate of {as_of} is not known before {utc_text(known_from)}; "
            "correct the clock of this machine"
        )


def write_entry(store: Store, official: Official) -> bool:
    """Write the day's entry unless it exists; return whether this forecast is the day's first."""
    return store.create(ledger_key(official.pair, official.as_of), Entry.of(official).to_json())
