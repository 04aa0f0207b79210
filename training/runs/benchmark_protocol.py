"""The protocol's figures: eight pairs over two spans, by the same walk forward, scores and choice as every run.

training/PROTOCOL.md says what they are and what they are not.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from training.console import Stages
from training.evaluation import metrics
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.scores import judge, score
from training.evaluation.selection import Selection, select
from training.evaluation.significance import statistic
from training.evaluation.walk_forward import Forecasts
from training.models.families import FAMILIES
from training.prices.table import PriceTable
from training.prices.windows import LEVELS, positions, targets
from training.runs import pipeline
from training.runs.jobs import Job, Result

PAIRS = ("EURUSD", "EURJPY", "USDJPY", "USDCHF", "GBPUSD", "AUDUSD", "EURGBP", "EURCHF")
FIRST_YEAR = 2004
SPANS = ((2004, 2017), (2018, 2026))  # years of the first day forecast
TRIED = ("random_walk", "calendar")  # the others differ from calendar by a mean that is nearly nothing
SHOWN = (1, 5, 21)

Work = Callable[[Job], list[Result]]


def protocol(load: Callable[[str], PriceTable], work: Work, stages: Stages) -> pd.DataFrame:
    """A row for each pair, span, family and horizon of SHOWN: gain over GARCH(1,1)-t in percent with its t value and
    interval, coverage, shares below 1 and 5 %, whether the family passes, and what was chosen there."""
    rows = []
    for pair in PAIRS:
        with stages.stage(f"protocol: {pair}"):
            job = Job(load(pair), pair, TRIED, FIRST_YEAR)
            members, _ = pipeline.gather(job, work(job))
            forecasts = {family: pipeline.walked(job, own) for family, own in members.items()}
            baselines = evaluate_baselines(job.prices, FIRST_YEAR)
            for span in SPANS:
                rows.append(of_span(job, forecasts, baselines, span))
    return pd.concat(rows, ignore_index=True)


def of_span(
    job: Job, forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], span: tuple[int, int]
) -> pd.DataFrame:
    """The rows of one pair and span."""
    prices = job.prices
    families, others = ({name: within(own, prices, span) for name, own in of.items()} for of in (forecasts, baselines))
    scores = score(families, others, prices)
    comparisons, _ = judge(families, others, prices)
    chosen = select(scores, comparisons, tuple(FAMILIES))
    rows = [
        _row(job.pair, span, name, own, others["garch"], prices, horizon, scores, chosen)
        for name, own in families.items()
        for horizon in SHOWN
    ]
    return pd.DataFrame(rows)


def within(forecasts: Forecasts, prices: pd.DataFrame, span: tuple[int, int]) -> Forecasts:
    """Of the origins whose next day is in these years, the last included."""
    years = pd.DatetimeIndex(prices.index)[positions(prices, forecasts.origins) + 1].year
    inside = np.asarray((years >= span[0]) & (years <= span[1]))
    return forecasts.at(forecasts.origins[inside])


def _row(
    pair: str,
    span: tuple[int, int],
    family: str,
    own: Forecasts,
    garch: Forecasts,
    prices: pd.DataFrame,
    horizon: int,
    scores: pd.DataFrame,
    chosen: Selection,
) -> dict[str, object]:
    actual = targets(prices, own.origins)
    losses, others = (metrics.pinball_losses(actual, of.quantiles)[:, horizon - 1] for of in (own, garch))
    known = ~np.isnan(actual[:, horizon - 1])
    found = scores[(scores["family"] == family) & (scores["horizon"] == horizon)].iloc[0]
    below = {
        f"below_{level:.0%}"[:-1]: float(
            (actual[known, horizon - 1] < own.quantiles[known, horizon - 1, LEVELS.index(level)]).mean()
        )
        for level in (0.01, 0.05)
    }
    return {
        "pair": pair,
        "span": f"{span[0]}-{span[1]}",
        "family": family,
        "horizon": horizon,
        "n": int(found["n"]),
        "gain": 100 * float(found["skill_garch"]),
        "t": -statistic(losses, others, horizon),
        "gain_low": 100 * float(found["skill_garch_low"]),
        "gain_high": 100 * float(found["skill_garch_high"]),
        "covered_80": float(found["coverage_80"]),
        "covered_95": float(found["coverage_95"]),
        **below,
        "fails": "; ".join(chosen.failed.get(family, ())),
        "chosen": chosen.champion if chosen.passed else "",
    }
