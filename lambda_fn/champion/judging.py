"""What a champion is asked in its trial: its golden forecasts, the newest window, and batches of made-up prices."""

import math
import resource
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.inputs import days_since_1970, window_inputs
from lambda_fn.champion.model import Champion, Forecast, ForecastError
from lambda_fn.champion.plausible import live_fault
from lambda_fn.contract import DATE, TARGET_DATE, Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.table import Table

GOLDEN_TOLERANCE = 1e-6  # of the price: float32 cores on another processor differ by 3e-9
BATCH_TOLERANCE = 1e-6  # of the price, one by one against all at once
MAX_CPU_S = 1.0  # to load it and to make its first forecast
BATCHES = (1, 2, 100)
SCALES = (0.01, 1.0, 150.0)  # prices of any pair in its usual quotation
STARTS = (date(1999, 1, 4), date(2016, 2, 29), date(2040, 12, 24))  # of made-up windows: the past, a leap day, ahead


def judge(data: bytes, golden: Sequence[Golden], table: Table, cpu: Callable[[], float]) -> Golden:
    """Raises ContractError for the first fault; gives the forecast of the newest window. `cpu` is the processor time
    of this process in seconds."""
    began = cpu()
    champion = Champion.load(data)
    loaded = cpu()
    for number, known in enumerate(golden):
        _check_golden(champion, known, f"golden[{number}]")
    asked = cpu()
    inputs = window_inputs(champion, table)
    forecast = _forecast(champion, inputs, "live window")
    took = loaded - began + cpu() - asked
    if took > MAX_CPU_S:
        raise ContractError(
            f"champion: loading it and its first forecast took {took:.1f} s of processor time, at most {MAX_CPU_S:g} s "
            "is allowed; make it smaller"
        )
    close = inputs["close"][0]
    if fault := live_fault(forecast.quantiles[0], forecast.mean[0], champion.metadata.levels, close):
        raise ContractError(f"live window: {fault}")
    _check_tomorrow(champion, inputs)
    for scale in SCALES:
        for start in STARTS:
            _check_batches(champion, scale, start)
    return Golden(
        {name: values[0].tolist() for name, values in inputs.items()},
        forecast.quantiles[0].tolist(),
        forecast.mean[0].tolist(),
    )


def processor_time() -> float:
    """Seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _check_golden(champion: Champion, golden: Golden, where: str) -> None:
    """The published forecast of the published window, to 1e-6 of the price."""
    if "close" not in golden.inputs:
        raise ContractError(f"{where}.inputs: no close; publish the champion again")
    try:
        inputs = {name: _as_input(name, values) for name, values in golden.inputs.items()}
    except (OverflowError, ValueError) as error:
        raise ContractError(f"{where}.inputs: {error}; publish the champion again") from error
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


def _check_tomorrow(champion: Champion, inputs: dict[str, NDArray[Any]]) -> None:
    """The newest window as if its days were each of the next business weeks': no date may turn the forecast bad."""
    if not (champion.wants_date or champion.wants_target_date):
        return
    close, levels = inputs["close"][0], champion.metadata.levels
    for later in range(1, 31):
        moved = {name: values + later if name in (DATE, TARGET_DATE) else values for name, values in inputs.items()}
        forecast = _forecast(champion, moved, f"live window, {later} days later")
        if fault := live_fault(forecast.quantiles[0], forecast.mean[0], levels, close):
            raise ContractError(f"live window, {later} days later: {fault}")


def _check_batches(champion: Champion, scale: float, start: date) -> None:
    """Batches of made-up prices: the same when asked again, and one by one as all at once. No forecast at all for
    prices so far from the pair's is an answer, too: a caller that sends such is told."""
    where = f"made-up prices of about {scale:g} from {start}"
    inputs = _made_up(champion, max(BATCHES), scale, start)
    try:
        whole = champion.forecast(inputs)
    except ForecastError:
        return
    again = _forecast(champion, inputs, where)
    if not (np.array_equal(whole.quantiles, again.quantiles) and np.array_equal(whole.mean, again.mean)):
        raise ContractError(f"{where}: the same prices gave two forecasts; a champion must not draw random numbers")
    for batch in BATCHES[:-1]:
        part = _forecast(champion, {name: values[:batch] for name, values in inputs.items()}, where)
        apart = float(np.abs(part.quantiles / whole.quantiles[:batch] - 1).max())
        if not apart <= BATCH_TOLERANCE:
            raise ContractError(f"{where}: {batch} at once differ by {apart:.1e} from 100 at once; export it again")


def _made_up(champion: Champion, batch: int, scale: float, start: date) -> dict[str, NDArray[Any]]:
    """Random walks of half a percent a day, each column about `scale`."""
    meta, rng = champion.metadata, np.random.default_rng(20_000)
    inputs: dict[str, NDArray[Any]] = {}
    for name in champion.columns:
        steps = 0.005 * rng.standard_normal((batch, meta.window)).clip(-3, 3)
        inputs[name] = scale * np.exp(steps.cumsum(axis=1) / math.sqrt(max(meta.window / 250, 1)))
    days = [start + timedelta(days=i) for i in range(meta.window)]
    if champion.wants_date:
        inputs[DATE] = np.tile(days_since_1970(days), (batch, 1))
    if champion.wants_target_date:
        targets = next_business_days(days[-1], meta.horizon, meta.prices)
        inputs[TARGET_DATE] = np.tile(days_since_1970(targets), (batch, 1))
    return inputs


def _forecast(champion: Champion, inputs: dict[str, NDArray[Any]], where: str) -> Forecast:
    try:
        return champion.forecast(inputs)
    except ForecastError as error:
        raise ContractError(f"{where}: {error}") from error


def _as_input(name: str, values: list[float]) -> NDArray[Any]:
    return np.array([values], dtype=np.int64 if name in (DATE, TARGET_DATE) else np.float64)
