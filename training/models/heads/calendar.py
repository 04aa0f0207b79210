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

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.contract import DATE, TARGET_DATE
from training.models.economic_calendar import Events, embedded
from training.models.features import Array, Window, log_return
from training.models.heads.base import Head, Kind, Known
from training.models.heads.pooled_fit import (
    AFTER,
    BEFORE,
    EPOCH_WEEKDAY,
    FIRST_DAY,
    FIXING,
    LAGS,
    LAST_DAY,
    Effects,
    find_shared,
)
from training.models.heads.winsorised import Floats, Recursion, log_likelihood, winsorise, winsorise_window
from training.prices.panel import panel
from training.prices.windows import day_numbers


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
        row = xp.clip(xp.reshape(days, (-1,)) - FIRST_DAY, 0, LAST_DAY - FIRST_DAY)
        passed = xp.reshape(xp.take(xp.asarray(self.passed), row, axis=0), (-1, n))
        weekday = xp.reshape((days[:, 1:] + EPOCH_WEEKDAY) % 7, (-1,))
        own = xp.reshape(xp.take(xp.asarray(self.effects.weekday), weekday, axis=0), (-1, n - 1))
        return xp.exp(own + passed[:, 1:] - passed[:, :-1])

    def of_window(self, rows: int) -> Head:
        return replace(self, recursion=replace(self.recursion, rows=rows))


def fit(known: Known) -> Calendar:
    """Shared parameters from the majors up to the cutoff, the level from the pair's own closes.

    Raises ValueError where the majors are too few or their fit does not answer to news.
    """
    events = embedded()
    shared = find_shared(panel(known.prices, known.pair, known.source))
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


def log_scale(effects: Effects, days: NDArray[np.int64], events: Events, lag: int) -> Floats:
    """The log of what multiplies the standard deviation of each return between `days` [n + 1], [n]."""
    total = effects.weekday[(days[1:] + EPOCH_WEEKDAY) % 7]
    for kind, effect in effects.events.items():
        total = total + effect * np.diff(events.passed(kind, days, lag))
    return np.asarray(total)


KIND = Kind(name="calendar", fit=fit, columns=(DATE, TARGET_DATE), shares=True)
