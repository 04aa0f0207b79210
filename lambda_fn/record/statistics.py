"""What a record says, and how sure that is: coverage, skill and reliability by horizon, from scored forecasts.

Forecasts of several days overlap, so their results come in runs: every interval allows for that by the variance of
Hansen & Hodrick (1980), doi:10.1086/260910, with as many lags as days overlap, and by Student's t with the number of
spans that do not overlap. Ten good days do not look like proof.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.record.scoring import INTERVALS, Score

CONFIDENCE = 0.95
FEWEST = 10  # spans that do not overlap: below it no interval is told, as none could be believed
BINS = 10  # of the reliability table
NEWEST = 250  # rows at one day that the record shows
_DIGITS = 6
Figure = dict[str, float | None]


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """Of rows of one kind: `days`, the first and the last day, `horizons` with coverage and skill, `reliability`.

    A figure is {"value", "low", "high"}: the bounds of its 95 % confidence interval, null while there are too few
    days for one. Skill is 1 - loss / the benchmark's loss over the days that have both.
    """
    ordered = sorted(scores, key=lambda row: (row.horizon, row.as_of))
    first = [row for row in ordered if row.horizon == 1]
    horizons = sorted({row.horizon for row in ordered})
    return {
        "days": len({row.as_of for row in ordered}),
        "from": min(row.as_of for row in ordered).isoformat() if ordered else None,
        "through": max(row.as_of for row in ordered).isoformat() if ordered else None,
        "horizons": [_of_horizon(h, [row for row in ordered if row.horizon == h]) for h in horizons],
        "reliability": reliability([row.pit for row in first]),
    }


def newest(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """The last NEWEST rows at one day, oldest first, as JSON types."""
    rows = sorted((row for row in scores if row.horizon == 1), key=lambda row: row.as_of)[-NEWEST:]
    return [
        {
            "as_of": row.as_of.isoformat(),
            "target_date": row.target_date.isoformat(),
            "kind": row.kind,
            "generation": row.generation,
            "family": row.family,
            "close": row.close,
            "outcome": row.outcome,
            "pinball": row.pinball,
            "pit": row.pit,
            **{f"inside_{level}": held for level, held in zip(INTERVALS, row.inside, strict=True)},
            **({"note": row.note} if row.note else {}),
        }
        for row in rows
    ]


def reliability(pits: Sequence[float]) -> list[dict[str, Any]]:
    """How often outcomes fell into each tenth of the forecast distribution; a calibrated one has a tenth in each, and
    `low` and `high` are what chance makes of that in 95 of 100 records of this length."""
    n = len(pits)
    if not n:
        return []
    counts = [0] * BINS
    for pit in pits:
        counts[min(int(pit * BINS), BINS - 1)] += 1
    spread = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt((1 / BINS) * (1 - 1 / BINS) / n)
    low, high = max(1 / BINS - spread, 0.0), min(1 / BINS + spread, 1.0)
    return [
        {"from": i / BINS, "to": (i + 1) / BINS, "share": round(count / n, _DIGITS), "low": round(low, _DIGITS)}
        | {"high": round(high, _DIGITS)}
        for i, count in enumerate(counts)
    ]


def _of_horizon(horizon: int, rows: Sequence[Score]) -> dict[str, Any]:
    coverage = {}
    for position, level in enumerate(INTERVALS):
        known = [held for row in rows if (held := row.inside[position]) is not None]
        if known:
            coverage[str(level)] = coverage_of([float(value) for value in known], horizon, len(known))
    skill = {}
    for position, name in enumerate(BENCHMARKS):
        both = [(row.pinball, other) for row in rows if (other := row.benchmarks[position]) is not None]
        if both:
            skill[name] = skill_of(both, horizon)
    loss = math.fsum(row.pinball for row in rows) / len(rows)
    return {"horizon": horizon, "n": len(rows), "pinball": round(loss, _DIGITS), "coverage": coverage, "skill": skill}


def coverage_of(shares: Sequence[float], horizon: int, forecasts: int) -> Figure:
    """The mean of what was held, a value a day: 0 or 1 of one forecast, the share of several; of `forecasts` in all.

    With Wilson's interval (1927, doi:10.2307/2276774) for as many independent forecasts as the days are worth, which
    overlap, and of which the forecasts of a day go together: at most as many as there are.
    """
    share, _, long_run = _moments(shares, horizon)
    plain = share * (1 - share)
    n = min(len(shares) * plain / long_run if long_run else forecasts, forecasts) if plain else len(shares) / horizon
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return _figure(share, middle - half, middle + half)


def skill_of(both: Sequence[tuple[float, float]], horizon: int) -> Figure:
    """1 - own loss / the other's, of two losses a day. The ratio's error by the delta method: that of the mean of
    own - ratio * other, over the mean of other."""
    own, other = (math.fsum(pair[i] for pair in both) / len(both) for i in (0, 1))
    if not other:  # every forecast of the benchmark was exact
        return _figure(0.0, None, None)
    ratio, spans = own / other, len(both) // horizon
    if spans < FEWEST:
        return _figure(1 - ratio, None, None)
    _, _, long_run = _moments([mine - ratio * its for mine, its in both], horizon)
    half = _student(spans - 1) * math.sqrt(long_run / (len(both) - 1)) / other
    return _figure(1 - ratio, 1 - ratio - half, 1 - ratio + half)


def _moments(values: Sequence[float], horizon: int) -> tuple[float, float, float]:
    """The mean, the variance, and the variance that allows for `horizon` - 1 lags of overlap."""
    n = len(values)
    mean = math.fsum(values) / n
    centred = [value - mean for value in values]
    plain = long_run = math.fsum(value * value for value in centred) / n
    for lag in range(1, min(horizon, n)):
        together = math.fsum(a * b for a, b in zip(centred[lag:], centred, strict=False)) / n
        long_run += 2 * together
    return mean, plain, max(long_run, plain)


def _student(freedom: int) -> float:
    """Student's t at CONFIDENCE, two-sided: Hill's expansion about the normal, to 1e-3 from nine degrees of freedom
    (Abramowitz & Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


def _figure(value: float, low: float | None, high: float | None) -> Figure:
    rounded = {"value": value, "low": low, "high": high}
    return {name: None if number is None else round(number, _DIGITS) for name, number in rounded.items()}
