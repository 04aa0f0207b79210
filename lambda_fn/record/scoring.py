"""Scores of forecasts: `record/<PAIR>.csv` has one row per forecast and horizon, computed from ledger and prices.

The same ledger and prices give the same bytes. The outcome of a forecast day is its close in the price file. A day that
the file skips has no row, and the note of the forecast's next row says so. If the close of `as_of` was corrected later,
the note says so too; the forecast is scored as it was issued.

A forecast that calls itself live is late if it was made, or its object was stored, when its outcome could be known; the
note says why. A copied or restored object gets a new time. So a row keeps in `stored_at` the earliest time that the
store ever told: with a copy of this file, a copy of the ledger stays live.

The rows of TOUCH_HORIZONS also say whether the prices that were touched with the probabilities TOUCH_PERCENTS, by
`record.touch`, were touched: `touched_below_10` is 1 if a close by then was at or below the price which lies below the
last close and is touched with 10 %.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from lambda_fn import fields
from lambda_fn.record.interpolation import probability_below
from lambda_fn.record.official_forecast import BENCHMARKS, Entry, check_clock, publication_time
from lambda_fn.record.touch import Side, touch_price

INTERVALS = (50, 80, 95)
HEADER_WITHOUT_TOUCHES = (
    *("as_of", "target_date", "horizon", "made_at", "generation", "family", "sha256", "kind", "close", "outcome"),
    *("pinball", *(f"pinball_{name}" for name in BENCHMARKS), "pit", *(f"inside_{level}" for level in INTERVALS)),
    "note",
)
TOUCH_HORIZONS, TOUCH_PERCENTS = (5, 21), (10, 25)
TOUCH_SIDES: tuple[Side, Side] = ("below", "above")
TOUCHES = tuple(f"{side}_{percent}" for percent in TOUCH_PERCENTS for side in TOUCH_SIDES)
HEADER = (*HEADER_WITHOUT_TOUCHES, *(f"touched_{name}" for name in TOUCHES))
STORED_AT = "stored_at"  # last column, of rows whose forecasts are objects of a ledger
HEADERS = tuple((*header, *end) for header in (HEADER, HEADER_WITHOUT_TOUCHES) for end in ((), (STORED_AT,)))
LOSS_DIGITS, PIT_DIGITS = 9, 6


class Score(NamedTuple):
    """A row of the file: a forecast at one horizon, its outcome and its losses.

    `pinball` and `benchmarks` are losses in percent of log return, averaged over the levels. None where the forecast
    has no such benchmark or interval. `touched` is by TOUCHES, None at other horizons. `stored_at` is the earliest time
    that the store told of the forecast's object.
    """

    as_of: date
    target_date: date
    horizon: int
    made_at: str
    generation: int
    family: str
    sha256: str
    kind: str
    close: float
    outcome: float
    pinball: float
    benchmarks: tuple[float | None, ...]
    pit: float
    inside: tuple[bool | None, ...]
    note: str
    touched: tuple[bool | None, ...] = (None,) * len(TOUCHES)
    stored_at: str = ""


def score(entry: Entry, closes: Mapping[date, float], stored_at: datetime | None = None) -> Iterator[Score]:
    """Yield the rows of one forecast whose outcomes are known.

    Args:
        entry: the forecast.
        closes: the closes of the whole price file by date.
        stored_at: the earliest time that the store told of the entry's object; None if it told none.
    """
    last = max(closes, default=date.min)
    skipped = [day for day in entry.days if day <= last and day not in closes]
    notes = [] if closes.get(entry.as_of, entry.last_close) == entry.last_close else ["close was corrected since"]
    if entry.failed_generation is not None:
        notes.append(f"generation {entry.failed_generation} failed")
    if entry.kind == "live" and (reason := find_late_reason(entry, stored_at)):
        entry = entry._replace(kind="late")
        notes.append(reason)
    stored_text = fields.utc_text(stored_at) if stored_at else ""
    for position, day in enumerate(entry.days):
        if day in closes:
            gaps = [f"no price on {gap}" for gap in skipped if gap < day]
            row = _score_day(entry, position, closes[day], "; ".join([*notes, *gaps]))
            if row.horizon in TOUCH_HORIZONS:
                row = row._replace(touched=_touches(entry, row.horizon, closes))
            yield row._replace(stored_at=stored_text)


def find_late_reason(entry: Entry, stored_at: datetime | None) -> str | None:
    """Return why a forecast cannot have been made before its outcome could be known, None if it can.

    Args:
        entry: the forecast.
        stored_at: the earliest time that the store told of its object; None if it told none.
    """
    outcome_from = publication_time(entry.days[0], entry.source)
    try:
        check_clock(entry.as_of, entry.source, entry.made_at)
    except fields.ContractError:
        return f"made {fields.utc_text(entry.made_at)}, before the rate of {entry.as_of} was known: wrong clock"
    if entry.made_at >= outcome_from:
        return f"made {fields.utc_text(entry.made_at)}, when its outcome could be known"
    if stored_at is not None and stored_at >= outcome_from:
        return f"stored {fields.utc_text(stored_at)}, when its outcome could be known"
    return None


def pinball(levels: Sequence[float], quantiles: Sequence[float], outcome: float) -> float:
    """Return the pinball loss (Koenker & Bassett 1978) in percent of log return, averaged over the levels."""
    losses = []
    for level, price in zip(levels, quantiles, strict=True):
        error = 100 * (math.log(outcome) - math.log(price))
        losses.append(max(level * error, (level - 1) * error))
    return math.fsum(losses) / len(losses)


def to_csv(scores: Iterable[Score]) -> bytes:
    """Return the bytes of the file: UTF-8, LF, ordered by as_of and horizon; with `stored_at` if a row has one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = sorted(scores, key=lambda row: (row.as_of, row.horizon))
    header = (*HEADER, STORED_AT) if any(row.stored_at for row in rows) else HEADER
    writer.writerow(header)
    for row in rows:
        *first, benchmarks, pit, inside_flags, note, touched, stored_at = row
        flags = [[flag if flag is None else int(flag) for flag in flags] for flags in (inside_flags, touched)]
        writer.writerow([*first, *benchmarks, pit, *flags[0], note, *flags[1], stored_at][: len(header)])
    return text.getvalue().encode()


