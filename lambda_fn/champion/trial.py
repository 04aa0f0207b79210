"""The checks of a trial, which run inside the sandbox: golden forecasts, the newest window, and made-up prices.

The made-up prices follow from a seed that a publisher cannot know, and are rounded as the source rounds, so that a
champion cannot tell them from prices to come.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.base import ForecastError
from lambda_fn.champion.model_inputs import window_inputs
from lambda_fn.champion.runtime import Champion, Forecast
from lambda_fn.contract import DATE, TARGET_DATE, Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import days_since_1970, next_business_days
from lambda_fn.prices.price_file import Table

GOLDEN_TOLERANCE = 1e-6  # of the price: float32 cores on another processor differ by 3e-9
BATCH_TOLERANCE = 1e-6  # of the price, one by one against all at once
MAX_CPU_S = 1.0  # to load it and to make its first forecast
BATCHES = (1, 2, 100)
SCALES = (0.01, 1.0, 150.0)  # prices of any pair in its usual quotation
STARTS = (date(1999, 1, 4), date(2016, 2, 29), date(2040, 12, 24))  # of made-up windows: the past, a leap day, ahead
DAYS_AHEAD = 60  # business days, a quarter, on which the newest window's forecast must be plausible, too
SHIFTED, SHIFT = 20, 0.05  # copies of the newest window, and how far from its level: about what a quarter brings
MAX_DECIMALS = 6  # of a source that rounds
Inputs = Mapping[str, NDArray[Any]]


def judge(
    data: bytes,
    golden: Sequence[Golden],
    table: Table,
    cpu: Callable[[], float],
    at_first_forecast: Callable[[], object] = lambda: None,
    seed: int = 0,
) -> Golden:
    """Return the forecast of the newest window, `table`; raise ContractError for the first fault.

    `cpu` gives the processor time of this process in seconds, `at_first_forecast` is called after the first forecast,
    and the made-up prices follow from `seed`.
    """
    rng = np.random.default_rng(seed)
    began = cpu()
    champion = Champion.load(data)
    loaded = cpu()
    for number, known in enumerate(golden):
        _check_golden(champion, known, f"golden[{number}]")
    asked = cpu()
    inputs = window_inputs(champion, table)
    forecast = _plausible(champion, inputs, "live window")
    took = loaded - began + cpu() - asked
    if took > MAX_CPU_S:
        raise ContractError(
            f"champion: loading it and its first forecast took {took:.1f} s of processor time, at most {MAX_CPU_S:g} s "
            "is allowed; make it smaller"
        )
    at_first_forecast()
    _check_days_ahead(champion, inputs, table.dates[-champion.metadata.window :])
    decimals = _decimals(inputs["close"])
    _check_shifted(champion, inputs, decimals, rng)
    own = float(inputs["close"][0, -1])
    for start in STARTS:
        for scale in (own, *SCALES):
            made_up = _made_up(champion, scale, start, decimals if scale == own else None, rng)
            where = f"made-up prices of about {scale:g} from {start}"
            if scale == own:  # of another scale than its pair's it may give no forecast, but not two
                _plausible(champion, made_up, where)
            _check_batches(champion, made_up, where)
    return Golden(
        {name: values[0].tolist() for name, values in inputs.items()},
        forecast.quantiles[0].tolist(),
        forecast.mean[0].tolist(),
    )


def load(data: bytes) -> None:
    """Loads it and lets it forecast once; raises ContractError when it cannot."""
    Champion.load(data)


def _check_golden(champion: Champion, golden: Golden, where: str) -> None:
    """The published forecast of the published window, to 1e-6 of the price."""
    if "close" not in golden.inputs:
        raise ContractError(f"{where}.inputs: no close; publish the champion again")
    try:
        inputs = {name: _as_input(name, values) for name, values in golden.inputs.items()}
    except (OverflowError, ValueError) as error:
        raise ContractError(f"{where}.inputs: {error}; publish the champion again") from error
    forecast = _forecast(champion.forecast, inputs, where)
    last = golden.inputs["close"][-1]
    for name, found, wanted in (
        ("quantiles", forecast.quantiles[0], np.array(golden.quantiles)),
        ("mean", forecast.mean[0], np.array(golden.mean)),
    ):
        if found.shape != wanted.shape:
            raise ContractError(f"{where}.{name}: {list(wanted.shape)}, the champion gives {list(found.shape)}")
        apart = float(np.abs(found - wanted).max() / last)
        if not apart <= GOLDEN_TOLERANCE:
            raise ContractError(
                f"{where}.{name}: the champion differs by {apart:.1e} of the price, at most {GOLDEN_TOLERANCE:.0e} "
                "is allowed; publish it again from where it was trained"
            )


def _check_days_ahead(champion: Champion, inputs: Inputs, dates: Sequence[date]) -> None:
    """The newest prices as if they were of each business day to come: no date may turn the forecast bad."""
    if not (champion.wants_date or champion.wants_target_date):
        return
    meta = champion.metadata
    days = [*dates, *next_business_days(dates[-1], DAYS_AHEAD + meta.horizon, meta.prices)]
    for later in range(1, DAYS_AHEAD + 1):
        moved = dict(inputs)
        if champion.wants_date:
            moved[DATE] = np.array([days_since_1970(days[later : later + meta.window])])
        if champion.wants_target_date:
            moved[TARGET_DATE] = np.array([days_since_1970(days[later + meta.window :][: meta.horizon])])
        _plausible(champion, moved, f"live window, {later} business days later")


def _check_batches(champion: Champion, inputs: Inputs, where: str) -> None:
    """Check that a repeated forecast is the same, and that a few windows alone give the same as in the whole batch.

    The champion may give no forecast for prices so far from the pair's: a caller that sends such gets the error.
    """
    try:
        whole = champion.forecast(inputs)
    except ForecastError:
        return
    _check_repeats(champion, inputs, whole, where)
    for batch in BATCHES[:-1]:
        few = {name: values[-batch:] for name, values in inputs.items()}
        part = _forecast(champion.forecast, few, where)
        _check_repeats(champion, few, part, where)
        apart = max(
            float(np.abs(some / all_of_them[-batch:] - 1).max()) for some, all_of_them in zip(part, whole, strict=True)
        )
        if not apart <= BATCH_TOLERANCE:
            raise ContractError(
                f"{where}: {batch} at once differ by {apart:.1e} from {max(BATCHES)} at once; export it again"
            )


def _check_repeats(champion: Champion, inputs: Inputs, forecast: Forecast, where: str) -> None:
    again = _forecast(champion.run, inputs, where)
    if not all(np.array_equal(*prices) for prices in zip(forecast, again, strict=True)):
        raise ContractError(f"{where}: the same prices gave two forecasts; a champion must not draw random numbers")


def _check_shifted(champion: Champion, inputs: Inputs, decimals: int | None, rng: np.random.Generator) -> None:
    """Forecast copies of the newest window at other levels: no price may turn the forecast bad."""
    for factor in np.exp(SHIFT * rng.uniform(-1, 1, SHIFTED)):
        moved = {name: _rounded(factor * inputs[name], decimals) for name in champion.columns}
        _plausible(champion, {**inputs, **moved}, f"live window, times {factor:.6g}")


def _decimals(prices: NDArray[np.float64]) -> int | None:
    """The number of decimals to which the source rounds; None when the prices have more than MAX_DECIMALS."""
    return next((n for n in range(MAX_DECIMALS + 1) if np.array_equal(np.round(prices, n), prices)), None)


def _rounded(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return prices if decimals is None else np.round(prices, decimals)


def _made_up(champion: Champion, scale: float, start: date, decimals: int | None, rng: np.random.Generator) -> Inputs:
    """Random walks on business days, of half a percent a day or, where the window is long, less."""
    meta, batch = champion.metadata, max(BATCHES)
    inputs: dict[str, NDArray[Any]] = {}
    for name in champion.columns:
        steps = 0.005 * rng.standard_normal((batch, meta.window)).clip(-3, 3)
        walk = scale * np.exp(steps.cumsum(axis=1) / math.sqrt(max(meta.window / 250, 1)))
        inputs[name] = _rounded(walk, decimals)
    if champion.wants_date or champion.wants_target_date:
        days = days_since_1970(next_business_days(start - timedelta(days=1), meta.window + meta.horizon, meta.prices))
        if champion.wants_date:
            inputs[DATE] = np.tile(np.array(days[: meta.window]), (batch, 1))
        if champion.wants_target_date:
            inputs[TARGET_DATE] = np.tile(np.array(days[meta.window :]), (batch, 1))
    return inputs


def _plausible(champion: Champion, inputs: Inputs, where: str) -> Forecast:
    return _forecast(champion.plausible_forecast, inputs, where)


def _forecast(make: Callable[[Inputs], Forecast], inputs: Inputs, where: str) -> Forecast:
    try:
        return make(inputs)
    except ForecastError as error:
        raise ContractError(f"{where}: {error}") from error


def _as_input(name: str, values: list[float]) -> NDArray[Any]:
    return np.array([values], dtype=np.int64 if name in (DATE, TARGET_DATE) else np.float64)
