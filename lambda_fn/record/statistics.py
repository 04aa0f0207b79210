"""Statistics of a track record: coverage, skill and reliability by horizon, with confidence intervals.

Forecasts of several days overlap, so their results are autocorrelated. Every confidence interval allows for that with
the variance of Hansen & Hodrick (1980), doi:10.1086/260910, with as many lags as days overlap, and with Student's t for
the number of spans that do not overlap. So a few good days do not look like evidence.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.record.scoring import INTERVALS, TOUCHES, Score

CONFIDENCE = 0.95
MIN_SPANS = 10  # spans that do not overlap: with fewer, an interval would not be reliable, and none is given
BINS = 10  # of the reliability table
MAX_NEWEST_ROWS = 250  # rows of horizon 1 that the record shows
DIGITS = 6  # of a figure in a record
Figure = dict[str, float | None]


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """Summarise rows of one kind: `days`, the first and last day, `horizons` with coverage and skill, `reliability`.

    A figure is {"value", "low", "high"}, with the bounds of its 95 % confidence interval, which are null while there
    are too few days for one. Skill is 1 - loss / the benchmark's loss over the days that have both.
    """
    ordered = sorted(scores, key=lambda row: (row.horizon, row.as_of))
    first = [row for row in ordered if row.horizon == 1]
    horizons = sorted({row.horizon for row in ordered})
    return {
        "days": len({row.as_of for row in ordered}),
        "from": min(row.as_of for row in ordered).isoformat() if ordered else None,
        "through": max(row.as_of for row in ordered).isoformat() if ordered else None,
        "horizons": [_summarise_horizon(h, [row for row in ordered if row.horizon == h]) for h in horizons],
        "reliability": reliability([row.pit for row in first]),
    }


def newest(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """Return the last MAX_NEWEST_ROWS rows of horizon 1, oldest first, as JSON types."""
    rows = sorted((row for row in scores if row.horizon == 1), key=lambda row: row.as_of)[-MAX_NEWEST_ROWS:]
    return [
        {
            **{name: getattr(row, name).isoformat() for name in ("as_of", "target_date")},
            **{name: getattr(row, name) for name in ("kind", "generation", "family")},
            **{name: getattr(row, name) for name in ("close", "outcome", "pinball", "pit")},
            **{f"inside_{level}": covered for level, covered in zip(INTERVALS, row.inside, strict=True)},
            **({"note": row.note} if row.note else {}),
        }
        for row in rows
    ]


def reliability(pits: Sequence[float]) -> list[dict[str, Any]]:
    """Return the share of outcomes in each tenth of the forecast distribution.

    A calibrated forecast has a tenth in each. `low` and `high` are the bounds within which a share of a calibrated
    forecast is in 95 of 100 records of this length.
    """
    n = len(pits)
    if not n:
        return []
    counts = [0] * BINS
    for pit in pits:
        counts[min(int(pit * BINS), BINS - 1)] += 1
    spread = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt((1 / BINS) * (1 - 1 / BINS) / n)
    low, high = max(1 / BINS - spread, 0.0), min(1 / BINS + spread, 1.0)
    return [
        {"from": i / BINS, "to": (i + 1) / BINS, "share": round(count / n, DIGITS), "low": round(low, DIGITS)}
        | {"high": round(high, DIGITS)}
        for i, count in enumerate(counts)
    ]


def _summarise_horizon(horizon: int, rows: Sequence[Score]) -> dict[str, Any]:
    coverage = {}
    for position, level in enumerate(INTERVALS):
        hits = [covered for row in rows if (covered := row.inside[position]) is not None]
        if hits:
            coverage[str(level)] = estimate_coverage([float(hit) for hit in hits], horizon, len(hits))
    skill = {}
    for position, name in enumerate(BENCHMARKS):
        losses = [(row.pinball, benchmark) for row in rows if (benchmark := row.benchmarks[position]) is not None]
        if losses:
            skill[name] = estimate_skill(losses, horizon)
    touches = {}
    for position, name in enumerate(TOUCHES):
        hits = [touched for row in rows if (touched := row.touched[position]) is not None]
        if hits:
            touches[name] = estimate_coverage([float(hit) for hit in hits], horizon, len(hits))
    loss = math.fsum(row.pinball for row in rows) / len(rows)
    return {
        **{"horizon": horizon, "n": len(rows), "pinball": round(loss, DIGITS), "coverage": coverage, "skill": skill},
        **({"touched": touches} if touches else {}),
    }


def estimate_coverage(shares: Sequence[float], horizon: int, forecasts: int) -> Figure:
    """Estimate the coverage of an interval, with a confidence interval.

    The latter is Wilson's (1927, doi:10.2307/2276774) for the effective number of independent forecasts, because the
    days overlap and the forecasts of a day are correlated. It is at most the number of forecasts.

    Args:
        shares: the share of covered outcomes by day: 0 or 1 for one forecast a day.
        horizon: the forecasts' horizon in business days.
        forecasts: number of forecasts on all days.
    """
    share, long_run_variance = _mean_and_variance(shares, horizon)
    variance = share * (1 - share)
    if variance:
        n = min(len(shares) * variance / long_run_variance if long_run_variance else forecasts, forecasts)
    else:
        n = len(shares) / horizon
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return _figure(share, middle - half, middle + half)


def estimate_skill(losses: Sequence[tuple[float, float]], horizon: int) -> Figure:
    """Estimate the skill, 1 - loss / benchmark's loss, with a confidence interval.

    The standard error of the ratio is by the delta method: that of the mean of loss - ratio * benchmark's loss, divided
    by the benchmark's mean loss.

    Args:
        losses: the forecast's and the benchmark's loss by day.
        horizon: the forecasts' horizon in business days.
    """
    loss, benchmark = (math.fsum(day[i] for day in losses) / len(losses) for i in (0, 1))
    if not benchmark:  # every forecast of the benchmark was exact
        return _figure(0.0, None, None)
    ratio, spans = loss / benchmark, len(losses) // horizon
    if spans < MIN_SPANS:
        return _figure(1 - ratio, None, None)
    _, long_run_variance = _mean_and_variance([a - ratio * b for a, b in losses], horizon)
    half = student_quantile(spans - 1) * math.sqrt(long_run_variance / (len(losses) - 1)) / benchmark
    return _figure(1 - ratio, 1 - ratio - half, 1 - ratio + half)


def _mean_and_variance(values: Sequence[float], horizon: int) -> tuple[float, float]:
    """Return the mean, and the long-run variance that allows for `horizon` - 1 lags of overlap."""
    n = len(values)
    mean = math.fsum(values) / n
    centred = [value - mean for value in values]
    variance = long_run_variance = math.fsum(value * value for value in centred) / n
    for lag in range(1, min(horizon, n)):
        autocovariance = math.fsum(a * b for a, b in zip(centred[lag:], centred, strict=False)) / n
        long_run_variance += 2 * autocovariance
    return mean, max(long_run_variance, variance)


def student_quantile(degrees_of_freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of Student's t.

    Hill's expansion about the normal, accurate to 1e-3 from nine degrees of freedom (Abramowitz & Stegun, 26.7.5).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / degrees_of_freedom**power for power, term in enumerate(terms, 1))


def _figure(value: float, low: float | None, high: float | None) -> Figure:
    numbers = {"value": value, "low": low, "high": high}
    return {name: None if number is None else round(number, DIGITS) for name, number in numbers.items()}
