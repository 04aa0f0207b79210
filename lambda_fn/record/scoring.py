"""What became of the forecasts: `record/<PAIR>.csv`, a row a forecast and horizon, computed from ledger and prices.

The same ledger and prices give the same bytes. The outcome of a forecast day is the close that the price file has for
it; a day that the file passed over without a price gives no row, and the note of the forecast's next row says so. A
close of `as_of` that was corrected since is said in the row; what was forecast is scored as it was made.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from lambda_fn import fields
from lambda_fn.record.interpolation import probability_below
from lambda_fn.record.ledger import Entry
from lambda_fn.record.official_forecast import BENCHMARKS, Rows

INTERVALS = (50, 80, 95)
HEADER = (
    *("as_of", "target_date", "horizon", "made_at", "generation", "family", "sha256", "kind", "close", "outcome"),
    *("pinball", *(f"pinball_{name}" for name in BENCHMARKS), "pit", *(f"inside_{level}" for level in INTERVALS)),
    "note",
)
LOSS_DIGITS, PIT_DIGITS = 9, 6


class Score(NamedTuple):
    """One row: losses in percent of log return, the mean over the levels; None where the forecast has no such part."""

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


def score(entry: Entry, closes: Mapping[date, float]) -> Iterator[Score]:
    """The rows of one forecast that are known: `closes` by date, of the whole price file."""
    last = max(closes, default=date.min)
    passed = [day for day in entry.days if day <= last and day not in closes]
    notes = [] if closes.get(entry.as_of, entry.last_close) == entry.last_close else ["close was corrected since"]
    for position, day in enumerate(entry.days):
        if day in closes:
            gaps = [f"no price on {gap}" for gap in passed if gap < day]
            yield _score(entry, position, closes[day], "; ".join([*notes, *gaps]))


def pinball(levels: Sequence[float], quantiles: Sequence[float], outcome: float) -> float:
    """Pinball loss (Koenker & Bassett 1978) in percent of log return, the mean over the levels."""
    losses = []
    for level, price in zip(levels, quantiles, strict=True):
        error = 100 * (math.log(outcome) - math.log(price))
        losses.append(max(level * error, (level - 1) * error))
    return math.fsum(losses) / len(losses)


def to_csv(scores: Iterable[Score]) -> bytes:
    """The file: UTF-8, LF, ordered by as_of and horizon."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in sorted(scores, key=lambda found: (found.as_of, found.horizon)):
        writer.writerow(_cells(row))
    return text.getvalue().encode()


def from_csv(data: bytes) -> list[Score]:
    """The rows of such a file; raises ContractError naming the row that cannot be read."""
    rows = csv.reader(io.StringIO(data.decode("utf-8", "replace")))
    if tuple(next(rows, ())) != HEADER:
        raise fields.ContractError("record: another header; make it again with: python -m lambda_fn.record")
    found = []
    for number, cells in enumerate(rows, 2):
        try:
            found.append(_row(cells))
        except (ValueError, IndexError) as error:
            raise fields.ContractError(
                f"record: row {number} cannot be read ({error}); make it again with: python -m lambda_fn.record"
            ) from error
    return found


def _score(entry: Entry, position: int, outcome: float, note: str) -> Score:
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
        benchmarks=tuple(_benchmark(entry.benchmarks.get(name), position, levels, outcome) for name in BENCHMARKS),
        pit=round(probability_below(levels, quantiles, outcome), PIT_DIGITS),
        inside=tuple(inside(levels, quantiles, coverage, outcome) for coverage in INTERVALS),
        note=note,
    )


def _benchmark(rows: Rows | None, position: int, levels: Sequence[float], outcome: float) -> float | None:
    return round(pinball(levels, rows[position], outcome), LOSS_DIGITS) if rows else None


def inside(levels: Sequence[float], quantiles: Sequence[float], coverage: int, outcome: float) -> bool | None:
    """Whether the central interval held the outcome; None when the forecast has no such interval."""
    tail = (1 - coverage / 100) / 2
    at = [next((i for i, level in enumerate(levels) if abs(level - p) < 1e-9), None) for p in (tail, 1 - tail)]
    if at[0] is None or at[1] is None:
        return None
    return quantiles[at[0]] <= outcome <= quantiles[at[1]]


def _cells(row: Score) -> list[str]:
    numbers = (row.pinball, *row.benchmarks, row.pit)
    return [
        *(row.as_of.isoformat(), row.target_date.isoformat(), str(row.horizon), row.made_at, str(row.generation)),
        *(row.family, row.sha256, row.kind, repr(row.close), repr(row.outcome)),
        *("" if value is None else repr(value) for value in numbers),
        *("" if value is None else str(int(value)) for value in row.inside),
        row.note,
    ]


def _row(cells: Sequence[str]) -> Score:
    if len(cells) != len(HEADER):
        raise ValueError(f"{len(cells)} cells, the header has {len(HEADER)}")
    by = dict(zip(HEADER, cells, strict=True))
    return Score(
        as_of=date.fromisoformat(by["as_of"]),
        target_date=date.fromisoformat(by["target_date"]),
        horizon=int(by["horizon"]),
        made_at=by["made_at"],
        generation=int(by["generation"]),
        family=by["family"],
        sha256=by["sha256"],
        kind=by["kind"],
        close=float(by["close"]),
        outcome=float(by["outcome"]),
        pinball=float(by["pinball"]),
        benchmarks=tuple(float(by[f"pinball_{name}"]) if by[f"pinball_{name}"] else None for name in BENCHMARKS),
        pit=float(by["pit"]),
        inside=tuple(by[f"inside_{level}"] == "1" if by[f"inside_{level}"] else None for level in INTERVALS),
        note=by["note"],
    )