def from_csv(data: bytes) -> list[Score]:
    """Parse the file; one of an earlier version lacks the touches. Raises ContractError naming an invalid row."""
    rows = csv.reader(io.StringIO(data.decode("utf-8", "replace")))
    header = tuple(next(rows, ()))
    if header not in HEADERS:
        raise fields.ContractError("record: unexpected header; rebuild it with: eurusd record")
    scores = []
    for number, cells in enumerate(rows, 2):
        try:
            scores.append(_parse_row(header, cells))
        except (ValueError, IndexError) as error:
            raise fields.ContractError(
                f"record: row {number} is invalid ({error}); rebuild it with: eurusd record"
            ) from error
    return scores


def _score_day(entry: Entry, position: int, outcome: float, note: str) -> Score:
    """Score one day of a forecast.

    Args:
        entry: the forecast.
        position: index of the day.
        outcome: the day's close.
        note: the row's note.
    """
    levels, quantiles = entry.levels, entry.quantiles[position]
    return Score(
        as_of=entry.as_of,
        target_date=entry.days[position],
        horizon=position + 1,
        made_at=fields.utc_text(entry.made_at),
        generation=entry.generation,
        family=entry.family,
        sha256=entry.sha256,
        kind=entry.kind,
        close=entry.last_close,
        outcome=outcome,
        pinball=round(pinball(levels, quantiles, outcome), LOSS_DIGITS),
        benchmarks=tuple(
            round(pinball(levels, rows[position], outcome), LOSS_DIGITS) if rows else None
            for rows in map(entry.benchmarks.get, BENCHMARKS)
        ),
        pit=round(probability_below(levels, quantiles, outcome), PIT_DIGITS),
        inside=tuple(inside(levels, quantiles, coverage, outcome) for coverage in INTERVALS),
        note=note,
    )


def has_touches(data: bytes) -> bool:
    """Return whether the file has the columns of touches."""
    return data.startswith(",".join(HEADER).encode())


def _touches(entry: Entry, horizon: int, closes: Mapping[date, float]) -> tuple[bool | None, ...]:
    """Return by TOUCHES whether the price was touched; None where no price has that probability."""
    path = [closes[day] for day in entry.days[:horizon] if day in closes]
    touched: list[bool | None] = []
    for percent in TOUCH_PERCENTS:
        for side, extreme in ((TOUCH_SIDES[0], min(path)), (TOUCH_SIDES[1], max(path))):
            price = touch_price(entry, percent / 100, horizon, side)
            touched.append(None if price is None else extreme <= price if side == "below" else extreme >= price)
    return tuple(touched)


def inside(levels: Sequence[float], quantiles: Sequence[float], coverage: int, outcome: float) -> bool | None:
    """Return whether the central interval contains the outcome; None if the forecast has no such interval.

    Args:
        levels: quantile levels of the forecast.
        quantiles: their prices.
        coverage: nominal coverage of the interval in percent.
        outcome: the price.
    """
    tail = (1 - coverage / 100) / 2
    ends = [next((i for i, level in enumerate(levels) if abs(level - p) < 1e-9), None) for p in (tail, 1 - tail)]
    if ends[0] is None or ends[1] is None:
        return None
    return quantiles[ends[0]] <= outcome <= quantiles[ends[1]]


def _parse_row(header: Sequence[str], cells: Sequence[str]) -> Score:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    stored_at = row.get(STORED_AT, "")
    if stored_at and fields.utc_text(datetime.fromisoformat(stored_at)) != stored_at:
        raise ValueError(f"stored_at is {stored_at[:40]!r}, not a time in UTC")

    def flag(name: str) -> bool | None:
        return row[name] == "1" if row.get(name) else None

    return Score(
        as_of=date.fromisoformat(row["as_of"]),
        target_date=date.fromisoformat(row["target_date"]),
        horizon=int(row["horizon"]),
        made_at=row["made_at"],
        generation=int(row["generation"]),
        family=row["family"],
        sha256=row["sha256"],
        kind=row["kind"],
        close=float(row["close"]),
        outcome=float(row["outcome"]),
        pinball=float(row["pinball"]),
        benchmarks=tuple(float(row[f"pinball_{name}"]) if row[f"pinball_{name}"] else None for name in BENCHMARKS),
        pit=float(row["pit"]),
        inside=tuple(flag(f"inside_{level}") for level in INTERVALS),
        note=row["note"],
        touched=tuple(flag(f"touched_{name}") for name in TOUCHES),
        stored_at=stored_at,
    )
