"""What a family must be to become champion at all, whatever its loss; a pure function of the score table."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from training.evaluation.names import JUDGED

SIGNIFICANT = 0.05
TIE = 1e-4  # relative loss: a difference that is smaller is none, whatever its p-value
MONTH = 21
BANDS = {  # horizon -> interval in percent -> share of returns that it must cover
    1: {80: (0.785, 0.825), 95: (0.940, 0.960)},
    MONTH: {80: (0.770, 0.850), 95: (0.930, 0.980)},
}
MANY = 2000  # days from which on the bands hold as they are; on fewer, chance alone would leave them
MARGIN = 2.6  # standard errors that are then added to both sides
TAILS = (1, 5)  # percent
UNTESTED = (1.0, 1.0)
TAIL_P = 0.01  # of Kupiec and Christoffersen
MAX_THEIL_U = 1.001


Row = Mapping[str, float]


Tests = Mapping[tuple[str, str], tuple[float, float]]
"""(first, second) -> p-values of "the first is not better than the second", at one day and over the mean of days."""


def gates(scores: pd.DataFrame, tests: Tests, family: str) -> tuple[str, ...]:
    """Why a family cannot be champion, in words with its numbers; empty when it passes."""
    rows = scores[scores["family"] == family].drop(columns="family").to_dict("records")
    own = {int(row["horizon"]): {str(name): float(value) for name, value in row.items()} for row in rows}
    return (*_against(own, tests, family), *_coverage(own), *_tails(own[1]), *_points(own))


def _against(own: Mapping[int, Row], tests: Tests, family: str) -> Iterator[str]:
    ewma, garch = (_mean_skill(own, baseline) for baseline in ("ewma", "garch"))
    if not ewma > 0 and (own[1]["n"] >= MANY or min(tests.get(("ewma", family), UNTESTED)) < SIGNIFICANT):
        yield f"no better than EWMA(0.94)-Gaussian (skill {ewma:+.2%} over 1 to {JUDGED} days)"
    p_1, p_mean = tests.get(("garch", family), UNTESTED)
    for where, skill, p_value in (
        ("at 1 day", own[1]["skill_garch"], p_1),
        (f"over 1 to {JUDGED} days", garch, p_mean),
    ):
        if p_value < SIGNIFICANT and skill < -TIE:
            yield f"worse than GARCH(1,1)-t {where} (skill {skill:+.2%}, p {p_value:.2g})"


def _mean_skill(own: Mapping[int, Row], baseline: str) -> float:
    return float(np.mean([row[f"skill_{baseline}"] for horizon, row in own.items() if horizon <= JUDGED]))


def _coverage(own: Mapping[int, Row]) -> Iterator[str]:
    for horizon, bands in BANDS.items():
        if horizon not in own:
            continue
        n = own[horizon]["n"]
        for percent, (low, high) in bands.items():
            covered, nominal = own[horizon][f"coverage_{percent}"], percent / 100
            few = MARGIN * float(np.sqrt(nominal * (1 - nominal) * horizon / max(n, 1))) if n < MANY else 0.0
            if not low - few <= covered <= high + few:
                allowed = f"{100 * (low - few):.1f} to {100 * min(high + few, 1):.1f} %"
                yield (
                    f"its {percent} % interval covers {100 * covered:.2f} % at {_days(horizon)}, allowed are {allowed}"
                )


def _tails(first: Row) -> Iterator[str]:
    for test in ("kupiec", "christoffersen"):
        for percent in TAILS:
            if (p_value := first[f"{test}_{percent}"]) <= TAIL_P:
                yield f"its {percent} % quantile fails {test.title()}'s test at 1 day (p {p_value:.2g})"


def _points(own: Mapping[int, Row]) -> Iterator[str]:
    worst = max(own, key=lambda horizon: own[horizon]["theil_u"])
    if (theil_u := own[worst]["theil_u"]) > MAX_THEIL_U:
        yield f"its point forecast is worse than no change (Theil's U {theil_u:.4f} at {_days(worst)})"


def _days(horizon: int) -> str:
    return f"{horizon} day{'s' if horizon > 1 else ''}"
