"""What all pairs share of the calendar: dynamics and effects, fitted once a cutoff on the majors' panel.

A panel is known by its content, so that whoever asks for the fit of the same one gets it: every family with such a
head, every pair, and, by what a job carries (`keep`), every process and container. A fit takes a second or two, as long
as all else of a refit.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.economic_calendar import ECB, FIRST, FOMC, KINDS, LAST, PAYROLLS, Events, embedded
from training.models.heads.winsorised import Dynamics, Floats, fit_dynamics, log_density, variance, winsorise
from training.prices.panel import Panel

RECENT = 2000  # business days that the effects are fitted on: they change over the decades
RIDGE = 0.003  # keeps effects of few events near nothing
ROUNDS = 2  # first without the calendar, then on returns that it has scaled
WEEKDAYS = (0, 1, 3, 4)  # Monday, Tuesday, Thursday, Friday; Wednesday is the rest
BEFORE, AFTER = "before the news", "after the news"  # when the close of a day is taken
LAGS = {BEFORE: 1, AFTER: 0}
FIXING = BEFORE  # the ECB's, 14:15 in Frankfurt: payrolls come at 14:30, the FOMC in the evening
NAMES = ("Monday", "Tuesday", "Thursday", "Friday", *KINDS, "USD payrolls", "USD FOMC", "EUR ECB")
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
FIRST_DAY, LAST_DAY = (int(np.datetime64(day, "D").astype(np.int64)) for day in (FIRST, LAST))
_FITS: "dict[str, Shared]" = {}  # of this process, by the panel's digest


@dataclass(frozen=True)
class Effects:
    """Of the calendar on the log of a day's standard deviation, for one pair; a day of average news has zero."""

    weekday: Floats  # [7], Monday first, with what makes the average zero
    events: Mapping[str, float]  # of each event of the kind

    def passed(self, events: Events, lag: int) -> Floats:
        """The sum of the effects of all events up to each day from FIRST to LAST: differences are what returns get."""
        days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
        total = np.zeros(len(days))
        for kind, effect in self.events.items():
            total += effect * events.passed(kind, days, lag)
        return total


@dataclass(frozen=True)
class Shared:
    """What all pairs share: dynamics, and effects by NAMES with their covariance and the centre of the log scale."""

    dynamics: Dynamics
    effects: Floats
    covariance: NDArray[np.float64]
    centre: float

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Shared":
        """What `to_json` gave, to the last bit."""
        effects, covariance = (np.array(facts[name], np.float64) for name in ("effects", "covariance"))
        return cls(Dynamics(**facts["dynamics"]), effects, covariance, float(facts["centre"]))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "effects": self.effects.tolist(), "covariance": self.covariance.tolist()}

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
    weekday = (days[1:] + EPOCH_WEEKDAY) % 7
    hits = [np.diff(events.passed(kind, days, LAGS[FIXING])) for kind in KINDS]
    own = [hit * _of_currency(kind, usd, eur) for kind, hit in zip(KINDS, hits, strict=True)]
    return np.stack([*(weekday == day for day in WEEKDAYS), *hits, *own], axis=1).astype(np.float64)


def keep(fits: Mapping[str, Shared]) -> None:
    """Take fits that were made before, by the digest of their panel, so that they are not made again."""
    _FITS.update(fits)


def kept() -> frozenset[str]:
    """The digests of the panels whose fit is known in this process."""
    return frozenset(_FITS)


def find_shared(majors: Panel) -> Shared:
    """The fit of this panel, which is made at most once in a process."""
    if majors.digest not in _FITS:
        _FITS[majors.digest] = fit_shared(majors)
    return _FITS[majors.digest]


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
