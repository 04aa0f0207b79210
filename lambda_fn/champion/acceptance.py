"""The checks that a champion passes before it is activated: is it what was published, and sane on today's prices."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.inputs import window_inputs
from lambda_fn.champion.model import Champion, Forecast, ForecastError
from lambda_fn.contract import DATE, TARGET_DATE, Golden, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import Table, read_table
from lambda_fn.store.objects import Missing, Store

GOLDEN_TOLERANCE = 1e-6  # of the price: float32 cores on another processor differ by 3e-9
MAX_MEDIAN_MOVE = 0.02  # of the price
WIDTH_95 = (0.001, 0.1)  # of the price, one business day ahead
MAX_RUN_S = 1.0


def check_champion(data: bytes, pointer: Pointer, pair: str, store: Store) -> Champion:
    """Loads the file; raises ContractError naming the first check that it does not pass, and Unavailable."""
    champion = Champion.load(data)
    _check_identity(champion, pointer, pair, len(data))
    for number, golden in enumerate(pointer.golden):
        _check_golden(champion, golden, f"golden[{number}]")
    metadata = champion.metadata
    try:
        table = read_table(store, pair, metadata.prices, metadata.window, champion.columns)
    except Missing as error:
        raise ContractError(f"{error}; put the {metadata.prices} prices there first") from error
    check_live(champion, table)
    return champion


def check_live(champion: Champion, table: Table, clock: Callable[[], float] = time.perf_counter) -> None:
    """Raises ContractError unless the forecast on the last window takes at most a second and is plausible."""
    inputs = window_inputs(champion, table)
    began = clock()
    forecast = _forecast(champion, inputs, "live window")
    took = clock() - began
    if took > MAX_RUN_S:
        raise ContractError(f"live window: the forecast took {took:.1f} s, at most 1 s is allowed")
    _check_plausible(forecast, champion.metadata.levels, float(inputs["close"][0, -1]))


def _check_identity(champion: Champion, pointer: Pointer, pair: str, size: int) -> None:
    metadata = champion.metadata
    if pointer.champion and pointer.champion.size != size:
        raise ContractError(f"pointer.champion.size: {pointer.champion.size}, the file has {size} bytes")
    for name, said, wanted in (
        ("pointer.pair", pointer.pair, pair),
        ("metadata.pair", metadata.pair, pair),
        ("pointer.trained_through", pointer.trained_through, metadata.trained_through),
    ):
        if said != wanted:
            raise ContractError(f"{name}: is {said}, it must be {wanted}; publish the champion again")


def _check_golden(champion: Champion, golden: Golden, where: str) -> None:
    """The published forecast of the published window, to 1e-6 of the price."""
    if "close" not in golden.inputs:
        raise ContractError(f"{where}.inputs: no close; publish the champion again")
    inputs = {name: _as_input(name, values) for name, values in golden.inputs.items()}
    forecast = _forecast(champion, inputs, where)
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


def _check_plausible(forecast: Forecast, levels: tuple[float, ...], last: float) -> None:
    quantiles = forecast.quantiles[0]
    low, median, high = (quantiles[:, levels.index(level)] for level in (0.025, 0.5, 0.975))
    width = float(high[0] - low[0]) / last
    if (np.diff(quantiles, axis=1) < 0).any():
        raise ContractError("live window: quantiles fall from one level to the next; export them ascending")
    for name, values in (("median", median), ("mean", forecast.mean[0])):
        move = float(np.abs(values / last - 1).max())
        if move > MAX_MEDIAN_MOVE:
            raise ContractError(f"live window: the {name} is {move:.1%} from the last close, at most 2 % is allowed")
    if not WIDTH_95[0] <= width <= WIDTH_95[1]:
        raise ContractError(f"live window: the 95 % interval of a day is {width:.2%} wide, 0.1 % to 10 % is allowed")


def _forecast(champion: Champion, inputs: dict[str, NDArray[Any]], where: str) -> Forecast:
    try:
        return champion.forecast(inputs)
    except ForecastError as error:
        raise ContractError(f"{where}: {error}") from error


def _as_input(name: str, values: list[float]) -> NDArray[Any]:
    return np.array([values], dtype=np.int64 if name in (DATE, TARGET_DATE) else np.float64)
