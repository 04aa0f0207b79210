"""The benchmark protocol: eight pairs over two spans, with the backtest, scores and selection of every run.

training/PROTOCOL.md describes the figures and their limits.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from training.console import Stages
from training.conventions import HEADLINE_HORIZONS
from training.evaluation import metrics
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.scores import compare_families, score
from training.evaluation.selection import select
from training.evaluation.significance import diebold_mariano_statistic
from training.evaluation.walk_forward import Forecasts
from training.models.families import FAMILIES
from training.prices.table import PriceTable
from training.prices.windows import LEVELS, positions, targets
from training.runs import pipeline
from training.runs.jobs import Job, Result

PAIRS = ("EURUSD", "EURJPY", "USDJPY", "USDCHF", "GBPUSD", "AUDUSD", "EURGBP", "EURCHF")
FIRST_YEAR = 2004
SPANS = ((2004, 2017), (2018, 2026))  # years of the first day forecast
PROTOCOL_FAMILIES = ("random_walk", "calendar", "calendar_cpi")  # the others differ only by a mean near zero

Work = Callable[[Job], list[Result]]


def protocol(load: Callable[[str], PriceTable], work: Work, stages: Stages) -> pd.DataFrame:
    """Compute the protocol's table: a row for each pair, span, family and horizon of HEADLINE_HORIZONS.

    A row has the gain over GARCH(1,1)-t in percent with its t value and interval, coverage, shares below 1 and 5 %,
    the gates that the family fails, and the family that was selected there.
    """
    rows = []
    for pair in PAIRS:
        with stages.stage(f"protocol: {pair}"):
            job = Job(load(pair), pair, PROTOCOL_FAMILIES, FIRST_YEAR)
            members, _ = pipeline.gather(job, work(job))
            forecasts = {family: pipeline.walk_forward_forecasts(job, seeds) for family, seeds in members.items()}
            baselines = evaluate_baselines(job.prices, FIRST_YEAR)
            for span in SPANS:
                rows.append(score_span(job, forecasts, baselines, span))
    return pd.concat(rows, ignore_index=True)


def score_span(
    job: Job, forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], span: tuple[int, int]
) -> pd.DataFrame:
    """Compute the rows of one pair and span.

    Args:
        job: The job of the pair.
        forecasts: The forecasts of its families.
        baselines: Those of the baselines.
        span: The first and the last year.
    """
    prices = job.prices
    families = {name: select_span(forecast, prices, span) for name, forecast in forecasts.items()}
    others = {name: select_span(forecast, prices, span) for name, forecast in baselines.items()}
    scores = score(families, others, prices)
    comparisons, _ = compare_families(families, others, prices)
    selection = select(scores, comparisons, tuple(FAMILIES))
    rows = []
    for family, forecast in families.items():
        actual = targets(prices, forecast.origins)
        losses = metrics.pinball_losses(actual, forecast.quantiles)
        garch_losses = metrics.pinball_losses(actual, others["garch"].at(forecast.origins).quantiles)
        scores_by_horizon = {row["horizon"]: row for row in scores[scores["family"] == family].to_dict("records")}
        for horizon in HEADLINE_HORIZONS:
            row, h = scores_by_horizon[horizon], horizon - 1
            observed = ~np.isnan(actual[:, h])
            below = {
                f"below_{percent}": float(
                    (actual[observed, h] < forecast.quantiles[observed, h, LEVELS.index(percent / 100)]).mean()
                )
                for percent in (1, 5)
            }
            rows.append(
                {
                    "pair": job.pair,
                    "span": f"{span[0]}-{span[1]}",
                    "family": family,
                    "horizon": horizon,
                    "n": int(row["n"]),
                    "gain": 100 * float(row["skill_garch"]),
                    "t": -diebold_mariano_statistic(losses[:, h], garch_losses[:, h], horizon),
                    "gain_low": 100 * float(row["skill_garch_low"]),
                    "gain_high": 100 * float(row["skill_garch_high"]),
                    "covered_80": float(row["coverage_80"]),
                    "covered_95": float(row["coverage_95"]),
                    **below,
                    "fails": "; ".join(selection.failed.get(family, ())),
                    "chosen": selection.champion if selection.passed else "",
                }
            )
    return pd.DataFrame(rows)


def select_span(forecasts: Forecasts, prices: pd.DataFrame, span: tuple[int, int]) -> Forecasts:
    """Select the origins whose next day is in these years, the last included."""
    years = pd.DatetimeIndex(prices.index)[positions(prices, forecasts.origins) + 1].year
    inside = np.asarray((years >= span[0]) & (years <= span[1]))
    return forecasts.at(forecasts.origins[inside])
