"""The checks of a trial, in this process, on champions whose forecasts are sound but for one fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lambda_fn.champion import trial
from lambda_fn.champion.base import BaseChampion
from lambda_fn.champion.runtime import Champion, Forecast, Inputs
from lambda_fn.contract import DATE, TARGET_DATE, Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import days_since_1970, next_business_days
from lambda_fn.prices.price_file import Table
from tests.support import foreign

Array = NDArray[np.float64]
CLOSES = foreign.closes(foreign.WINDOW)
DATES = foreign.price_rows(foreign.WINDOW)
WIDTH = 0.005 * np.sqrt(np.arange(1, foreign.HORIZON + 1))[:, None] * (np.array(foreign.LEVELS) - 0.5)
SLIGHT = 2e-6  # of the price: twice the tolerance
ABSURD = 0.5  # of the price: no forecast at all
THIRTY_DAYS_LATER = days_since_1970(next_business_days(DATES[-1], 30, "ecb"))[-1]


class Scripted(Champion):
    """A random walk whose means are off by `error` [batch], a share of the price; `runs` are its inputs."""

    def __init__(self, error: Callable[[Inputs], Any], dated: bool = False) -> None:
        BaseChampion.__init__(self, foreign.metadata(), "0" * 64, ["close", *((DATE, TARGET_DATE) if dated else ())])
        self.runs: list[Inputs] = []
        self._error = error

    def run(self, inputs: Inputs) -> Forecast:
        self.runs.append(inputs)
        walk = np.repeat(inputs["close"][:, -1:], foreign.HORIZON, axis=1)
        error = np.broadcast_to(self._error(inputs), len(walk))
        return Forecast(walk[:, :, None] * (1 + WIDTH), walk * (1 + error)[:, None])


def sound(inputs: Inputs) -> float:
    return 0.0


def judge(
    champion: Scripted, monkeypatch: pytest.MonkeyPatch, close: Array = CLOSES, golden: tuple[Golden, ...] = ()
) -> Golden:
    monkeypatch.setattr(Champion, "load", lambda data: champion)
    return trial.run_trial(b"", golden, Table(DATES, {"close": close}), lambda: 0.0)


def off_in_batches_of(size: int) -> Callable[[Inputs], float]:
    return lambda inputs: SLIGHT * (len(inputs["close"]) == size)


def off_alone_between(low: float, high: float) -> Callable[[Inputs], float]:
    """Off where a single window has prices of this scale."""
    return lambda inputs: SLIGHT * (len(inputs["close"]) == 1 and low < inputs["close"].min() < high)


def off_at_other_levels(inputs: Inputs) -> float:
    """Off for the newest window's returns from another price."""
    ratio = inputs["close"] / CLOSES
    return ABSURD * bool(np.ptp(ratio) < 1e-9 and abs(ratio.mean() - 1) > 1e-9)


def off_in_thirty_days(inputs: Inputs) -> float:
    return ABSURD * bool(inputs[DATE][0, -1] == THIRTY_DAYS_LATER)


def off_from_half_to_twice(inputs: Inputs) -> Array:
    """Off for prices that no quarter brings."""
    last = inputs["close"][:, -1] / CLOSES[-1]
    return np.where((last < 0.5) | (last > 2), ABSURD, 0.0)


def random_error() -> Callable[[Inputs], float]:
    rng = np.random.default_rng(1)
    return lambda inputs: float(1e-9 * rng.standard_normal())


# The fault, and the scale of the prices.
FAULTS: dict[str, tuple[Scripted, float]] = {
    "alone": (Scripted(off_in_batches_of(1)), 1),
    "in pairs": (Scripted(off_in_batches_of(2)), 1),
    "in hundreds": (Scripted(off_in_batches_of(100)), 1),
    "at a hundredth": (Scripted(off_alone_between(0.001, 0.1)), 1),
    "near parity": (Scripted(off_alone_between(0.5, 2)), 40),
    "at 150": (Scripted(off_alone_between(75, 300)), 1),
    "at random": (Scripted(random_error()), 1),
    "at other levels": (Scripted(off_at_other_levels), 1),
    "in thirty days": (Scripted(off_in_thirty_days, dated=True), 1),
}


