"""The calendar head: the variance of a day is scaled by its weekday and by the scheduled news that falls on it.

Days of US payrolls, of the FOMC's and of the ECB's decisions are wider, and known long before. What scales a day is
taken out of the returns before they drive the variance of the next days, and put on the days ahead; Andersen &
Bollerslev (1998), doi:10.1111/0022-1082.85732, find the announcements, Engle & Rangel's component models take slow and
scheduled parts apart as this does. alpha, beta, nu and the effects are shared by 17 pairs of the majors, fitted on the
ECB's fixings up to the cutoff; the level is the pair's own. Serving needs the pair's closes and dates alone.

A return between two closes gets the effects of the events between them, counted by a table of passed events: exact over
holidays and gaps. Which events those are depends on when the close is taken; the likelihood of the pair's own returns
tells.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from lambda_fn.contract import DATE, TARGET_DATE
from training.models.events import ECB, FIRST, FOMC, KINDS, LAST, PAYROLLS, Events, embedded
from training.models.features import Array, Window, log_return
from training.models.heads.base import Head, Kind, Known
from training.models.heads.news import (
    Dynamics,
    Floats,
    Recursion,
    fit_dynamics,
    log_density,
    log_likelihood,
    variance,
    winsorise,
    winsorise_window,
)
from training.prices.majors import Panel, panel
from training.prices.windows import day_numbers

RECENT = 2000  # business days that the effects are fitted on: they change over the decades
RIDGE = 0.003  # keeps effects of few events near nothing
ROUNDS = 2  # first without the calendar, then on returns that it has scaled
WEEKDAYS = (0, 1, 3, 4)  # Monday, Tuesday, Thursday, Friday; Wednesday is the rest
BEFORE, AFTER = "before the news", "after the news"  # when the close of a day is taken
LAGS = {BEFORE: 1, AFTER: 0}
FIXING = BEFORE  # the ECB's, 14:15 in Frankfurt: payrolls come at 14:30, the FOMC in the evening
NAMES = ("Monday", "Tuesday", "Thursday", "Friday", *KINDS, "USD payrolls", "USD FOMC", "EUR ECB")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_FIRST, _LAST = (int(np.datetime64(day, "D").astype(np.int64)) for day in (FIRST, LAST))


@dataclass(frozen=True)
class Effects:
    """Of the calendar on the log of a day's standard deviation, for one pair; a day of average news has zero."""

    weekday: Floats  # [7], Monday first, with what makes the average zero
    events: Mapping[str, float]  # of each event of the kind

    def passed(self, events: Events, lag: int) -> Floats:
        """The sum of the effects of all events up to each day from FIRST to LAST: differences are what returns get."""
        days = np.arange(_FIRST, _LAST + 1, dtype=np.int64)
        total = np.zeros(len(days))
        for kind, effect in self.events.items():
            total += effect * events.passed(kind, days, lag)
        return total


