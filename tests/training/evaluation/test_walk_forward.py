"""Walk-forward evaluation with small champions built by onnx.helper alone: the splits, the laws, the score table."""

from datetime import date

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy import stats

from lambda_fn.contract import CONTRACT_VERSION, Metadata
from lambda_fn.prices.business_days import next_business_days
from training.evaluation import metrics
from training.evaluation.baselines import evaluate_baselines, log_returns
from training.evaluation.scores import SCORED, score, skill_by_year
from training.evaluation.walk_forward import (
    MINIMUM_TRAIN,
    Forecasts,
    Split,
    backtest,
    concatenate,
    forecast_year,
    walk_forward,
)
from training.prices.windows import HORIZON, LEVELS, WINDOW, targets

Array = NDArray[np.float64]

# No shrinking: an example takes a fifth of a second, and the first that fails says enough.
law = settings(deadline=None, max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
AT = np.array(SCORED) - 1
DAYS = np.sqrt(np.arange(1.0, HORIZON + 1))


def price_table(seed: int, rows: int = 1400, start: str = "2007-01-01") -> pd.DataFrame:
    """A random walk on weekdays: about three years before 2010 and two and a half after."""
    returns = np.random.default_rng(seed).normal(0, 0.005, rows)
    index = pd.bdate_range(start, periods=rows, name="date")
    close = 1.2 * np.exp(returns.cumsum())
    return pd.DataFrame({"close": close, "high": close * 1.004}, index=index)


def days(prices: pd.DataFrame, origins: pd.DatetimeIndex, ahead: int) -> pd.DatetimeIndex:
    """The dates of the rows so many after the origins."""
    return pd.DatetimeIndex(prices.index)[prices.index.get_indexer(origins) + ahead]


def champion_file(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Array],
    inputs: tuple[str, ...],
    levels: tuple[float, ...] = LEVELS,
) -> bytes:
    metadata = Metadata(
        contract_version=CONTRACT_VERSION,
        pair="EURUSD",
        family="toy",
        prices="ecb",
        window=WINDOW,
        horizon=HORIZON,
        levels=levels,
        features=(),
        trained_through=date(2009, 12, 31),
        prices_sha256="0" * 64,
        code_version="test",
    )
    shapes = {"target_date": HORIZON}
    graph = helper.make_graph(
        nodes,
        "toy",
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.INT64 if name in ("date", "target_date") else TensorProto.DOUBLE,
                ["batch", shapes.get(name, WINDOW)],
            )
            for name in inputs
        ],
        [
            helper.make_tensor_value_info("quantiles", TensorProto.DOUBLE, ["batch", HORIZON, len(levels)]),
            helper.make_tensor_value_info("mean", TensorProto.DOUBLE, ["batch", HORIZON]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata.to_props())
    return bytes(model.SerializeToString())


def spread(train: pd.DataFrame, levels: tuple[float, ...] = LEVELS) -> Array:
    """Quantiles of the toy champion's log return, [horizon, levels]."""
    sd = np.sqrt((log_returns(train) ** 2).mean())
    return np.asarray(sd * DAYS[:, None] * stats.norm.ppf(levels))


def fit_walk(train: pd.DataFrame, levels: tuple[float, ...] = LEVELS) -> bytes:
    """A random walk: quantiles = last close * exp(spread)."""
    constants = {
        "last_column": np.array([WINDOW - 1]),
        "factors": np.exp(spread(train, levels))[None],
        "ones": np.ones((1, HORIZON)),
        "axis": np.array([2]),
    }
    nodes = [
        helper.make_node("Gather", ["close", "last_column"], ["last"], axis=1),  # [batch, 1]
        helper.make_node("Mul", ["last", "ones"], ["mean"]),
        helper.make_node("Unsqueeze", ["last", "axis"], ["price"]),
        helper.make_node("Mul", ["price", "factors"], ["quantiles"]),
    ]
    return champion_file(nodes, constants, ("close",), levels)


def fit_calendar(train: pd.DataFrame) -> bytes:
    """Mean = last high * (1 + days from the last date to the target's / 1000): every input that can be declared."""
    constants = {
        "last_column": np.array([WINDOW - 1]),
        "thousandth": np.array(0.001),
        "one": np.array(1.0),
        "axis": np.array([2]),
        "ones": np.ones((1, 1, len(LEVELS))),
        "nothing": np.array(0.0),
    }
    nodes = [
        helper.make_node("Gather", ["high", "last_column"], ["last"], axis=1),
        helper.make_node("Gather", ["date", "last_column"], ["today"], axis=1),
        helper.make_node("Sub", ["target_date", "today"], ["days"]),
        helper.make_node("Cast", ["days"], ["days_float"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["days_float", "thousandth"], ["drift"]),
        helper.make_node("Add", ["drift", "one"], ["factor"]),
        helper.make_node("Mul", ["last", "factor"], ["mean"]),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["price"]),
        helper.make_node("Mul", ["price", "ones"], ["quantiles_of_high"]),
        helper.make_node("Gather", ["close", "last_column"], ["last_close"], axis=1),
        helper.make_node("Unsqueeze", ["last_close", "axis"], ["close_price"]),
        helper.make_node("Mul", ["close_price", "nothing"], ["zero"]),
        helper.make_node("Add", ["quantiles_of_high", "zero"], ["quantiles"]),
    ]
    return champion_file(nodes, constants, ("close", "high", "date", "target_date"))


@given(st.integers(MINIMUM_TRAIN, 2500), st.integers(2008, 2016))
@law
def test_every_day_is_forecast_once_by_the_newest_refit_before_it(rows: int, first_year: int) -> None:
    prices = price_table(0, rows)
    try:
        splits = list(walk_forward(prices, first_year))
    except ValueError:
        before = (prices.index < pd.Timestamp(prices.index[-1].year, 1, 1)).sum()
        assert before < MINIMUM_TRAIN or first_year > prices.index[-1].year
        return
    tested = pd.DatetimeIndex(np.concatenate([split.test.to_numpy() for split in splits]))
    last = prices.index.get_loc(tested[-1])
    assert last == rows - 2, "the last row has no later close to compare with"
    assert tested.equals(prices.index[prices.index.get_loc(tested[0]) : rows - 1])
    for split in splits:
        assert split.train.equals(prices.loc[: split.cutoff])
        assert len(split.train) >= MINIMUM_TRAIN
        assert split.test[0] == split.cutoff
        following = prices.index[split.train.shape[0]]
        assert following.year >= first_year and split.cutoff < pd.Timestamp(following.year, 1, 1) <= following
        assert (days(prices, split.test, 1).year == following.year).all()


def test_the_default_splits_of_the_ecb_rates(prices: pd.DataFrame) -> None:
    splits = list(walk_forward(prices.loc[:"2026-10-30"]))
    assert [split.cutoff.year for split in splits] == list(range(2009, 2026))
    assert str(splits[0].cutoff.date()) == "2009-12-31"
    assert str(splits[-1].test[-1].date()) == "2026-10-29"
    assert sum(len(split.test) for split in splits) == 4310


@pytest.mark.parametrize("rows", [0, 1, MINIMUM_TRAIN])
def test_too_few_prices_are_refused_with_the_cure(rows: int) -> None:
    with pytest.raises(ValueError, match=f"^prices: {rows} rows .* {MINIMUM_TRAIN} rows .*: give "):
        next(walk_forward(price_table(0).iloc[:rows]))


def test_the_exported_bytes_forecast_only_the_following_year() -> None:
    prices = price_table(1)
    seen: list[pd.DataFrame] = []

    def fit(train: pd.DataFrame) -> bytes:
        seen.append(train)
        return fit_walk(train)

    progress: list[pd.Timestamp] = []
    found = backtest(fit, prices, 2010, progress.append)
    splits = list(walk_forward(prices, 2010))
    assert progress == [split.cutoff for split in splits]
    assert [train.index[-1] for train in seen] == [split.cutoff for split in splits]
    expected = np.concatenate([np.tile(spread(split.train), (len(split.test), 1, 1)) for split in splits])
    assert_allclose(found.quantiles, expected, atol=1e-14)
    assert_array_equal(found.mean, 0)


def test_a_champion_is_fed_every_input_that_it_declares() -> None:
    prices = price_table(2)
    split = next(walk_forward(prices, 2010))
    found = forecast_year(fit_calendar, prices, split)
    for i, origin in enumerate(split.test):
        days = [(day - origin.date()).days for day in next_business_days(origin.date(), HORIZON, "ecb")]
        assert_allclose(found.mean[i], np.log(1.004 * (1 + np.array(days) / 1000)), atol=1e-13)


def test_a_champion_of_other_levels_is_refused() -> None:
    prices = price_table(3)
    split = next(walk_forward(prices, 2010))
    with pytest.raises(ValueError, match=r"^toy .* 21 days .* \(0\.025, 0\.5, 0\.975\); .*: export "):
        forecast_year(lambda train: fit_walk(train, (0.025, 0.5, 0.975)), prices, split)


def test_units_do_not_depend_on_each_other() -> None:
    prices = price_table(4)
    splits = list(walk_forward(prices, 2010))
    backwards = concatenate([forecast_year(fit_walk, prices, split) for split in reversed(splits)])
    forwards = backtest(fit_walk, prices, 2010)
    assert backwards.origins.equals(forwards.origins)
    assert_array_equal(backwards.quantiles, forwards.quantiles)


AFTER_A_ROW = given(st.integers(0, 50), st.integers(783, 1398), st.floats(0.9, 1.1), st.booleans())


@AFTER_A_ROW
@settings(law, max_examples=2)
def test_no_look_ahead(seed: int, known: int, factor: float, removed: bool) -> None:
    check_no_look_ahead(seed, known, factor, removed)


@pytest.mark.long
@AFTER_A_ROW
@settings(law, max_examples=40)
def test_no_look_ahead_in_many_ways(seed: int, known: int, factor: float, removed: bool) -> None:
    check_no_look_ahead(seed, known, factor, removed)


def check_no_look_ahead(seed: int, known: int, factor: float, removed: bool) -> None:
    """Whatever happens to prices after a row, or whether they exist, forecasts up to that row are bit-identical."""
    prices = price_table(seed)
    changed = prices.copy()
    noise = factor ** np.random.default_rng(known).uniform(0, 1, len(prices) - known - 1)
    changed.iloc[known + 1 :] *= noise[:, None]
    if removed:
        changed = changed.iloc[: max(known + 2, 1200)]
    everyone = []
    for table in (prices, changed):
        splits = {split.cutoff: split.train for split in walk_forward(table, 2010)}
        everyone.append((splits, {"toy": backtest(fit_walk, table, 2010), **evaluate_baselines(table, 2010)}))
    (splits, before), (other_splits, after) = everyone
    cutoff = prices.index[known]
    for day in set(splits) & set(other_splits):
        assert day > cutoff or splits[day].equals(other_splits[day])
    for family, own in before.items():
        origins = own.origins[own.origins <= cutoff].intersection(after[family].origins)
        assert_array_equal(own.at(origins).quantiles, after[family].at(origins).quantiles)
        assert_array_equal(own.at(origins).mean, after[family].at(origins).mean)


def test_the_price_of_the_cutoff_itself_is_used() -> None:
    """The other side of no look-ahead: a test that compared nothing would pass that one."""
    prices = price_table(5)
    split = next(walk_forward(prices, 2010))
    changed = prices.copy()
    changed.loc[split.cutoff] *= 1.01
    found = forecast_year(fit_walk, changed, next(walk_forward(changed, 2010)))
    assert (found.quantiles[0] != forecast_year(fit_walk, prices, split).quantiles[0]).any()
    baselines, others = evaluate_baselines(prices, 2010), evaluate_baselines(changed, 2010)
    for name, own in baselines.items():
        assert (own.quantiles[0, :, 0] != others[name].quantiles[0, :, 0]).all(), name


def scored(scores: pd.DataFrame, family: str, column: str) -> Array:
    """One column of a family's rows, [horizon]."""
    return scores.loc[scores["family"] == family, column].to_numpy(np.float64)


COLUMNS = (
    "family horizon n pinball skill_constant skill_ewma skill_garch rmse theil_u mae direction direction_low "
    "direction_high coverage_80 coverage_95 width_80 width_95 dm_constant dm_ewma dm_garch dm_walk "
    "t_garch skill_garch_low skill_garch_high kupiec_1 christoffersen_1 kupiec_5 christoffersen_5"
).split()


@pytest.fixture(scope="module")
def evaluated() -> tuple[pd.DataFrame, dict[str, Forecasts], dict[str, Forecasts]]:
    prices = price_table(6)
    families = {"walk": backtest(fit_walk, prices, 2010), "calendar": backtest(fit_calendar, prices, 2010)}
    return prices, families, evaluate_baselines(prices, 2010)


Evaluated = tuple[pd.DataFrame, dict[str, Forecasts], dict[str, Forecasts]]


def test_the_score_table_has_a_row_for_every_family_and_horizon(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    scores = score(families, baselines, prices)
    assert list(scores.columns) == COLUMNS
    assert list(scores["family"].unique()) == ["walk", "calendar", "constant", "ewma", "garch"]
    n = len(families["walk"].origins)
    for _, rows in scores.groupby("family"):
        assert list(rows["horizon"]) == [1, 2, 3, 4, 5, 21]
        assert list(rows["n"]) == [n, n - 1, n - 2, n - 3, n - 4, n - 20]


def test_scores_are_the_metrics_of_the_same_days(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    scores = score(families, baselines, prices)
    actual = targets(prices, families["walk"].origins)
    calendar = families["calendar"]
    pinball = metrics.pinball(actual, calendar.quantiles)
    ewma = metrics.pinball(actual, baselines["ewma"].quantiles)
    assert_allclose(scored(scores, "calendar", "pinball"), pinball[AT])
    assert_allclose(scored(scores, "calendar", "skill_ewma"), (1 - pinball / ewma)[AT])
    assert_allclose(scored(scores, "calendar", "theil_u"), metrics.theil_u(actual, calendar.mean)[AT])
    assert (scored(scores, "calendar", "dm_walk") < 0.01).all()


def test_scores_against_itself_are_nothing(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    scores = score(families, baselines, prices)
    for name in baselines:
        assert (scored(scores, name, f"skill_{name}") == 0).all()
        for column in (f"dm_{name}", "dm_walk", "direction"):
            assert np.isnan(scored(scores, name, column)).all()
    assert_allclose(scored(scores, "walk", "pinball"), scored(scores, "constant", "pinball"), rtol=1e-12)
    for column in ("dm_constant", "dm_walk"):
        assert np.isnan(scored(scores, "walk", column)).all(), "the same up to rounding"


def test_the_same_prices_give_the_same_scores(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    others = {"walk": backtest(fit_walk, prices, 2010), "calendar": backtest(fit_calendar, prices, 2010)}
    again = score(others, evaluate_baselines(prices, 2010), prices)
    pd.testing.assert_frame_equal(again, score(families, baselines, prices), check_exact=True)


def test_a_familys_scores_do_not_depend_on_the_other_families(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    alone = score({"walk": families["walk"]}, baselines, prices)
    both = score(dict(reversed(families.items())), baselines, prices)
    both = both[both["family"] != "calendar"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, both, check_exact=True)


def test_only_days_that_all_have_forecast_are_scored(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    shorter = families["calendar"].at(families["calendar"].origins[100:])
    scores = score({**families, "calendar": shorter}, baselines, prices)
    expected = score(
        {name: own.at(shorter.origins) for name, own in families.items()},
        {name: own.at(shorter.origins) for name, own in baselines.items()},
        prices,
    )
    pd.testing.assert_frame_equal(scores, expected, check_exact=True)
    assert scores["n"].max() == len(shorter.origins)


def test_scores_that_would_mean_nothing_are_refused(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    few = families["walk"].at(families["walk"].origins[:10])
    with pytest.raises(ValueError, match=r" 10 days .* walk, constant.*; "):
        score({"walk": few}, baselines, prices)
    with pytest.raises(ValueError, match=r"^family garch .* baseline; "):
        score({"garch": few}, baselines, prices)
    with pytest.raises(ValueError, match=f" on {prices.index[0].date()}$"):
        few.at(pd.DatetimeIndex(prices.index[:1]))
    with pytest.raises(ValueError, match=r"mean \(10, 3\)"):
        Forecasts(few.origins, few.quantiles, few.mean[:, :3])


def test_skill_by_year_adds_up_to_the_skill_of_all_years(evaluated: Evaluated) -> None:
    prices, families, baselines = evaluated
    by_year = skill_by_year(families, baselines, prices)
    assert [int(year) for year in by_year.columns] == [2010, 2011, 2012]
    assert list(by_year.index) == ["walk", "calendar", "constant", "ewma", "garch"]
    assert (by_year.loc["ewma"] == 0).all()
    origins = families["walk"].origins
    year = days(prices, origins, 1).year
    loss = metrics.pinball_losses(targets(prices, origins), baselines["ewma"].quantiles)[:, 0]
    weight = np.array([loss[year == y].sum() for y in by_year.columns])
    total = score(families, baselines, prices).query("horizon == 1").set_index("family")["skill_ewma"]
    assert_allclose((by_year * weight).sum(axis=1) / weight.sum(), total[by_year.index], atol=1e-12)


def test_a_split_holds_what_a_unit_of_work_needs() -> None:
    prices = price_table(7)
    split = next(walk_forward(prices, 2010))
    half = Split(split.cutoff, split.train, split.test[:20])
    assert_array_equal(
        forecast_year(fit_walk, prices, half).quantiles, forecast_year(fit_walk, prices, split).quantiles[:20]
    )
