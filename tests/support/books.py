"""A store with prices and official forecasts of several euro pairs, and the correlations that ingest makes of them."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy import stats

from lambda_fn.api import App
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record import correlations
from lambda_fn.record.official_forecast import Official
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign, records
from tests.support.local_api import Clock, LocalApi

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
ROWS, HORIZON, FREEDOM = 400, 21, 7.0
RATES = {"USD": 1.1, "JPY": 170.0, "GBP": 0.86, "CHF": 0.95, "SEK": 11.3}
DAILY = {"USD": 0.005, "JPY": 0.006, "GBP": 0.004, "CHF": 0.003, "SEK": 0.0035}
LOADINGS = {"USD": 0.8, "JPY": 0.6, "GBP": 0.3, "CHF": 0.2, "SEK": -0.4}  # on a common factor


# The 18 of the backtest (`training.runs.book_backtest`); their rates do not matter.
EIGHTEEN = (
    *("USD", "JPY", "GBP", "CNY", "AUD", "CAD", "CHF", "HKD", "SGD"),
    *("SEK", "KRW", "NOK", "NZD", "INR", "MXN", "ZAR", "BRL", "PLN"),
)


def official(name: str, freedom: float = FREEDOM) -> Official:
    """An official forecast of the euro in this currency, with the shape of a t of variance one."""
    rate, daily = RATES.get(name, 1.5), DAILY.get(name, 0.004)
    sd = [daily * math.sqrt(day) for day in range(1, HORIZON + 1)]
    z = np.asarray(stats.t.ppf(LEVELS, freedom)) * math.sqrt((freedom - 2) / freedom)
    quantiles = (rate * np.exp(np.array(sd)[:, None] * z)).tolist()
    plain = records.official(pair=f"EUR{name}", horizon=HORIZON)
    return plain._replace(
        last_close=rate,
        closes={plain.as_of.isoformat(): rate},
        levels=LEVELS,
        quantiles=quantiles,
        mean=[rate] * HORIZON,
        benchmarks={"constant": quantiles},
        days=tuple(next_business_days(plain.as_of, HORIZON, "ecb")),
        sd=sd,
    )


def returns(names: Sequence[str] = tuple(RATES), seed: int = 3) -> Mapping[str, "np.typing.NDArray[np.float64]"]:
    """Log returns of each currency with one common factor."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(ROWS)
    found = {}
    for name in names:
        loading = LOADINGS.get(name, 0.5)
        own = math.sqrt(1 - loading**2) * rng.standard_normal(ROWS)
        found[name] = DAILY.get(name, 0.004) * (loading * common + own)
    return found


def fill(store: Store, names: tuple[str, ...] = tuple(RATES)) -> None:
    """Write price files and forecasts, and the correlations."""
    days = foreign.price_rows(ROWS)
    for name, steps in returns(names).items():
        close = RATES.get(name, 1.5) * np.exp(steps.cumsum() - steps.sum())
        store.create(keys.price_key(f"EUR{name}", "ecb"), serialise(days, {"close": close.tolist()}))
        store.create(keys.forecast_key(f"EUR{name}"), official(name).to_json())
    correlations.write(store, [f"EUR{name}" for name in names], NOW)


def book_api(folder: Path, names: tuple[str, ...] = tuple(RATES)) -> LocalApi:
    """The API on a filled store, with a clock at the time of its forecasts."""
    settings = Settings.from_env({"STORE_DIR": str(folder), "PAIRS": ",".join(f"EUR{name}" for name in names)})
    store, clock = open_store(settings), Clock()
    fill(store, names)
    return LocalApi(store, settings, clock, App(store, settings, clock), folder)
