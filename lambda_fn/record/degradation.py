"""Checks of the live record that ring an alarm: coverage and skill of the one-day forecasts of the last WINDOW days.

They cover all champions that made these forecasts. A sound service is outside the bounds of a check on 1 % of the days
or fewer. Ingest looks every day, so chance rings more often: in simulations, coverage in 4 % of the first years and in
22 % of five years, skill in 5 % and 19 %. With a longer window chance would ring less, and a loss of coverage to 70 %
would be noticed later: within 250 days in 90 % of the simulations now, but in 29 % of them by a record of three years.
On the backtest of `calendar` for EURUSD, 4,310 days since 2009, coverage would have rung on one day of August 2015, and
skill from March to June 2021.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.record.scoring import INTERVALS, Score
from lambda_fn.record.statistics import DIGITS, student_quantile

WINDOW = 250  # live days, about a year
MIN_DAYS = 60  # with fewer, nothing is checked: the t statistic would exceed its bound too often
CONFIDENCE = 0.99
COVERAGE, BENCHMARK = 80, "garch"


class Check(NamedTuple):
    """A figure of the live record with the bounds of a sound one, None where it is not bounded or not checked yet."""

    name: str
    days: int
    value: float
    low: float | None
    high: float | None
    degraded: bool


def check_record(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """Return the checks of the live record as JSON types; a figure that no forecast has is left out."""
    live = sorted((row for row in scores if row.horizon == 1 and row.kind == "live"), key=lambda row: row.as_of)
    covered = [inside for row in live if (inside := row.inside[INTERVALS.index(COVERAGE)]) is not None]
    position = BENCHMARKS.index(BENCHMARK)
    losses = [(row.pinball, loss) for row in live if (loss := row.benchmarks[position]) is not None]
    checks = [check_coverage(covered[-WINDOW:])] if covered else []
    checks += [check_skill(losses[-WINDOW:])] if losses else []
    return [check._asdict() for check in checks]


def check_coverage(covered: Sequence[bool]) -> Check:
    """Compare the number of covered outcomes with the central band of the binomial distribution."""
    days, hits, name = len(covered), sum(covered), f"coverage_{COVERAGE}"
    if days < MIN_DAYS:
        return Check(name, days, _rounded(hits / days), None, None, False)
    low, high = binomial_band(days, COVERAGE / 100)
    bounds = _rounded(low / days), _rounded(high / days)
    return Check(name, days, _rounded(hits / days), *bounds, not low <= hits <= high)


def check_skill(losses: Sequence[tuple[float, float]]) -> Check:
    """Test one-sided whether the skill, 1 - loss / benchmark's loss, is below zero.

    The standard error is by the delta method, as in `statistics.estimate_skill`, with the long-run variance of Newey &
    West (1987), doi:10.2307/1913610: volatile days come together, and with them differences of losses.
    """
    days, name = len(losses), f"skill_{BENCHMARK}"
    loss, benchmark = (math.fsum(day[i] for day in losses) / days for i in (0, 1))
    skill = 1 - loss / benchmark if benchmark else 0.0
    if days < MIN_DAYS or not benchmark:
        return Check(name, days, _rounded(skill), None, None, False)
    ratio = loss / benchmark
    variance = newey_west([a - ratio * b for a, b in losses])
    low = -student_quantile(days - 1, CONFIDENCE) * math.sqrt(variance / days) / benchmark
    return Check(name, days, _rounded(skill), _rounded(low), None, skill < low)


def binomial_band(n: int, probability: float) -> tuple[int, int]:
    """Return the central band of a binomial count: below and above it are at most (1 - CONFIDENCE) / 2 each."""
    tail, below = (1 - CONFIDENCE) / 2, 0.0
    low = high = n
    for count in range(n + 1):
        below += math.comb(n, count) * probability**count * (1 - probability) ** (n - count)
        if low == n and below > tail:
            low = count
        if below >= 1 - tail:
            return low, count
    return low, high


def newey_west(values: Sequence[float]) -> float:
    """Return the long-run variance with Bartlett weights and 4 (n / 100)^(2/9) lags."""
    n = len(values)
    mean = math.fsum(values) / n
    centred = [value - mean for value in values]
    lags = int(4 * (n / 100) ** (2 / 9))
    variance = math.fsum(value * value for value in centred) / n
    for lag in range(1, lags + 1):
        autocovariance = math.fsum(a * b for a, b in zip(centred[lag:], centred, strict=False)) / n
        variance += 2 * (1 - lag / (lags + 1)) * autocovariance
    return variance  # Bartlett weights keep it above zero


def find_degradation(checks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each check that found a degradation."""
    return [_describe(check) for check in checks if check["degraded"]]


def _describe(check: Mapping[str, Any]) -> str:
    value, low, high = check["value"], check["low"], check["high"]
    if check["name"] == f"coverage_{COVERAGE}":
        return (
            f"the {COVERAGE} % interval covered {value:.1%} of the last {check['days']} live days; "
            f"a calibrated one covers {low:.1%} to {high:.1%}"
        )
    return (
        f"the loss of the last {check['days']} live days is {-value:.2%} above GARCH's; up to {-low:.2%} may be chance"
    )


def _rounded(value: float) -> float:
    return round(value, DIGITS) + 0.0  # never -0.0