@dataclass(frozen=True)
class Calendar:
    """The fitted head."""

    recursion: Recursion
    passed: Floats  # by day from FIRST to LAST, the sum of the effects of all events up to it
    effects: Effects
    errors: Mapping[str, float]  # standard errors of the effects of events
    close_taken: str  # BEFORE or AFTER
    lead: float  # log-likelihood by which that is better than the other
    events: Events

    @property
    def params(self) -> Mapping[str, float | str]:
        effects = {f"effect_{kind}": value for kind, value in self.effects.events.items()}
        errors = {f"effect_{kind}_error": value for kind, value in self.errors.items()}
        told: dict[str, float | str] = {"close_taken": self.close_taken, "close_taken_lead": self.lead, **self.notes}
        return {**self.recursion.params, **effects, **errors, **told}

    @property
    def notes(self) -> Mapping[str, str]:
        """For the metadata of the champion's file."""
        through = {kind: str(day) for kind, day in self.events.known_through().items()}
        return {"close_taken": self.close_taken, "events_known_through": json.dumps(through, sort_keys=True)}

    @property
    def z(self) -> NDArray[np.float64]:
        return self.recursion.z

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon]."""
        returns = log_return(window["close"])
        xp, known = returns.__array_namespace__(), returns.shape[1]
        scale = self.scale(xp.concat([window[DATE], window[TARGET_DATE]], axis=1))
        flat = returns / scale[:, :known]
        ahead = self.recursion.ahead(winsorise_window(flat * flat)) * scale[:, known:] ** 2.0
        return xp.sqrt(xp.cumulative_sum(ahead, axis=1))

    def scale(self, days: Array) -> Array:
        """What the standard deviation of the return from each day to the next one of [batch, n] is multiplied by,
        [batch, n - 1]. Beyond the table no events are known, and weekdays alone count."""
        xp, n = days.__array_namespace__(), days.shape[1]
        row = xp.clip(xp.reshape(days, (-1,)) - _FIRST, 0, _LAST - _FIRST)
        passed = xp.reshape(xp.take(xp.asarray(self.passed), row, axis=0), (-1, n))
        weekday = xp.reshape((days[:, 1:] + _EPOCH_WEEKDAY) % 7, (-1,))
        own = xp.reshape(xp.take(xp.asarray(self.effects.weekday), weekday, axis=0), (-1, n - 1))
        return xp.exp(own + passed[:, 1:] - passed[:, :-1])

    def of_window(self, rows: int) -> Head:
        return replace(self, recursion=replace(self.recursion, rows=rows))


def fit(known: Known) -> Calendar:
    """Shared parameters from the majors up to the cutoff, the level from the pair's own closes.

    Raises ValueError where the majors are too few or their fit does not answer to news.
    """
    events = embedded()
    shared = fit_shared(panel(known.prices, known.pair, known.source))
    effects, errors = shared.of(known.pair)
    returns, days = known.returns(), day_numbers(pd.DatetimeIndex(known.prices.index))
    choices = {}
    for taken in (FIXING,) if known.source == "ecb" else (BEFORE, AFTER):
        scale = log_scale(effects, days, events, LAGS[taken])
        flat = returns / np.exp(scale)
        news = winsorise(flat * flat)
        level = float(np.mean(flat * flat))
        # Of the returns themselves: the likelihood of flat ones would favour whatever makes them small.
        likelihood = log_likelihood(flat, news, shared.dynamics) - float(scale.sum())
        choices[taken] = (likelihood, Recursion(shared.dynamics, level, float(np.mean(news))))
    taken = max(choices, key=lambda name: choices[name][0])
    others = [likelihood for name, (likelihood, _) in choices.items() if name != taken]
    lead = choices[taken][0] - max(others) if others else 0.0
    return Calendar(choices[taken][1], effects.passed(events, LAGS[taken]), effects, errors, taken, lead, events)


@dataclass(frozen=True)
class Shared:
    """What all pairs share: dynamics, and effects by NAMES with their covariance and the centre of the log scale."""

    dynamics: Dynamics
    effects: Floats
    covariance: NDArray[np.float64]
    centre: float

    def of(self, pair: str) -> tuple[Effects, dict[str, float]]:
        """The effects on a pair such as EURUSD, and the standard errors of those of events."""
        weekday = np.zeros(7)
        weekday[list(WEEKDAYS)] = self.effects[: len(WEEKDAYS)]
        events, errors = {}, {}
        for i, kind in enumerate(KINDS):
            row = np.zeros(len(NAMES))
            row[len(WEEKDAYS) + i] = 1.0
            row[len(WEEKDAYS) + len(KINDS) + i] = float(_of_currency(kind, "USD" in pair, "EUR" in pair))
            events[kind] = float(row @ self.effects)
            errors[kind] = float(np.sqrt(row @ self.covariance @ row))
        return Effects(weekday - self.centre, events), errors


def _of_currency(kind: str, usd: bool, eur: bool) -> bool:
    """Whether the pair holds the currency that this news is of."""
    return {PAYROLLS: usd, FOMC: usd, ECB: eur}[kind]


def design(days: NDArray[np.int64], events: Events, usd: bool, eur: bool) -> Floats:
    """By NAMES, what falls on the returns between `days` [n + 1] of the ECB's fixing: [n, names]."""
    weekday = (days[1:] + _EPOCH_WEEKDAY) % 7
    hits = [np.diff(events.passed(kind, days, LAGS[FIXING])) for kind in KINDS]
    own = [hit * _of_currency(kind, usd, eur) for kind, hit in zip(KINDS, hits, strict=True)]
    return np.stack([*(weekday == day for day in WEEKDAYS), *hits, *own], axis=1).astype(np.float64)


def log_scale(effects: Effects, days: NDArray[np.int64], events: Events, lag: int) -> Floats:
    """The log of what multiplies the standard deviation of each return between `days` [n + 1], [n]."""
    total = effects.weekday[(days[1:] + _EPOCH_WEEKDAY) % 7]
    for kind, effect in effects.events.items():
        total = total + effect * np.diff(events.passed(kind, days, lag))
    return np.asarray(total)


@lru_cache(maxsize=64)  # every family with this head asks for the same at a cutoff; a panel is known by its content
def fit_shared(majors: Panel) -> Shared:
    """Dynamics and effects that maximise the likelihood of all pairs, one after the other, ROUNDS times."""
    events = embedded()
    rows = np.stack([design(majors.days, events, own.usd, own.eur) for own in majors.pairs])
    returns = np.stack([own.returns for own in majors.pairs])
    recent = rows[:, -RECENT:].reshape(-1, len(NAMES))
    average = recent.mean(axis=0)
    effects = np.zeros(len(NAMES))
    for _ in range(ROUNDS):
        flat = returns / np.exp((rows - average) @ effects)
        news = winsorise(flat * flat)
        dynamics = fit_dynamics(flat, news)
        z = returns / np.sqrt(variance(flat, news, dynamics))
        effects, covariance = fit_effects(recent, z[:, -RECENT:], dynamics.nu)
    return Shared(dynamics, effects, covariance, float(average @ effects))


def fit_effects(rows: Floats, z: Floats, nu: float) -> tuple[Floats, Floats]:
    """Effects on the log standard deviation by penalised likelihood, [k], and their covariance, [k, k].

    `rows` [pairs * days, k] is what falls on each standardised return `z` [pairs, days]. The covariance is the sandwich
    of White (1982), doi:10.2307/1912526, with the returns of one day taken together, as the pairs move together.
    """
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


KIND = Kind(name="calendar", fit=fit, columns=(DATE, TARGET_DATE), shares=True)
