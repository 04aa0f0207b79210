"""The checks of a trial, which run inside the sandbox: golden forecasts, the latest window, and synthetic prices.

The synthetic prices follow from a seed that a publisher cannot know, and are rounded as the source rounds, so that a
champion cannot distinguish them from future prices.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.base import ForecastError
from lambda_fn.champion.model_inputs import Window, champion_inputs, input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion, Forecast, Inputs
from lambda_fn.contract import Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import business_days_after, days_since_1970
from lambda_fn.prices.price_file import Table

GOLDEN_TOLERANCE = 1e-6  # relative to the price; float32 cores on another processor differ by 3e-9
BATCH_TOLERANCE = 1e-6  # relative to the price, between batches of different sizes
MAX_CPU_S = 1.0  # of processor time, to load a champion and to make its first forecast
BATCHES = (1, 2, 100)
SCALES = (0.01, 1.0, 150.0)  # prices of any pair in its usual quotation
STARTS = (
    date(1999, 1, 4),
    date(2016, 2, 29),
    date(2040, 12, 24),
)  # of synthetic windows: the past, a leap day, the future
DAYS_AHEAD = 60  # business days, a quarter, on which the forecast of the latest window must be plausible too
SHIFTED, SHIFT = 20, 0.05  # copies of the latest window, and their largest log shift, about the move of a quarter
MAX_DECIMALS = 6  # of a source that rounds


def run_trial(
    data: bytes,
    golden: Sequence[Golden],
    table: Table,
    cpu: Callable[[], float],
    at_first_forecast: Callable[[], object] = lambda: None,
    seed: int = 0,
) -> Golden:
    """Run all checks of a champion, and return its forecast of the latest window, with its inputs.

    Args:
        data: the bytes of the champion's file.
        golden: published forecasts that the champion has to reproduce.
        table: prices that end with the latest window.
        cpu: returns the processor time of this process in seconds.
        at_first_forecast: called after the first forecast.
        seed: of the synthetic prices.

    Raises ContractError for the first check that fails.
    """
    rng = np.random.default_rng(seed)
    load_start = cpu()
    champion = Champion.load(data)
    load_end = cpu()
    for number, published in enumerate(golden):
        _check_golden(champion, published, f"golden[{number}]")
    forecast_start = cpu()
    inputs = input_arrays(table_inputs(champion, table))
    forecast = _forecast_plausible(champion, inputs, "live window")
    cpu_s = load_end - load_start + cpu() - forecast_start
    if cpu_s > MAX_CPU_S:
        raise ContractError(
            f"champion: loading it and its first forecast took {cpu_s:.1f} s of processor time, at most "
            f"{MAX_CPU_S:g} s is allowed; export a smaller model"
        )
    at_first_forecast()
    _check_days_ahead(champion, inputs, table.dates[-champion.metadata.window :])
    close = inputs["close"]
    # the decimals to which the source rounds, None if there are more than MAX_DECIMALS
    decimals = next((n for n in range(MAX_DECIMALS + 1) if np.array_equal(np.round(close, n), close)), None)
    _check_shifted(champion, inputs, decimals, rng)
    last_close = float(close[0, -1])
    for start in STARTS:
        for scale in (last_close, *SCALES):
            prices = _synthetic_inputs(champion, scale, start, decimals if scale == last_close else None, rng)
            where = f"synthetic prices of about {scale:g} from {start}"
            if scale == last_close:  # at another scale it may refuse to forecast, but must not give two forecasts
                _forecast_plausible(champion, prices, where)
            _check_batches(champion, prices, where)
    return Golden(
        {name: values[0].tolist() for name, values in inputs.items()},
        forecast.quantiles[0].tolist(),
        forecast.mean[0].tolist(),
    )


def _check_golden(champion: Champion, golden: Golden, where: str) -> None:
    """Check that the champion reproduces a published forecast to GOLDEN_TOLERANCE. Raises ContractError."""
    if "close" not in golden.inputs:
        raise ContractError(f"{where}.inputs: close is missing; publish the champion again")
    try:
        inputs = input_arrays({name: [values] for name, values in golden.inputs.items()})
    except (OverflowError, ValueError) as error:
        raise ContractError(f"{where}.inputs: {error}; publish the champion again") from error
    forecast = _forecast(champion.forecast, inputs, where)
    last = golden.inputs["close"][-1]
    for name, actual, expected in (
        ("quantiles", forecast.quantiles[0], np.array(golden.quantiles)),
        ("mean", forecast.mean[0], np.array(golden.mean)),
    ):
        if actual.shape != expected.shape:
            raise ContractError(
                f"{where}.{name}: has shape {list(expected.shape)}, but the champion's is {list(actual.shape)}; "
                "publish the champion again"
            )
        difference = float(np.abs(actual - expected).max() / last)
        if not difference <= GOLDEN_TOLERANCE:
            raise ContractError(
                f"{where}.{name}: the champion differs by {difference:.1e} of the price, at most "
                f"{GOLDEN_TOLERANCE:.0e} is allowed; publish it again from where it was trained"
            )


def _check_days_ahead(champion: Champion, inputs: Inputs, dates: Sequence[date]) -> None:
    """Forecast from the latest prices as if they ended on each of the next business days: no date may break it.

    Args:
        champion: the champion to check.
        inputs: of the latest window.
        dates: of the latest window.

    Raises ContractError.
    """
    if champion.inputs == champion.columns:  # no dates
        return
    meta, days = champion.metadata, days_since_1970(dates)
    days += business_days_after(days[-1], DAYS_AHEAD, meta.prices)
    columns = {name: inputs[name][0] for name in champion.columns}
    for later in range(1, DAYS_AHEAD + 1):
        shifted = champion_inputs(champion, [Window(columns, days[later : later + meta.window])])
        _forecast_plausible(champion, input_arrays(shifted), f"live window, {later} business days later")


def _check_batches(champion: Champion, inputs: Inputs, where: str) -> None:
    """Check that forecasts repeat exactly, and do not depend on the size of the batch. Raises ContractError.

    The champion may refuse to forecast prices so far from those of its pair; a caller who sends such prices gets the
    error.
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
        difference = max(
            float(np.abs(numbers / whole.outputs()[name][-batch:] - 1).max())
            for name, numbers in part.outputs().items()
        )
        if not difference <= BATCH_TOLERANCE:
            raise ContractError(
                f"{where}: {batch} at once differ by {difference:.1e} from {max(BATCHES)} at once; export it again"
            )


