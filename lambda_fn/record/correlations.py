"""Correlations of currencies against the euro, estimated from their prices: `serving/book.json`, for `record.book`.

Each return is divided by the standard deviation that an EWMA (RiskMetrics Technical Document, 1996, section 5.2) gives
for its day, and cut at CUT standard deviations, so that no single day dominates. The correlations are an EWMA of the
products, with DECAY. The degrees of freedom are those of the Student t that fits the shapes of all official forecasts.
"""

import logging
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import parse
from lambda_fn.record import student_t
from lambda_fn.record.book import EURO, MAX_FREEDOM, MIN_FREEDOM, Correlations
from lambda_fn.record.official_forecast import Official, return_sd
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store

DECAY, CUT = 0.985, 3.0
VARIANCE_DECAY, FIRST_DAYS = 0.94, 20  # of the EWMA that standardises, and the days of its first variance
ROWS = 1_500  # the oldest of so many days weighs 1e-10
LATE_DAYS = 10  # calendar days: a currency whose prices end earlier than the latest by more is left out
STEPS = 40  # of the search for the degrees of freedom
Floats = NDArray[np.float64]
_log = logging.getLogger(__name__)


def standardise(returns: Floats) -> Floats:
    """Divide log returns [days, currencies] by their EWMA standard deviations of the day before, and cut them."""
    variance = (returns[:FIRST_DAYS] ** 2).mean(axis=0)
    standardised = np.zeros_like(returns)
    for day, row in enumerate(returns):
        np.divide(row, np.sqrt(variance), out=standardised[day], where=variance > 0)
        variance = VARIANCE_DECAY * variance + (1 - VARIANCE_DECAY) * row**2
    return standardised.clip(-CUT, CUT)


def correlate(returns: Floats) -> Floats:
    """Return the correlations [currencies, currencies] after the last of the log returns [days, currencies]."""
    standardised = standardise(returns)
    weights = DECAY ** np.arange(len(returns) - 1, -1, -1.0)
    return normalise(np.asarray((standardised * weights[:, None]).T @ standardised))


def normalise(products: Floats) -> Floats:
    """Turn sums of products [..., currencies, currencies] into correlations; a constant currency has none."""
    scale = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, np.inf)
    result = products / scale[..., :, None] / scale[..., None, :]
    result = np.clip((result + np.swapaxes(result, -1, -2)) / 2, -1, 1)
    diagonal = np.arange(result.shape[-1])
    result[..., diagonal, diagonal] = 1.0
    return np.asarray(result)


def fit_freedom(forecasts: Sequence[Official]) -> float:
    """Return the degrees of freedom of the t of variance one that is nearest to the one-day forecasts, in squares."""
    shapes = []  # level above the median, and the distance from the median in standard deviations
    for forecast in forecasts:
        logs, sd = np.log(forecast.quantiles[0]), return_sd(forecast, 1)
        for level, distance in zip(forecast.levels, (logs - logs[forecast.levels.index(0.5)]) / sd, strict=True):
            if level != 0.5:
                shapes.append((round(max(level, 1 - level), 12), abs(float(distance))))

    def loss(log_freedom: float) -> float:
        freedom = round(math.exp(log_freedom), 9)
        return math.fsum((distance - student_t.quantile(level, freedom)) ** 2 for level, distance in shapes)

    low, high = math.log(MIN_FREEDOM), math.log(MAX_FREEDOM)
    for _ in range(STEPS):  # golden-section search: the loss has one minimum
        first, second = high - 0.618034 * (high - low), low + 0.618034 * (high - low)
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    return round(min(max(math.exp((low + high) / 2), MIN_FREEDOM), MAX_FREEDOM), 3)


def write(store: Store, pairs: Sequence[str], now: datetime) -> Correlations | None:
    """Write the record from the euro pairs among `pairs` that have a forecast; a valid, equal record stays.

    Returns the record, None if no euro pair has a forecast. Raises Unavailable.
    """
    record = _make(store, pairs, now)
    if record is None:
        return None

    def renew(stored: bytes | None) -> tuple[bytes | None, Correlations]:
        try:
            before = None if stored is None else Correlations.parse(stored)
        except ContractError as error:
            _log.warning("%s; it is written again", error)
            before = None
        if before is not None and before._replace(made_at=now) == record:
            return None, before
        return record.to_json(), record

    return store.update(keys.BOOK_KEY, renew)


def _make(store: Store, pairs: Sequence[str], now: datetime) -> Correlations | None:
    forecasts: list[Official] = []
    closes: dict[str, dict[date, float]] = {}
    for pair in sorted(pairs):
        if not pair.startswith(EURO):
            continue
        try:
            forecast = Official.parse(store.read(keys.forecast_key(pair)).data, pair)
            table = parse(store.read(keys.price_key(pair, forecast.source)).data, ["close"])
        except (Missing, ContractError) as error:  # without a forecast there may not be a champion yet
            level = logging.INFO if isinstance(error, Missing) else logging.WARNING
            _log.log(level, "%s is left out of the correlations: %s", pair, error)
            continue
        forecasts.append(forecast)
        days, close = table.dates[-ROWS:], table.columns["close"][-ROWS:].tolist()
        closes[pair[3:]] = {day: price for day, price in zip(days, close, strict=True) if price > 0}
    if not closes:
        return None
    latest = max(max(days, default=date.min) for days in closes.values())
    recent = {
        name: days
        for name, days in closes.items()
        if days and max(days) >= latest - timedelta(days=LATE_DAYS) and len(days) > FIRST_DAYS
    }
    common = sorted(set.intersection(*(set(days) for days in recent.values()))) if recent else []
    if len(common) <= FIRST_DAYS:
        return None
    logs = np.log([[days[day] for day in common] for days in recent.values()]).T
    return Correlations(
        common[-1], tuple(recent), correlate(np.diff(logs, axis=0)).tolist(), fit_freedom(forecasts), now
    )
