"""Scores of forecasts: `record/<PAIR>.csv` has one row per forecast and horizon, computed from ledger and prices.

The same ledger and prices give the same bytes. The outcome of a forecast day is its close in the price file. A day that
the file skips has no row, and the note of the forecast's next row says so. If the close of `as_of` was corrected later,
the note says so too; the forecast is scored as it was issued.

A forecast that calls itself live is late if it was made, or its object was stored, when its outcome could be known; the
note says why. A copied or restored object gets a new time. So a row keeps in `stored_at` the earliest time that the
store ever told: with a copy of this file, a copy of the ledger stays live.
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

INTERVALS = (50, 80, 95)
HEADER = (
    *("as_of", "target_date", "horizon", "made_at", "generation", "family", "sha256", "kind", "close", "outcome"),
    *("pinball", *(f"pinball_{name}" for name in BENCHMARKS), "pit", *(f"inside_{level}" for level in INTERVALS)),
    "note",
)
HEADER_STORED = (*HEADER, "stored_at")  # of rows whose forecasts are objects of a ledger
LOSS_DIGITS, PIT_DIGITS = 9, 6


class Score(NamedTuple):
    """A row of the file: a forecast at one horizon, its outcome and its losses.

    `pinball` and `benchmarks` are losses in percent of log return, averaged over the levels. None where the forecast
    has no such benchmark or interval. `stored_at` is the earliest time that the store told of the forecast's object.
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
    header = HEADER_STORED if any(row.stored_at for row in rows) else HEADER
    writer.writerow(header)
    for row in rows:
        *first, benchmarks, pit, flags, note, stored_at = row
        cells = [*first, *benchmarks, pit, *(flag if flag is None else int(flag) for flag in flags), note, stored_at]
        writer.writerow(cells[: len(header)])
    return text.getvalue().encode()


def from_csv(data: bytes) -> list[Score]:
    """Parse the file. Raises ContractError naming the row that is invalid."""
    rows = csv.reader(io.StringIO(data.decode("utf-8", "replace")))
    header = tuple(next(rows, ()))
    if header not in (HEADER, HEADER_STORED):
        raise fields.ContractError("record: unexpected header; rebuild it with: python -m lambda_fn.record")
    scores = []
    for number, cells in enumerate(rows, 2):
        try:
            scores.append(_parse_row(cells, header))
        except (ValueError, IndexError) as error:
            raise fields.ContractError(
                f"record: row {number} is invalid ({error}); rebuild it with: python -m lambda_fn.record"
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


def _format_row(row: Score) -> list[str]:
    numbers = (row.pinball, *row.benchmarks, row.pit)
    return [
        *(row.as_of.isoformat(), row.target_date.isoformat(), str(row.horizon), row.made_at, str(row.generation)),
        *(row.family, row.sha256, row.kind, repr(row.close), repr(row.outcome)),
        *("" if value is None else repr(value) for value in numbers),
        *("" if value is None else str(int(value)) for value in row.inside),
        row.note,
    ]


def _parse_row(cells: Sequence[str], header: Sequence[str]) -> Score:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
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
        inside=tuple(row[f"inside_{level}"] == "1" if row[f"inside_{level}"] else None for level in INTERVALS),
        note=row["note"],
        stored_at=_parse_stored_at(row.get("stored_at", "")),
    )


def _parse_stored_at(text: str) -> str:
    if text and fields.utc_text(datetime.fromisoformat(text)) != text:
        raise ValueError(f"stored_at is {text[:40]!r}, not a time in UTC")
    return text
