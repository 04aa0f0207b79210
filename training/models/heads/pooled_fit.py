"""The fit that all pairs share for the calendar head: dynamics and effects, made once per cutoff on the majors' panel.

A panel is identified by its content, so that its fit is reused by every family with such a head, by every pair and,
through what a job carries (`cache_fits`), by every process and container. A fit takes a second or two, as long as the
rest of a refit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.economic_calendar import CPI, ECB, FIRST, FOMC, LAST, PAYROLLS, Events, load_events
from training.models.heads.winsorised import (
    Dynamics,
    Floats,
    filter_variance,
    fit_dynamics,
    log_density,
    median_square_to_news,
    winsorise,
)
from training.prices.ecb import Panel

RECENT = 2000  # business days that the effects are fitted on: they change over the decades
RIDGE = 0.003  # keeps effects of few events near zero
WEEKDAYS = (0, 1, 3, 4)  # Monday, Tuesday, Thursday, Friday; Wednesday is the baseline
BEFORE, AFTER = "before the news", "after the news"  # time of the close relative to the news of its day
LAGS = {BEFORE: 1, AFTER: 0}
FIXING = BEFORE  # the ECB's, 14:15 in Frankfurt: payrolls come at 14:30, the FOMC in the evening
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
FIRST_DAY, LAST_DAY = (int(np.datetime64(day, "D").astype(np.int64)) for day in (FIRST, LAST))
_FITS: "dict[str, PooledFit]" = {}  # of this process, by `fit_key`


@dataclass(frozen=True)
class Effects:
    """Effects of the calendar on the log standard deviation of a day, for one pair; an average day has zero."""

    weekday: Floats  # [7], Monday first, less the centre that makes the average zero
    events: Mapping[str, float]  # effect of one event of each kind

    def cumulative(self, events: Events, lag: int) -> Floats:
        """Sum of the effects of all events up to each day from FIRST to LAST: a return gets the difference."""
        days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
        total = np.zeros(len(days))
        for kind, effect in self.events.items():
            total += effect * events.count_until(kind, days, lag)
        return total


@dataclass(frozen=True)
class PooledFit:
    """Parameters that all pairs share.

    Attributes:
        dynamics: The parameters of the variance recursion.
        kinds: The kinds of events that have effects.
        effects: Effects on the log standard deviation, [names]: the WEEKDAYS, each kind for all pairs, and each kind in
            addition for the pairs of its currency.
        covariance: Their covariance, [names, names].
        centre: The log scale of an average day.
        square_to_news: Mean square of the returns to the mean of their winsorised squares: the median over the pairs.
    """

    dynamics: Dynamics
    kinds: tuple[str, ...]
    effects: Floats
    covariance: NDArray[np.float64]
    centre: float
    square_to_news: float

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "PooledFit":
        """Read the result of `to_json`; exact to the last bit."""
        effects, covariance = (np.array(facts[name], np.float64) for name in ("effects", "covariance"))
        ratio = float(facts["square_to_news"])
        return cls(
            Dynamics(**facts["dynamics"]), tuple(facts["kinds"]), effects, covariance, float(facts["centre"]), ratio
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "effects": self.effects.tolist(), "covariance": self.covariance.tolist()}

    def effects_on(self, pair: str) -> tuple[Effects, dict[str, float]]:
        """Return the effects on a pair such as EURUSD, and the standard errors of those of events."""
        weekday = np.zeros(7)
        weekday[list(WEEKDAYS)] = self.effects[: len(WEEKDAYS)]
        events, errors = {}, {}
        for i, kind in enumerate(self.kinds):
            row = np.zeros(len(self.effects))
            row[len(WEEKDAYS) + i] = 1.0
            row[len(WEEKDAYS) + len(self.kinds) + i] = float(_is_domestic(kind, "USD" in pair, "EUR" in pair))
            events[kind] = float(row @ self.effects)
            errors[kind] = float(np.sqrt(row @ self.covariance @ row))
        return Effects(weekday - self.centre, events), errors


def _is_domestic(kind: str, usd: bool, eur: bool) -> bool:
    """Return whether news of this kind is about a currency of the pair."""
    return {PAYROLLS: usd, FOMC: usd, ECB: eur, CPI: usd}[kind]


def design_matrix(days: NDArray[np.int64], events: Events, usd: bool, eur: bool) -> Floats:
    """Regressors of the returns between `days` of the ECB's fixing, [n, names], in the order of PooledFit.effects.

    Args:
        days: The days of the fixings, [n + 1], in days since 1970-01-01.
        events: The scheduled events.
        usd: Whether the pair has the US dollar.
        eur: Whether the pair has the euro.
    """
    weekday = (days[1:] + EPOCH_WEEKDAY) % 7
    hits = [np.diff(events.count_until(kind, days, LAGS[FIXING])) for kind in events.days]
    domestic = [hit * _is_domestic(kind, usd, eur) for kind, hit in zip(events.days, hits, strict=True)]
    return np.stack([*(weekday == day for day in WEEKDAYS), *hits, *domestic], axis=1).astype(np.float64)


def fit_key(majors: Panel, kinds: Sequence[str]) -> str:
    """Identify the fit of a panel with the effects of these kinds of events."""
    return f"{majors.digest}+{'+'.join(kinds)}"


def cache_fits(fits: Mapping[str, PooledFit]) -> None:
    """Store fits, by `fit_key`, so that this process does not make them again."""
    _FITS.update(fits)


def cached_fits() -> dict[str, PooledFit]:
    """Return the fits that this process has, by `fit_key`."""
    return dict(_FITS)


def cached_keys() -> frozenset[str]:
    """Keys of the fits that this process has."""
    return frozenset(_FITS)


def find_pooled_fit(majors: Panel, kinds: Sequence[str]) -> PooledFit:
    """Return the fit of this panel with these kinds of events, which is made at most once in a process."""
    key = fit_key(majors, kinds)
    if key not in _FITS:
        _FITS[key] = fit_panel(majors, kinds)
    return _FITS[key]


def fit_panel(majors: Panel, kinds: Sequence[str]) -> PooledFit:
    """Maximise the likelihood of all pairs over dynamics and effects, one after the other, twice.

    The first time is without the calendar, the second on returns that it has scaled. The events are those that were
    known on the last day of the panel.
    """
    events = load_events(tuple(kinds), majors.last_day)
    rows = np.stack([design_matrix(majors.days, events, pair.usd, pair.eur) for pair in majors.pairs])
    returns = np.stack([pair.returns for pair in majors.pairs])
    recent = rows[:, -RECENT:].reshape(-1, rows.shape[-1])
    average = recent.mean(axis=0)
    dynamics, z = _fit_without_calendar(majors)
    effects, covariance = fit_effects(recent, z[:, -RECENT:], dynamics.nu)
    dynamics, z = _fit_and_standardise(returns, returns / np.exp((rows - average) @ effects))
    effects, covariance = fit_effects(recent, z[:, -RECENT:], dynamics.nu)
    square = (returns / np.exp((rows - average) @ effects)) ** 2
    return PooledFit(
        dynamics, tuple(kinds), effects, covariance, float(average @ effects), median_square_to_news(square)
    )


@lru_cache(maxsize=1)  # the fits of a panel with other kinds of events follow each other
def _fit_without_calendar(majors: Panel) -> tuple[Dynamics, Floats]:
    """Return the dynamics and standardised returns of the first round, in which no event has an effect yet."""
    returns = np.stack([pair.returns for pair in majors.pairs])
    return _fit_and_standardise(returns, returns)


def _fit_and_standardise(returns: Floats, deseasonalised: Floats) -> tuple[Dynamics, Floats]:
    """Fit the dynamics to deseasonalised returns, and divide the returns by their standard deviation, [pairs, n]."""
    news = winsorise(deseasonalised * deseasonalised)
    dynamics = fit_dynamics(deseasonalised, news)
    return dynamics, returns / np.sqrt(filter_variance(deseasonalised, news, dynamics))


def fit_effects(rows: Floats, z: Floats, nu: float) -> tuple[Floats, Floats]:
    """Fit effects on the log standard deviation by penalised likelihood, [k], and their covariance, [k, k].

    `rows` [pairs * days, k] are the regressors of each standardised return `z` [pairs, days]. The covariance is the
    sandwich of White (1982), doi:10.2307/1912526, with the returns of one day clustered, as the pairs move together.
    """
    from scipy.optimize import minimize

    pairs, days = z.shape
    z = z.reshape(-1)
    x = np.column_stack([np.ones(len(rows)), rows])
    ridge = RIDGE * np.concatenate([[0.0], np.ones(rows.shape[1])])

    def parts(b: Floats) -> tuple[Floats, Floats, Floats]:
        scale = x @ b
        u = z * z * np.exp(-2 * scale)
        return scale, u, (nu + 1) * u / (nu - 2 + u)

    def loss(b: Floats) -> tuple[float, Floats]:
        scale, u, weight = parts(b)
        value = float(np.mean(scale - log_density(u, nu)) + 0.5 * b @ (ridge * b))
        return value, np.asarray(x.T @ (1 - weight) / len(z) + ridge * b)

    b = np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)
    _, u, weight = parts(b)
    curvature = 2 * (nu + 1) * (nu - 2) * u / (nu - 2 + u) ** 2
    bread = np.linalg.inv((x * curvature[:, None]).T @ x + len(z) * np.diag(ridge))
    score = (x * (1 - weight)[:, None]).reshape(pairs, days, -1).sum(axis=0)
    covariance = bread @ (score.T @ score) @ bread
    return b[1:], covariance[1:, 1:]
