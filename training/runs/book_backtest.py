"""The backtest of books of currencies: coverage, shortfall and loss of random books against two usual methods.

The forecast of a book is that of `lambda_fn.record.book`: standard deviations by the calendar head, refitted yearly,
correlations as ingest estimates them, and Student's t with the pooled degrees of freedom. The benchmarks are a normal
distribution with the covariance of 250 days, and historical simulation of 500 days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.record import student_t
from lambda_fn.record.correlations import DECAY, normalise, standardise
from training.console import Stages
from training.evaluation.significance import diebold_mariano_statistic
from training.evaluation.walk_forward import walk_forward
from training.models.heads.base import HeadData
from training.models.heads.registry import find_head
from training.prices.ecb import embedded_frame
from training.prices.windows import windows

# The most traded currencies beside the euro (BIS triennial survey, 2022) with rates of the ECB before 2010 and no peg
# to the euro.
CURRENCIES = tuple("USD JPY GBP CNY AUD CAD CHF HKD SGD SEK KRW NOK NZD INR MXN ZAR BRL PLN".split())
FIRST_YEAR, BOOKS, SEED = 2012, 300, 30
HORIZONS, CONFIDENCES = (1, 5, 21), (0.95, 0.99)
COVARIANCE_DAYS, SIMULATION_DAYS = 250, 500
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """The data of the backtest: log rates [rows, currencies], and by origin the row, the forecasts and the tails.

    `sds` are the standard deviations of the head [origins, currencies, horizons], `freedom` its degrees of freedom.
    """

    logs: Floats
    rows: NDArray[np.intp]
    sds: Floats
    freedom: Floats


def random_books(seed: int = SEED) -> Floats:
    """Return BOOKS books as weights [books, currencies] of gross value one: long, short, mixed and sparse in turn."""
    rng, size = np.random.default_rng(seed), len(CURRENCIES)
    books = rng.dirichlet(np.ones(size), BOOKS)
    signs = rng.choice([-1.0, 1.0], (BOOKS, size))
    for number in range(BOOKS):
        kind = number % 4
        if kind == 1:
            books[number] *= -1
        if kind >= 2:
            books[number] *= signs[number]
        if kind == 3:
            chosen = rng.permutation(size)[: rng.integers(1, 5)]
            books[number] *= np.isin(np.arange(size), chosen)
    return np.asarray(books / np.abs(books).sum(axis=1, keepdims=True))


def make_scene(stages: Stages, currencies: Sequence[str] = CURRENCIES, first_year: int = FIRST_YEAR) -> Scene:
    """Fit the calendar head of each euro pair at each yearly cutoff, and forecast the days that follow."""
    frame, spec = embedded_frame(), find_head("calendar")
    rates = frame[[name.lower() for name in currencies]].dropna()
    table = pd.DataFrame(np.log(rates.to_numpy()), rates.index)
    by_currency: list[pd.DataFrame] = []
    freedom: dict[pd.Timestamp, float] = {}
    with stages.stage("books: forecasts", len(currencies)) as step:
        for name in currencies:
            prices = pd.DataFrame({"close": frame[name.lower()].dropna()})
            parts = []
            for split in walk_forward(prices, first_year):
                head = spec.fit(HeadData(split.train, f"EUR{name}"))
                sd = head.sd(windows(prices, ("close", *spec.columns), split.test))
                parts.append(pd.DataFrame(np.asarray(sd)[:, np.array(HORIZONS) - 1], index=split.test))
                freedom |= dict.fromkeys(split.test, float(head.params["nu"]))
            by_currency.append(pd.concat(parts))
            step(name)
    days = pd.DatetimeIndex(table.index[SIMULATION_DAYS:])
    for part in by_currency:
        days = days.intersection(pd.DatetimeIndex(part.index))
    sds = np.stack([part.loc[days].to_numpy() for part in by_currency], axis=1)
    rows = pd.DatetimeIndex(table.index).get_indexer(days)
    return Scene(table.to_numpy(), rows, sds, np.array([freedom[day] for day in days]))


def book_table(scene: Scene, books: Floats) -> pd.DataFrame:
    """Score the books; a row per horizon and confidence.

    A row has the share of losses within the value at risk, realised over forecast shortfall, the reduction of the mean
    pinball loss against each benchmark with the t value of a Diebold-Mariano test by day, and the number of days.
    """
    logs, size = scene.logs, scene.logs.shape[1]
    returns = np.diff(logs, axis=0)
    standardised = standardise(returns)
    past = returns @ -books.T  # profit of a day, [days, books]
    rows = []
    scored = {h: scene.rows + h < len(logs) for h in HORIZONS}
    results: dict[tuple[int, float], list[tuple[Floats, ...]]] = {(h, p): [] for h in HORIZONS for p in CONFIDENCES}
    products, at = np.zeros((size, size)), 0
    for i, row in enumerate(scene.rows.tolist()):
        for z in standardised[at:row]:
            products = DECAY * products + np.outer(z, z)
        at = row
        correlations = normalise(products)
        recent = returns[row - COVARIANCE_DAYS : row]
        sample_sd = _deviations(books, recent.T @ recent / COVARIANCE_DAYS)
        order = [int(np.ceil(confidence * SIMULATION_DAYS)) - 1 for confidence in CONFIDENCES]
        simulated = np.partition(-past[row - SIMULATION_DAYS : row], order, axis=0)[order]
        for j, horizon in enumerate(HORIZONS):
            if not scored[horizon][i]:
                continue
            sd = _deviations(books * scene.sds[i, :, j], correlations)
            loss = (logs[row + horizon] - logs[row]) @ books.T
            root = np.sqrt(horizon)
            for confidence, history in zip(CONFIDENCES, root * simulated, strict=True):
                nu = round(float(scene.freedom[i]), 6)
                risk = student_t.quantile(confidence, nu) * sd
                normal = NormalDist().inv_cdf(confidence) * root * sample_sd
                hit = loss > risk
                shortfall = student_t.tail_mean(confidence, nu) * sd
                errors = loss - np.stack([risk, normal, history])  # the pinball loss follows
                results[horizon, confidence].append(
                    (
                        np.array([(~hit).mean(), loss[hit].sum(), shortfall[hit].sum()]),
                        np.maximum(confidence * errors, (confidence - 1) * errors).mean(axis=1),
                    )
                )
    for (horizon, confidence), days in results.items():
        sums, losses = (np.array(part) for part in zip(*days, strict=True))
        row_losses = losses.mean(axis=0)
        tests = [diebold_mariano_statistic(losses[:, 0], losses[:, k], horizon) for k in (1, 2)]
        rows.append(
            {
                **{"horizon": horizon, "confidence": confidence, "days": len(days), "covered": sums[:, 0].mean()},
                "shortfall": sums[:, 1].sum() / sums[:, 2].sum(),
                **{"vs normal": 1 - row_losses[0] / row_losses[1], "t normal": tests[0]},
                **{"vs history": 1 - row_losses[0] / row_losses[2], "t history": tests[1]},
            }
        )
    return pd.DataFrame(rows)


def _deviations(exposures: Floats, covariance: Floats) -> Floats:
    """Return the standard deviation of each book [books] from exposures [books, currencies]."""
    return np.asarray(np.sqrt(np.maximum(((exposures @ covariance) * exposures).sum(axis=1), 0.0)))
