"""`make simulate`: how often repeated looks promote a family that is no better, and how often one that is better.

Differences of the daily losses of two families, centred and shifted, are drawn in blocks of 21 days on average, by the
stationary bootstrap: a history of 4,310 days, and five years after it with a look each quarter or week.
Each rule is applied at each look to all days until then, with the statistic of `significance.diebold_mariano_statistic`
but its lags of the first look.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.conventions import COMPARED_DAYS
from training.evaluation import metrics
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.gates import TIE
from training.evaluation.selection import LOOK_LEVEL
from training.evaluation.significance import BLOCK, relative_losses
from training.prices.table import load
from training.prices.windows import targets
from training.runs import pipeline
from training.runs.jobs import Job, tasks
from training.runs.task_runner import run_task

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Floats, Floats], NDArray[np.bool_]]

HISTORY, QUARTER, WEEK, YEARS = 4310, 63, 5, 5
LAST = HISTORY + 4 * QUARTER * YEARS


def losses(names: tuple[str, ...]) -> dict[str, Floats]:
    """Losses of EUR/USD by family and baseline, [days, horizon], of the default run's years."""
    job = Job(load("ecb", today=datetime.now(UTC).date()), "EURUSD", names)
    members, _ = pipeline.gather(job, [run_task(job, task) for task in tasks(job)])
    forecasts = {name: pipeline.walk_forward_forecasts(job, seeds) for name, seeds in members.items()}
    forecasts |= evaluate_baselines(job.prices, job.first_year)
    return {
        name: metrics.pinball_losses(targets(job.prices, forecast.origins), forecast.quantiles)
        for name, forecast in forecasts.items()
    }


def draw_paths(series: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Draw days of `series` [days, k] in blocks, [draws, LAST, k]."""
    restarts = rng.random((draws, LAST)) < 1 / BLOCK
    restarts[:, 0] = True
    starts = rng.integers(len(series), size=(draws, LAST))
    rows = np.zeros((draws, LAST), np.int64)
    for t in range(LAST):
        rows[:, t] = np.where(restarts[:, t], starts[:, t], (rows[:, t - 1] + 1) % len(series))
    return np.asarray(series[rows])


def statistics(differences: Floats, looks: NDArray[np.int64], horizon: int) -> Floats:
    """Diebold-Mariano statistic of each draw at each look, [draws, looks], from differences [draws, LAST]."""
    lags = max(horizon - 1, int(4 * (HISTORY / 100) ** (2 / 9)))
    sums = np.cumsum(differences, axis=1)
    products = [np.cumsum(differences[:, : LAST - lag] * differences[:, lag:], axis=1) for lag in range(lags + 1)]
    columns = []
    for n in looks:
        mean = sums[:, n - 1] / n
        variance = np.zeros(len(differences))
        for lag, product in enumerate(products):
            head, tail = sums[:, n - lag - 1], sums[:, n - 1] - (sums[:, lag - 1] if lag else 0.0)
            covariance = (product[:, n - lag - 1] - mean * (head + tail) + (n - lag) * mean * mean) / n
            variance += (1.0 if lag == 0 else 2 * (1 - lag / (lags + 1))) * covariance
        correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
        columns.append(mean * np.sqrt(correction / (variance / n)))
    return np.stack(columns, axis=1)


def both_tests(first: Floats, later: Floats, lead: Floats) -> NDArray[np.bool_]:
    """Both p-values below 5 %, at one day and over the mean of 1 to 5 days."""
    bound = norm.ppf(0.05)
    return np.asarray((first < bound) & (later < bound) & (lead > TIE))


def both_tests_twice(first: Floats, later: Floats, lead: Floats) -> NDArray[np.bool_]:
    """`both_tests` at a look and at an earlier one."""
    passes = both_tests(first, later, lead)
    earlier = np.logical_or.accumulate(passes, axis=1)[:, :-1]
    return np.concatenate([np.zeros_like(passes[:, :1]), passes[:, 1:] & earlier], axis=1)


def first_day(level: float) -> Rule:
    """The p-value at one day below `level`, and no more loss over 1 to 5 days."""
    return lambda first, later, lead: np.asarray((first < norm.ppf(level)) & (lead > TIE))


RULES: Mapping[str, Rule] = {
    "both tests at 5 %, as before": both_tests,
    "both tests at 5 %, at two looks": both_tests_twice,
    "one day at 5 %": first_day(0.05),
    f"one day at {LOOK_LEVEL:.0%}, one challenger": first_day(LOOK_LEVEL),
    f"one day at {LOOK_LEVEL / 5:.1%}, five challengers": first_day(LOOK_LEVEL / 5),
}
# True gains at one day, and over 1 to 5 days; the last two are better at one day and worse later.
TRUTHS = ((0.0, 0.0), (0.004, 0.002), (0.008, 0.004), (0.008, -0.002), (0.008, -0.004))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write = sys.stdout.write
    loss = losses(("random_walk", "calendar"))
    for better, other in (("calendar", "random_walk"), ("garch", "ewma")):
        relative = relative_losses(loss[better], loss["ewma"]) - relative_losses(loss[other], loss["ewma"])
        days = ~np.isnan(relative)
        scale = float(loss[other][days, 0].mean())
        series = np.stack([(loss[better][days, 0] - loss[other][days, 0]) / scale, relative[days]], axis=1)
        centred = series - series.mean(axis=0)
        for step, label in ((QUARTER, "quarter"), (WEEK, "week")):
            looks = np.arange(HISTORY, LAST + 1, step)
            write(f"\n{better} and {other}, a look each {label}: promoted at the first look, in a year, in {YEARS}\n")
            for truth in TRUTHS if step == QUARTER else TRUTHS[:1]:
                paths = draw_paths(centred, args.draws, np.random.default_rng(args.seed)) - truth
                first = statistics(paths[..., 0], looks, 1)
                later = statistics(paths[..., 1], looks, COMPARED_DAYS)
                lead = -np.stack([paths[:, :n, 1].mean(axis=1) for n in looks], axis=1)
                year = int(np.searchsorted(looks, HISTORY + 4 * QUARTER, side="right"))
                for name, rule in RULES.items():
                    passes = rule(first, later, lead)
                    shares = (passes[:, 0].mean(), passes[:, :year].any(axis=1).mean(), passes.any(axis=1).mean())
                    numbers = "  ".join(f"{100 * share:5.1f} %" for share in shares)
                    write(f"  true gain {truth[0]:+.1%} at 1 day, {truth[1]:+.1%} over 1 to 5: {name:34} {numbers}\n")


if __name__ == "__main__":
    main()
