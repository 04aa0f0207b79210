"""Where a forecast is good: parts that add up, levels that are counted, and PIT of what is known to be right."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from training.evaluation import metrics
from training.evaluation.scores import breakdown, pit, reliability
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import HORIZON, LEVELS, targets
from training.runs.benchmark_protocol import select_span

SD = 0.005


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    index = pd.bdate_range("2015-01-01", "2019-12-31", name="date")
    returns = np.random.default_rng(0).normal(0, SD, len(index))
    return pd.DataFrame({"close": 1.1 * np.exp(returns.cumsum())}, index=index)


@pytest.fixture(scope="module")
def forecasts(prices: pd.DataFrame) -> dict[str, Forecasts]:
    """The truth, one that is twice as wide, and a benchmark whose width moves a little."""
    origins = pd.DatetimeIndex(prices.index[600:-1])
    wobble = 1 + 0.1 * np.sin(np.arange(len(origins)) / 20)

    def of(factor: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Forecasts:
        sd = SD * factor[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
        return Forecasts(origins, sd[:, :, None] * stats.norm.ppf(LEVELS), np.zeros((len(origins), HORIZON)))

    one = np.ones(len(origins))
    return {"truth": of(one), "wide": of(2 * one), "garch": of(wobble)}


def split(forecasts: dict[str, Forecasts]) -> tuple[dict[str, Forecasts], dict[str, Forecasts]]:
    return {name: forecasts[name] for name in ("truth", "wide")}, {"garch": forecasts["garch"]}


def test_reliability_counts_what_is_below_each_quantile(prices: pd.DataFrame, forecasts: dict[str, Forecasts]) -> None:
    table = reliability(*split(forecasts), prices).set_index(["family", "horizon", "level"])["share"]
    actual = targets(prices, forecasts["truth"].origins)[:, 0]
    for level in LEVELS:
        counted = np.mean([a < SD * stats.norm.ppf(level) for a in actual])
        assert table["truth", 1, level] == pytest.approx(counted)
    assert abs(table["truth", 1, 0.05] - 0.05) < 0.03 and table["wide", 1, 0.05] < 0.01


def test_pit_of_the_truth_is_uniform_and_of_a_wide_forecast_is_not(
    prices: pd.DataFrame, forecasts: dict[str, Forecasts]
) -> None:
    actual = targets(prices, forecasts["truth"].origins)[:, 0]
    truth, wide = (pit(actual, forecasts[name].quantiles[:, 0]) for name in ("truth", "wide"))
    assert stats.kstest(truth, "uniform").pvalue > 0.01
    assert stats.kstest(wide, "uniform").pvalue < 1e-6
    at_levels = pit(forecasts["truth"].quantiles[0, 0], np.tile(forecasts["truth"].quantiles[0, 0], (len(LEVELS), 1)))
    np.testing.assert_allclose(at_levels, LEVELS)
    assert (pit(np.array([-1.0, 1.0]), forecasts["truth"].quantiles[:2, 0]) == [0.005, 0.995]).all()


def test_parts_add_up_to_the_whole(prices: pd.DataFrame, forecasts: dict[str, Forecasts]) -> None:
    days = np.arange(len(prices) - 1)
    news = {"CPI": days % 10 == 0, "ECB": days % 15 == 0}
    table = breakdown(*split(forecasts), prices, news)
    n = len(forecasts["truth"].origins)
    for _, part in table[table["by"] != "event"].groupby(["family", "by"]):
        assert part["n"].sum() == n
    assert set(table["by"]) == {"year", "regime", "news", "event"}
    assert list(table.loc[(table["family"] == "truth") & (table["by"] == "regime"), "part"]) == [
        "calm",
        "usual",
        "wild",
    ]
    assert (table.loc[table["family"] == "garch", "skill_garch"] == 0).all()
    assert (table.loc[table["family"] == "wide", "skill_garch"] < -0.1).all()
    own = table[(table["family"] == "truth") & (table["by"] == "news")].set_index("part")
    actual = targets(prices, forecasts["truth"].origins)[:, :1]
    inside = metrics.coverage(actual, forecasts["truth"].quantiles[:, :1], 0.8)[0]
    weighted = (own["coverage_80"] * own["n"]).sum() / n
    assert weighted == pytest.approx(inside)
    assert own.loc["scheduled", "n"] == (news["CPI"] | news["ECB"])[600:].sum()
    by_event = table[(table["family"] == "truth") & (table["by"] == "event")].set_index("part")
    for kind, mask in news.items():
        row, hits = by_event.loc[kind], mask[600:]
        kept = metrics.coverage(actual[hits], forecasts["truth"].quantiles[hits, :1], 0.8)[0]
        low, high = proportion_confint(round(kept * hits.sum()), hits.sum(), method="wilson")
        assert (row["n"], row["coverage_80"]) == (hits.sum(), pytest.approx(kept))
        assert (row["coverage_80_low"], row["coverage_80_high"]) == pytest.approx((low, high), abs=1e-6)


def test_a_span_is_of_the_days_forecast_and_spans_share_none(
    prices: pd.DataFrame, forecasts: dict[str, Forecasts]
) -> None:
    whole = forecasts["truth"]
    first, second = select_span(whole, prices, (2004, 2017)), select_span(whole, prices, (2018, 2026))
    assert len(first.origins) + len(second.origins) == len(whole.origins)
    assert str(second.origins[0].date()) == "2017-12-29", "its next day is the first of 2018"
    assert first.origins[-1] < second.origins[0]
