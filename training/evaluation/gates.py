"""Gates that a family must pass to become champion at all, whatever its loss; a pure function of the score table."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from training.conventions import COMPARED_DAYS, TAIL_PERCENTS

SIGNIFICANT = 0.05
TIE = 1e-4  # relative loss: a smaller difference counts as none, whatever its p-value
BANDS = {  # horizon -> interval in percent -> share of returns that it must cover
    1: {80: (0.785, 0.825), 95: (0.940, 0.960)},
    21: {80: (0.770, 0.850), 95: (0.930, 0.980)},
}
FULL_SAMPLE = 2000  # days from which on the bands apply as they are; with fewer, chance alone could leave them
BAND_MARGIN = 2.6  # standard errors that are then added to both sides
UNTESTED = (1.0, 1.0)
MIN_TAIL_P = 0.01  # of Kupiec and Christoffersen
MAX_THEIL_U = 1.001

Row = Mapping[str, float]
Tests = Mapping[tuple[str, str], tuple[float, float]]
"""(first, second) -> p-values of "the first is not better than the second", at one day and over the mean of days."""


def gates(scores: pd.DataFrame, tests: Tests, family: str) -> tuple[str, ...]:
    """Return the reasons why a family cannot be champion, with its numbers; empty when it passes."""
    records = scores[scores["family"] == family].drop(columns="family").to_dict("records")
    rows = {int(row["horizon"]): {str(name): float(value) for name, value in row.items()} for row in records}
    return tuple(_reasons(rows, tests, family))


def _reasons(rows: Mapping[int, Row], tests: Tests, family: str) -> Iterator[str]:
    ewma, garch = (
        float(np.mean([row[f"skill_{baseline}"] for horizon, row in rows.items() if horizon <= COMPARED_DAYS]))
        for baseline in ("ewma", "garch")
    )
    if not ewma > 0 and (rows[1]["n"] >= FULL_SAMPLE or min(tests.get(("ewma", family), UNTESTED)) < SIGNIFICANT):
        yield f"no better than EWMA(0.94)-Gaussian (skill {ewma:+.2%} over 1 to {COMPARED_DAYS} days)"
    p_1, p_mean = tests.get(("garch", family), UNTESTED)
    for where, skill, p_value in (
        ("at 1 day", rows[1]["skill_garch"], p_1),
        (f"over 1 to {COMPARED_DAYS} days", garch, p_mean),
    ):
        if p_value < SIGNIFICANT and skill < -TIE:
            yield f"worse than GARCH(1,1)-t {where} (skill {skill:+.2%}, p {p_value:.2g})"
    for horizon in (horizon for horizon in BANDS if horizon in rows):
        n = rows[horizon]["n"]
        for percent, (low, high) in BANDS[horizon].items():
            covered, nominal = rows[horizon][f"coverage_{percent}"], percent / 100
            standard_error = float(np.sqrt(nominal * (1 - nominal) * horizon / max(n, 1)))
            margin = BAND_MARGIN * standard_error if n < FULL_SAMPLE else 0.0
            if not low - margin <= covered <= high + margin:
                allowed = f"{100 * (low - margin):.1f} to {100 * min(high + margin, 1):.1f} %"
                yield (
                    f"its {percent} % interval covers {100 * covered:.2f} % at {_days(horizon)}; {allowed} is allowed"
                )
    for test in ("kupiec", "christoffersen"):
        for percent in TAIL_PERCENTS:
            if (p_value := rows[1][f"{test}_{percent}"]) <= MIN_TAIL_P:
                yield f"its {percent} % quantile fails {test.title()}'s test at 1 day (p {p_value:.2g})"
    worst = max(rows, key=lambda horizon: rows[horizon]["theil_u"])
    if (theil_u := rows[worst]["theil_u"]) > MAX_THEIL_U:
        yield f"its point forecast is worse than no change (Theil's U {theil_u:.4f} at {_days(worst)})"


def _days(horizon: int) -> str:
    return f"{horizon} day{'s' if horizon > 1 else ''}"
