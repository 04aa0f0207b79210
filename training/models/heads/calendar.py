"""The calendar head: the variance of a day is scaled by its weekday and by the scheduled news that falls on it.

Days of US payrolls, of the FOMC's and of the ECB's decisions are wider, and known long before. The scale of a day is
divided out of the returns before they drive the variance of the next days, and multiplied onto the days ahead; Andersen
& Bollerslev (1998), doi:10.1111/0022-1082.85732, find the announcements, Engle & Rangel's component models separate
slow and scheduled parts in the same way. alpha, beta, nu and the effects are shared by 17 pairs of the majors, fitted
on the ECB's fixings up to the cutoff. The long-run variance is the pair's mean news times the ratio of mean square to
mean news that is the median of these pairs: news is winsorised, so a single extreme day does not widen the intervals of
the years after it. Serving needs the pair's closes and dates alone.

A return between two closes gets the effects of the events between them, counted by a table of cumulative effects: exact
over holidays and gaps. Which events those are depends on the time of day of the close; it is chosen by the likelihood
of the pair's own returns.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.contract import DATE, TARGET_DATE
from training.models.economic_calendar import ENTRY, KINDS, KINDS_WITH_CPI, Events, load_events
from training.models.features import Array, Window, log_return
from training.models.heads.base import Head, HeadData, HeadSpec
from training.models.heads.pooled_fit import (
    AFTER,
    BEFORE,
    EPOCH_WEEKDAY,
    FIRST_DAY,
    FIXING,
    LAGS,
    LAST_DAY,
    Effects,
    find_pooled_fit,
)
from training.models.heads.winsorised import Floats, Recursion, log_likelihood, winsorise, winsorise_window
from training.prices.ecb import panel
from training.prices.windows import day_numbers


@dataclass(frozen=True)
class Calendar:
    """The fitted head."""

    recursion: Recursion
    cumulative_effects: Floats  # by day from FIRST to LAST, the sum of the effects of all events up to it
    effects: Effects
    errors: Mapping[str, float]  # standard errors of the effects of events
    close_timing: str  # BEFORE or AFTER
    lead: float  # log-likelihood by which `close_timing` is better than the alternative
    events: Events

    @property
    def params(self) -> Mapping[str, float | str]:
        """Parameters of the recursion, the effects with their standard errors, and the timing of the close."""
        effects = {f"effect_{kind}": value for kind, value in self.effects.events.items()}
        errors = {f"effect_{kind}_error": value for kind, value in self.errors.items()}
        timing: dict[str, float | str] = {"close_taken": self.close_timing, "close_taken_lead": self.lead, **self.notes}
        return {**self.recursion.params, **effects, **errors, **timing}

    @property
    def notes(self) -> Mapping[str, str]:
        """Entries for the metadata of the champion's file."""
        through = {kind: str(day) for kind, day in self.events.known_through().items()}
        return {"close_taken": self.close_timing, ENTRY: json.dumps(through, sort_keys=True)}

    @property
    def z(self) -> NDArray[np.float64]:
        return self.recursion.z

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon]."""
        returns = log_return(window["close"])
        xp, n = returns.__array_namespace__(), returns.shape[1]
        scale = self.scale(xp.concat([window[DATE], window[TARGET_DATE]], axis=1))
        deseasonalised = returns / scale[:, :n]
        sigma2 = self.recursion.ahead(winsorise_window(deseasonalised * deseasonalised)) * scale[:, n:] ** 2.0
        return xp.sqrt(xp.cumulative_sum(sigma2, axis=1))

    def scale(self, days: Array) -> Array:
        """Factor of the standard deviation of the return from each day to the next of [batch, n], [batch, n - 1].

        Beyond the table no events are known, and weekdays alone count.
        """
        xp, n = days.__array_namespace__(), days.shape[1]
        row = xp.clip(xp.reshape(days, (-1,)) - FIRST_DAY, 0, LAST_DAY - FIRST_DAY)
        cumulative = xp.reshape(xp.take(xp.asarray(self.cumulative_effects), row, axis=0), (-1, n))
        weekday = xp.reshape((days[:, 1:] + EPOCH_WEEKDAY) % 7, (-1,))
        weekday_effect = xp.reshape(xp.take(xp.asarray(self.effects.weekday), weekday, axis=0), (-1, n - 1))
        return xp.exp(weekday_effect + cumulative[:, 1:] - cumulative[:, :-1])

    def for_window(self, rows: int) -> Head:
        return replace(self, recursion=replace(self.recursion, rows=rows))


def fit(history: HeadData, kinds: tuple[str, ...] = KINDS) -> Calendar:
    """Fit shared parameters on the majors up to the cutoff, the mean news on the pair's own closes.

    The events are those that were known on the last day. Raises ValueError where the majors are too few or their fit
    does not react to news.
    """
    events = load_events(kinds, pd.Timestamp(history.prices.index[-1]).date())
    pooled = find_pooled_fit(panel(history.prices, history.pair, history.source), kinds)
    effects, errors = pooled.effects_on(history.pair)
    returns, days = history.returns(), day_numbers(pd.DatetimeIndex(history.prices.index))
    choices = {}
    for timing in (FIXING,) if history.source == "ecb" else (BEFORE, AFTER):
        scale = log_scale(effects, days, events, LAGS[timing])
        deseasonalised = returns / np.exp(scale)
        news = winsorise(deseasonalised * deseasonalised)
        mean_news = float(np.mean(news))
        # Of the returns themselves: the likelihood of scaled ones would favour the scale that makes them smallest.
        likelihood = log_likelihood(deseasonalised, news, pooled.dynamics) - float(scale.sum())
        choices[timing] = (likelihood, Recursion(pooled.dynamics, pooled.square_to_news * mean_news, mean_news))
    timing = max(choices, key=lambda name: choices[name][0])
    others = [likelihood for name, (likelihood, _) in choices.items() if name != timing]
    lead = choices[timing][0] - max(others) if others else 0.0
    cumulative = effects.cumulative(events, LAGS[timing])
    return Calendar(choices[timing][1], cumulative, effects, errors, timing, lead, events)


def log_scale(effects: Effects, days: NDArray[np.int64], events: Events, lag: int) -> Floats:
    """Log of the factor of the standard deviation of each return between `days`, [n].

    Args:
        effects: The effects on the pair.
        days: The days of the closes, [n + 1], in days since 1970-01-01.
        events: The scheduled events.
        lag: 0 for closes after the news of their day, 1 for closes before it.
    """
    total = effects.weekday[(days[1:] + EPOCH_WEEKDAY) % 7]
    for kind, effect in effects.events.items():
        total = total + effect * np.diff(events.count_until(kind, days, lag))
    return np.asarray(total)


SPEC = HeadSpec(name="calendar", fit=fit, columns=(DATE, TARGET_DATE), reads_panel=True, kinds=KINDS)
SPEC_WITH_CPI = HeadSpec(
    name="calendar_cpi",
    fit=partial(fit, kinds=KINDS_WITH_CPI),
    columns=(DATE, TARGET_DATE),
    reads_panel=True,
    kinds=KINDS_WITH_CPI,
)