def _check_repeats(champion: Champion, inputs: Inputs, forecast: Forecast, where: str) -> None:
    """Check that a second run gives the same forecast.

    Args:
        champion: the champion to check.
        inputs: of the forecast.
        forecast: of the first run.
        where: the name of the inputs in errors.

    Raises ContractError.
    """
    again = _forecast(champion.run, inputs, where)
    outputs = again.outputs()
    if not all(np.array_equal(numbers, outputs[name]) for name, numbers in forecast.outputs().items()):
        raise ContractError(f"{where}: the same prices gave two forecasts; export a model without random numbers")


def _check_shifted(champion: Champion, inputs: Inputs, decimals: int | None, rng: np.random.Generator) -> None:
    """Forecast from scaled copies of the latest window: no price level may break it. Raises ContractError.

    Args:
        champion: the champion to check.
        inputs: of the latest window.
        decimals: to which the prices are rounded, if any.
        rng: draws the scales.
    """
    for factor in np.exp(SHIFT * rng.uniform(-1, 1, SHIFTED)):
        shifted = {name: _round(factor * inputs[name], decimals) for name in champion.columns}
        _forecast_plausible(champion, {**inputs, **shifted}, f"live window, times {factor:.6g}")


def _round(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return prices if decimals is None else np.round(prices, decimals)


def _synthetic_inputs(
    champion: Champion, scale: float, start: date, decimals: int | None, rng: np.random.Generator
) -> Inputs:
    """Return a batch of random walks on business days, of half a percent a day or, for long windows, less.

    Args:
        champion: the champion that gets them.
        scale: the price at which the walks start.
        start: the first date.
        decimals: to which the prices are rounded, if any.
        rng: draws the steps.
    """
    meta, batch = champion.metadata, max(BATCHES)
    walks = {}
    for name in champion.columns:
        steps = 0.005 * rng.standard_normal((batch, meta.window)).clip(-3, 3)
        walk = scale * np.exp(steps.cumsum(axis=1) / math.sqrt(max(meta.window / 250, 1)))
        walks[name] = _round(walk, decimals)
    days = np.array(business_days_after(days_since_1970([start])[0] - 1, meta.window, meta.prices))
    windows = [Window({name: walk[row] for name, walk in walks.items()}, days) for row in range(batch)]
    return input_arrays(champion_inputs(champion, windows))


def _forecast_plausible(champion: Champion, inputs: Inputs, where: str) -> Forecast:
    """Return the forecast. Raises ContractError when it is implausible."""
    return _forecast(champion.plausible_forecast, inputs, where)


def _forecast(run: Callable[[Inputs], Forecast], inputs: Inputs, where: str) -> Forecast:
    """Call a method of the champion. Raises ContractError for its ForecastError."""
    try:
        return run(inputs)
    except ForecastError as error:
        raise ContractError(f"{where}: {error}") from error
