"""The calendar head and its parts: against plain loops, against made-up series whose truth is known, and its notes."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_fn.champion import onnx_validator as validator
from lambda_fn.champion.runtime import Champion
from lambda_fn.prices.business_days import business_days_after
from training.export.onnx_export import build, describe
from training.models.economic_calendar import (
    CPI,
    FOMC,
    KINDS,
    KINDS_WITH_CPI,
    PAYROLLS,
    load_events,
    read_known_through,
)
from training.models.families import FAMILIES
from training.models.family import Model, fit
from training.models.heads import calendar
from training.models.heads.base import HeadData, truncation
from training.models.heads.calendar import Calendar
from training.models.heads.pooled_fit import AFTER, BEFORE, LAGS, PooledFit, find_pooled_fit, fit_effects, fit_panel
from training.models.heads.registry import find_head
from training.models.heads.winsorised import (
    CLIPS,
    HALF_LIFE,
    Dynamics,
    filter_variance,
    fit_dynamics,
    log_likelihood,
    winsorise,
    winsorise_window,
)
from training.prices.ecb import panel
from training.prices.table import PriceTable
from training.prices.windows import HORIZON, LEVELS, WINDOW, complete_origins, day_numbers, windows

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
INPUTS = ("close", "date", "target_date")


@pytest.fixture(scope="module")
def model(ecb: PriceTable) -> Model:
    return fit(FAMILIES["calendar"], ecb.frame.loc[:"2025-12-31"])


@pytest.fixture(scope="module")
def head(model: Model) -> Calendar:
    assert isinstance(model.head, Calendar)
    return model.head


def simulated(dynamics: Dynamics, n: int, seed: int) -> Floats:
    """Returns whose variance follows the recursion with news as `winsorise` cuts it, day by day."""
    rng = np.random.default_rng(seed)
    draws = rng.standard_t(dynamics.nu, n) * np.sqrt((dynamics.nu - 2) / dynamics.nu)
    decay, level = 0.5 ** (1 / HALF_LIFE), 2.5e-5
    returns, v, sums, weight = np.zeros(n), level, 0.0, 0.0
    for i in range(n):
        returns[i] = np.sqrt(v) * draws[i]
        square = returns[i] ** 2
        before = sums / weight if weight else square
        x = np.mean([min(square, clip**2 * before) for clip in CLIPS])
        v = (1 - dynamics.alpha - dynamics.beta) * level + dynamics.alpha * x * 1.15 + dynamics.beta * v
        sums, weight = decay * sums + square, decay * weight + 1
    return returns


@given(st.integers(0, 1000), st.integers(2, 60))
@settings(max_examples=25, deadline=None)
def test_news_is_the_square_cut_by_the_ewma_of_the_days_before(seed: int, n: int) -> None:
    square = np.random.default_rng(seed).standard_t(3, n) ** 2
    decay, sums, weight, expected = 0.5 ** (1 / HALF_LIFE), 0.0, 0.0, []
    for value in square:
        before = sums / weight if weight else value
        expected.append(np.mean([min(value, clip**2 * before) for clip in CLIPS]))
        sums, weight = decay * sums + value, decay * weight + 1
    np.testing.assert_allclose(winsorise(square), expected, rtol=1e-12)
    np.testing.assert_allclose(winsorise_window(square[None])[0], expected, rtol=1e-9)


def test_the_dynamics_of_a_made_up_series_are_found() -> None:
    truth = Dynamics(0.05, 0.94, 7.0)
    returns = np.stack([simulated(truth, 4000, seed) for seed in range(8)])
    found = fit_dynamics(returns, winsorise(returns * returns))
    assert found.alpha == pytest.approx(truth.alpha, abs=0.015)
    assert found.alpha + found.beta == pytest.approx(truth.alpha + truth.beta, abs=0.01)
    assert found.nu == pytest.approx(truth.nu, abs=1.0)
    worse = Dynamics(0.15, 0.8, 7.0)
    news = winsorise(returns * returns)
    assert log_likelihood(returns, news, found) > log_likelihood(returns, news, worse)


def test_a_fit_that_does_not_answer_to_news_is_refused() -> None:
    with pytest.raises(ValueError, match=r"alpha 0\.0049, below 0\.005: .*; .* family calendar"):
        Dynamics(0.0049, 0.99, 6.0)
    Dynamics(0.005, 0.99, 6.0)


def test_the_effects_of_made_up_returns_are_found_within_their_errors() -> None:
    rng = np.random.default_rng(3)
    rows = (rng.uniform(size=(17 * 2000, 10)) < 0.08).astype(float)
    truth = np.array([0.0, 0.1, 0.0, -0.1, 0.3, 0.4, 0.0, 0.2, 0.0, 0.25])
    z = np.exp(rows @ truth) * rng.standard_t(7, len(rows)) * np.sqrt(5 / 7)
    found, covariance = fit_effects(rows, z.reshape(17, 2000), 7.0)
    errors = np.sqrt(np.diag(covariance))
    assert (errors < 0.05).all()
    assert (np.abs(found - truth) < 4 * errors + 0.02).all(), "0.02 for the ridge"


def test_the_window_gives_the_recursion_over_all_days(head: Calendar, ecb: PriceTable) -> None:
    """A plain loop over the whole history: scale, cut, filter; then the days ahead, each scaled."""
    prices = ecb.frame.loc[:"2025-12-31", ["close"]]
    events, effects = load_events(), head.effects
    days = day_numbers(pd.DatetimeIndex(prices.index))
    ahead = business_days_after(int(days[-1]), HORIZON, "ecb")

    def scale(before: int, day: int) -> float:
        total = effects.weekday[date.fromordinal(day + date(1970, 1, 1).toordinal()).weekday()]
        for kind in KINDS:
            hits = sum(before <= event < day for event in events.days[kind].tolist()[-500:])
            total += effects.events[kind] * hits
        return float(np.exp(total))

    returns = np.diff(np.log(prices["close"].to_numpy()))[-1500:]
    flat = np.array([r / scale(days[i], days[i + 1]) for i, r in enumerate(returns, len(days) - 1501)])
    own = head.recursion
    v, a, b = own.long_run_variance, own.dynamics.alpha, own.dynamics.beta
    for x in winsorise(flat * flat):
        v = (1 - a - b) * own.long_run_variance + a * own.long_run_variance / own.mean_news * x + b * v
    total, variances, last = 0.0, [], days[-1]
    for h, day in enumerate(ahead):
        total += (own.long_run_variance + (a + b) ** h * (v - own.long_run_variance)) * scale(last, day) ** 2
        variances.append(total)
        last = day
    window = windows(prices, INPUTS, complete_origins(prices)[-1:])
    np.testing.assert_allclose(head.sd(window)[0], np.sqrt(variances), rtol=1e-8)
    assert truncation(head, HeadData(prices), INPUTS, 50) < 1e-9


def test_a_day_with_a_decision_is_wider_and_only_that_day(model: Model, ecb: PriceTable) -> None:
    prices = ecb.frame.loc[:"2025-12-31", ["close"]]
    window = windows(prices, INPUTS, complete_origins(prices)[-1:])
    calm = {**window, "target_date": np.arange(HORIZON)[None] + day(2045, 5, 15)}  # a month with payrolls alone
    head = model.head
    steps = np.diff(head.sd({**window, "target_date": window["target_date"]})[0] ** 2)
    assert (steps > 0).all()
    assert isinstance(head, Calendar)
    fomc = load_events().days[FOMC]
    row = int(np.searchsorted(fomc, day(2026, 1, 1)))
    around = np.array([[fomc[row] - 1, fomc[row], fomc[row] + 1, fomc[row] + 2]])
    scales = head.scale(around)[0]
    weekday = np.exp(head.effects.weekday[(around[0, 1:] + 3) % 7])
    events = {kind: set(own.tolist()) for kind, own in load_events().days.items()}
    assert not events[PAYROLLS] & set(around[0].tolist()) and not events["ECB"] & set(around[0, :3].tolist())
    np.testing.assert_allclose(scales[1] / weekday[1], np.exp(head.effects.events[FOMC]), rtol=1e-12)
    np.testing.assert_allclose(scales[0] / weekday[0], 1.0, rtol=1e-12)
    assert np.isfinite(head.sd(calm)).all()


def day(year: int, month: int, number: int) -> int:
    return (date(year, month, number) - date(1970, 1, 1)).days


def test_beyond_the_known_dates_the_rules_alone_hold(head: Calendar) -> None:
    """Payrolls go on in 2040, decisions do not; beyond the table of days the weekday is all there is."""
    days = np.arange(day(2040, 1, 1), day(2045, 1, 1))
    scales = head.scale(days[None])[0] / np.exp(head.effects.weekday[(days[1:] + 3) % 7])
    hits = np.isin(days[:-1], load_events().days[PAYROLLS])
    np.testing.assert_allclose(scales[~hits], 1.0, rtol=1e-9)
    np.testing.assert_allclose(scales[hits], np.exp(head.effects.events[PAYROLLS]), rtol=1e-9)
    late = np.arange(day(2060, 1, 1), day(2061, 1, 1))
    weekday = np.exp(head.effects.weekday[(late[1:] + 3) % 7])
    np.testing.assert_allclose(head.scale(late[None])[0], weekday, rtol=1e-12)


@pytest.mark.parametrize(("name", "kinds"), [("calendar", KINDS), ("calendar_cpi", KINDS_WITH_CPI)])
def test_the_file_says_when_its_closes_are_taken_and_how_far_it_knows_the_calendar(
    prices: pd.DataFrame, name: str, kinds: tuple[str, ...]
) -> None:
    model = fit(FAMILIES[name], prices, "EURUSD")
    described = describe(
        model, pair="EURUSD", source="ecb", prices_sha256="0" * 64, trained_through=date(2025, 12, 31), code="test"
    )
    data = build(model, described)
    champion = Champion.load(data)
    assert champion.metadata == described
    assert champion.inputs == INPUTS and champion.columns == ("close",)
    assert validator.describe(data).props["close_taken"] == BEFORE
    assert read_known_through(data) == load_events(kinds).known_through()


def evening(prices: pd.DataFrame, shared: PooledFit, seed: int) -> pd.DataFrame:
    """Closes on weekdays of 2012 to 2021 that are taken after the news: the day itself is the wide one."""
    index = pd.bdate_range("2012-01-02", "2021-12-31", name="date")
    effects, _ = shared.effects_on("EURUSD")
    scale = calendar.log_scale(effects, day_numbers(index), load_events(), LAGS[AFTER])
    returns = simulated(shared.dynamics, len(index) - 1, seed) * np.exp(scale)
    return pd.DataFrame({"close": 1.2 * np.exp(np.concatenate([[0.0], returns.cumsum()]))}, index=index)


def test_the_likelihood_tells_when_a_file_takes_its_closes(prices: pd.DataFrame) -> None:
    shared = fit_panel(panel(prices.loc[:"2021-12-31"], "EURUSD", "csv"), KINDS)
    for seed in (0, 1):
        found = find_head("calendar").fit(HeadData(evening(prices, shared, seed), "EURUSD", "csv"))
        assert found.params["close_taken"] == AFTER and float(found.params["close_taken_lead"]) > 5
    fixing = find_head("calendar").fit(HeadData(prices.loc[:"2021-12-31"], "EURUSD", "csv"))
    assert fixing.params["close_taken"] == BEFORE and float(fixing.params["close_taken_lead"]) > 30


def shocked(prices: pd.DataFrame, size: float) -> pd.DataFrame:
    """Prices with one jump in 2015, after which they stay at the new level."""
    after = prices.index > pd.Timestamp("2015-01-15")
    return prices.assign(close=prices["close"].to_numpy() * np.where(after, np.exp(size), 1.0))


@pytest.mark.parametrize("name", ["calendar", "calendar_cpi", "winsorised"])
def test_one_extreme_day_does_not_widen_the_years_after_it(prices: pd.DataFrame, name: str) -> None:
    """A jump of 17 %, as of EUR/CHF on 15 January 2015: the mean of the squares would grow by more than a tenth."""

    def long_run_variance(size: float) -> float:
        history = HeadData(shocked(prices, size).loc[:"2022-12-31"], "EURUSD", "csv")
        return find_head(name).fit(history).recursion.long_run_variance  # type: ignore[attr-defined,no-any-return]

    returns = [np.diff(np.log(shocked(prices, size).loc[:"2022-12-31", "close"])) for size in (0.0, 0.17)]
    assert np.mean(returns[1] ** 2) > 1.1 * np.mean(returns[0] ** 2)
    assert long_run_variance(0.17) == pytest.approx(long_run_variance(0.0), rel=0.01)


def test_the_long_run_variance_is_the_mean_square_where_no_day_is_extreme(prices: pd.DataFrame) -> None:
    head = find_head("calendar").fit(HeadData(prices.loc[:"2022-12-31"], "EURUSD", "csv"))
    assert isinstance(head, Calendar)
    square = np.diff(np.log(prices.loc[:"2022-12-31", "close"])) ** 2
    assert head.recursion.long_run_variance == pytest.approx(square.mean(), rel=0.1)


def test_days_of_consumer_prices_are_wider_for_the_dollar(prices: pd.DataFrame) -> None:
    head = find_head("calendar_cpi").fit(HeadData(prices, "EURUSD", "csv"))
    assert float(head.params["effect_CPI"]) > 3 * float(head.params["effect_CPI_error"]) > 0
    pounds = find_pooled_fit(panel(prices, "EURUSD", "csv"), KINDS_WITH_CPI).effects_on("EURGBP")[0].events
    assert float(head.params["effect_CPI"]) > pounds[CPI]


def test_a_file_of_closes_brings_its_level_and_nothing_else(prices: pd.DataFrame) -> None:
    cut = prices.loc["2018-01-01":"2022-12-31"]
    found = find_head("calendar").fit(HeadData(cut, "EURUSD", "csv"))
    whole = find_head("calendar").fit(HeadData(prices.loc[:"2022-12-31"], "EURUSD", "csv"))
    assert isinstance(found, Calendar) and isinstance(whole, Calendar)
    assert found.recursion.dynamics == whole.recursion.dynamics
    assert found.effects.events == whole.effects.events
    assert found.recursion.long_run_variance != whole.recursion.long_run_variance


def test_the_panel_of_the_ecbs_table_is_the_embedded_one_for_every_pair(ecb: PriceTable, prices: pd.DataFrame) -> None:
    own = panel(ecb.frame, "EURUSD", "ecb")
    assert own == panel(prices, "EURUSD", "csv")
    assert len(own.pairs) == 17 and own.pairs[0].usd and own.pairs[0].eur
    assert sum(pair.usd for pair in own.pairs) == 9 and sum(pair.eur for pair in own.pairs) == 9
    with pytest.raises(ValueError, match=r"^majors: .* 0 fixings .* 1990-01-02, .*; .* random_walk$"):
        panel(pd.DataFrame({"close": [1.0]}, index=pd.DatetimeIndex(["1990-01-02"])), "EURUSD", "csv")


@pytest.mark.parametrize("name", ["winsorised", "calendar"])
def test_the_head_is_calibrated_on_what_it_was_not_fitted_on(name: str, ecb: PriceTable) -> None:
    fitted = find_head(name).fit(HeadData(ecb.frame.loc[:"2019-12-31"]))
    later = complete_origins(ecb.frame.loc[:"2025-11-30"])
    later = later[later >= pd.Timestamp(2019, 12, 31)]
    sd = fitted.sd(windows(ecb.frame, INPUTS, later))[:, 0]
    rows = ecb.frame.index.get_indexer(later)
    close = np.log(ecb.frame["close"].to_numpy())
    z = (close[rows + 1] - close[rows]) / sd
    low, high = fitted.z[LEVELS.index(0.1)], fitted.z[LEVELS.index(0.9)]
    assert 0.77 < ((low < z) & (z < high)).mean() < 0.84
    assert WINDOW == 513 and filter_variance(z, winsorise(z * z), Dynamics(0.05, 0.9, 6.0)).shape == z.shape
