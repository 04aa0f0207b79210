"""The standard deviation of a forecast: from its quantiles, and as the champion states it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.fields import ContractError
from lambda_fn.prices.plausibility import find_sd_fault
from lambda_fn.prices.volatility import annualise, quantile_sd
from lambda_fn.record.official_forecast import Entry, Official, return_sd
from tests.support import records

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)


def prices_of(z: "np.typing.ArrayLike", sd: float = 0.01, last: float = 1.1) -> list[float]:
    return [float(price) for price in last * np.exp(sd * np.asarray(z))]


@pytest.mark.parametrize(("freedom", "error"), [(5, 0.02), (6, 0.0105), (8, 0.005), (10, 0.003), (1e6, 0.0001)])
def test_the_error_for_a_t_is_the_documented_one(freedom: float, error: float) -> None:
    z = stats.t.ppf(LEVELS, freedom) * math.sqrt((freedom - 2) / freedom)
    assert quantile_sd(LEVELS, prices_of(z)) == pytest.approx(0.01, rel=error)


def test_a_logistic_distribution_is_met_exactly() -> None:
    """It is linear between the levels and beyond them; its median need not be the last close."""
    for levels in (LEVELS, (0.025, 0.5, 0.975), (0.1, 0.5, 0.9)):
        sd = quantile_sd(levels, prices_of(stats.logistic.ppf(levels) + 3))
        assert sd == pytest.approx(0.01 * math.pi / math.sqrt(3), rel=3e-4)


@given(st.lists(st.floats(0.5, 2.0), min_size=11, max_size=11).map(sorted), st.floats(0.001, 1e6))
def test_it_does_not_depend_on_the_unit_of_the_price(quantiles: list[float], unit: float) -> None:
    expected = quantile_sd(LEVELS, quantiles)
    assert quantile_sd(LEVELS, [unit * price for price in quantiles]) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_a_day_without_width_has_none() -> None:
    assert quantile_sd(LEVELS, [1.1] * 11) == 0.0


def test_a_year_has_260_business_days() -> None:
    assert annualise(0.005, 1) == pytest.approx(0.005 * math.sqrt(260))
    assert annualise(0.005, 5) == pytest.approx(0.005 * math.sqrt(52))


DAILY = [[1.1 * math.exp(-0.00196 * h), 1.1, 1.1 * math.exp(0.00196 * h)] for h in (1, 2, 3)]
Change = Callable[[list[float]], object]
FAULTS: dict[str, tuple[Change, str]] = {
    "zero": (lambda sd: sd.__setitem__(0, 0.0), "not positive"),
    "below zero": (lambda sd: sd.__setitem__(1, -0.002), "not positive"),
    "not a number": (lambda sd: sd.__setitem__(2, math.nan), "not positive"),
    "infinite": (lambda sd: sd.__setitem__(2, math.inf), "not positive"),
    "one that falls": (lambda sd: sd.__setitem__(1, 0.0009), "falls on day 2"),
    "too small for the interval": (lambda sd: sd.__setitem__(slice(0, 3), [4e-4, 8e-4, 1.2e-3]), "does not fit"),
    "too large for the interval": (lambda sd: sd.__setitem__(2, 0.0120), "does not fit"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_stated_sd_is_checked(name: str) -> None:
    sd = [0.001, 0.002, 0.003]
    assert find_sd_fault([sd], [DAILY], (0.025, 0.5, 0.975)) is None
    change, reason = FAULTS[name]
    change(sd)
    assert reason in str(find_sd_fault([[0.001, 0.002, 0.003], sd], [DAILY, DAILY], (0.025, 0.5, 0.975)))


@pytest.mark.parametrize("factor", [0.1115, 0.25, 0.9])
def test_every_distribution_that_exists_fits_its_interval(factor: float) -> None:
    """The least sd of an interval has 2.5 % at each end and the rest in the middle: sqrt(0.05) / 2 = 0.1118 of it."""
    width = math.log(DAILY[0][2] / DAILY[0][0])
    assert find_sd_fault([[factor * width]], [DAILY[:1]], (0.025, 0.5, 0.975)) is None


def test_a_record_may_state_the_sd() -> None:
    plain = records.official()
    stated = plain._replace(sd=[0.04, 0.05, 0.05, 0.05, 0.06])
    assert b'"sd"' not in plain.to_json()
    assert Official.parse(stated.to_json(), "EURUSD") == stated
    assert Entry.parse(Entry.of(stated).to_json(), "EURUSD", stated.as_of).sd == stated.sd
    assert return_sd(stated, 2) == 0.05
    assert return_sd(plain, 2) == quantile_sd(plain.levels, plain.quantiles[1])


@pytest.mark.parametrize("sd", [[0.05] * 4, [0.05, 0.04, 0.05, 0.05, 0.05], [0.5] * 5])
def test_a_record_with_an_invalid_sd_is_refused(sd: list[float]) -> None:
    with pytest.raises(ContractError, match=r"^forecast\.sd: "):
        Official.parse(records.official()._replace(sd=sd).to_json(), "EURUSD")