def test_the_newest_window_is_moved_to_twenty_levels() -> None:
    champion: Any = Scripted(sound)
    trial._check_shifted(champion, {"close": CLOSES[None]}, None, np.random.default_rng(1))
    levels = [inputs["close"][0, 0] / CLOSES[0] for inputs in champion.runs]
    assert len(levels) == 20
    assert 0 < max(abs(np.log(levels))) < 0.05


@pytest.mark.parametrize("fault", FAULTS)
def test_a_champion_with_a_fault_is_refused(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    champion, scale = FAULTS[fault]
    with pytest.raises(ContractError):
        judge(champion, monkeypatch, scale * CLOSES)


@pytest.mark.parametrize("dated", [False, True])
def test_a_sound_champion_gives_the_forecast_of_the_newest_window(dated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast = judge(Scripted(sound, dated), monkeypatch)
    assert forecast.inputs["close"] == CLOSES.tolist()
    assert forecast.mean == [CLOSES[-1]] * foreign.HORIZON


def test_no_forecast_is_needed_of_prices_that_no_quarter_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge(Scripted(off_from_half_to_twice), monkeypatch).mean == [CLOSES[-1]] * foreign.HORIZON


GOLDEN = Golden({"close": CLOSES.tolist()}, (CLOSES[-1] * (1 + WIDTH)).tolist(), [float(CLOSES[-1])] * foreign.HORIZON)


def higher(rows: list[float], share: float) -> list[float]:
    return [(1 + share) * price for price in rows]


# A golden forecast, and whether the champion's agrees with it.
GOLDENS: dict[str, tuple[Golden, bool]] = {
    "the same": (GOLDEN, True),
    "a mean within the tolerance": (replace(GOLDEN, mean=higher(GOLDEN.mean, SLIGHT / 4)), True),
    "another mean": (replace(GOLDEN, mean=higher(GOLDEN.mean, SLIGHT)), False),
    "other quantiles": (replace(GOLDEN, quantiles=[higher(row, SLIGHT) for row in GOLDEN.quantiles]), False),
    "a day less": (replace(GOLDEN, quantiles=GOLDEN.quantiles[1:], mean=GOLDEN.mean[1:]), False),
    "no close": (replace(GOLDEN, inputs={"low": CLOSES.tolist()}), False),
    "means of NaN": (replace(GOLDEN, mean=[float("nan")] * foreign.HORIZON), False),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_the_champion_must_agree_with_its_golden_forecast(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    golden, agrees = GOLDENS[name]
    if agrees:
        judge(Scripted(sound), monkeypatch, golden=(GOLDEN, golden))
    else:
        with pytest.raises(ContractError) as refused:
            judge(Scripted(sound), monkeypatch, golden=(GOLDEN, golden))
        assert str(refused.value).startswith("golden[1].")


@pytest.mark.parametrize(("decimals", "rounded"), [(4, True), (6, True), (7, False)])
def test_made_up_prices_are_rounded_as_the_source_rounds(
    decimals: int, rounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Scripted(sound)
    judge(champion, monkeypatch, np.round(CLOSES, decimals))
    made_up = next(inputs["close"] for inputs in champion.runs if len(inputs["close"]) == 100)
    assert np.array_equal(np.round(made_up, decimals), made_up) == rounded


def test_made_up_prices_are_of_the_past_of_a_leap_day_and_of_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    champion = Scripted(sound, dated=True)
    judge(champion, monkeypatch)
    first = {inputs[DATE][0, 0] for inputs in champion.runs if len(inputs["close"]) == 100}
    assert first == set(days_since_1970([date(1999, 1, 4), date(2016, 2, 29), date(2040, 12, 24)]))
