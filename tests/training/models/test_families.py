"""Each family's mean against the library it comes from, on the same closes."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from training.models.arima import PERCENT, predictor_weights
from training.models.families import FAMILIES
from training.models.family import Family, Fitted, Model, Sample, derive_seed, fit
from training.models.features import Array, Window, stack
from training.models.keras_core import import_keras, train
from training.models.linear_regression import FEATURES
from training.models.lstm import NETWORK
from training.prices.windows import HORIZON, WINDOW, complete_origins, targets, windows

INPUTS = ("close", "date", "target_date")
ROWS = 3000


@pytest.fixture(scope="module")
def models(prices: pd.DataFrame) -> dict[str, Model]:
    """The families of a library, fitted on twelve years, their means as they are."""
    names = ("random_walk", "linear_regression", "arima")
    return {name: fit(replace(FAMILIES[name], shrunk=False), prices.iloc[-ROWS:]) for name in names}


def test_linear_regression_is_ordinary_least_squares(models: dict[str, Model], prices: pd.DataFrame) -> None:
    prices = prices.iloc[-ROWS:]
    origins = complete_origins(prices)[:-HORIZON]
    window = windows(prices, INPUTS, origins)
    rows = stack(FEATURES, window, 1)[:, 0, :]
    design = np.column_stack([np.ones(len(rows)), (rows - rows.mean(axis=0)) / rows.std(axis=0)])
    solution, *_ = np.linalg.lstsq(design, targets(prices, origins), rcond=None)
    model = models["linear_regression"]
    np.testing.assert_allclose(model.fitted.mean(window, model.head.sd(window)), design @ solution, atol=1e-12)


@pytest.mark.parametrize("step", [pytest.param(12, marks=pytest.mark.long), 120])
def test_arima_is_the_forecast_of_statsmodels_on_the_same_closes(
    step: int, models: dict[str, Model], prices: pd.DataFrame
) -> None:
    from statsmodels.tsa.arima.model import ARIMA

    model = models["arima"]
    params = model.fitted.params
    ar = [params[key] for key in sorted(params) if key.startswith("ar_")]
    ma = [params[key] for key in sorted(params) if key.startswith("ma_")]
    window = windows(prices, INPUTS, complete_origins(prices)[-ROWS::step])
    assert len(window["close"]) == ROWS // step
    means = model.forecast(window)["mean"]
    for close, mean in zip(window["close"], means, strict=True):
        arma = ARIMA(PERCENT * np.diff(np.log(close)), order=(len(ar), 0, len(ma)), trend="n")
        ahead = arma.filter([*ar, *ma, 0.3]).forecast(HORIZON)
        np.testing.assert_allclose(mean, close[-1] * np.exp(np.cumsum(ahead) / PERCENT), rtol=1e-9)


@pytest.mark.parametrize(("ar", "ma"), [([0.5], []), ([], [0.4]), ([0.9], [-0.8]), ([0.4, 0.2], [])])
def test_the_arima_predictor_is_statsmodels_forecast_for_any_order(ar: list[float], ma: list[float]) -> None:
    from statsmodels.tsa.arima.model import ARIMA

    returns = np.random.default_rng(0).standard_normal(WINDOW - 1)
    expected = ARIMA(returns, order=(len(ar), 0, len(ma)), trend="n").filter([*ar, *ma, 1.0]).forecast(HORIZON)
    np.testing.assert_allclose(returns @ predictor_weights(np.array(ar), np.array(ma)), np.cumsum(expected), rtol=1e-7)


def test_the_random_walk_expects_no_change(models: dict[str, Model], prices: pd.DataFrame) -> None:
    window = windows(prices, INPUTS, complete_origins(prices)[-50:])
    quantiles, mean = (models["random_walk"].forecast(window)[name] for name in ("quantiles", "mean"))
    np.testing.assert_array_equal(mean, np.repeat(window["close"][:, -1:], HORIZON, axis=1))
    np.testing.assert_array_equal(quantiles[:, :, 5], mean)


@pytest.mark.long
def test_the_network_learns_what_is_there_to_learn() -> None:
    """A series that repeats its last return must be found, so that finding nothing in real returns means something."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((4000, NETWORK.steps, 1)).astype(np.float32)
    outputs = np.repeat(inputs[:, -1], HORIZON, axis=1)
    weights = train(NETWORK, inputs, outputs, seed=1)
    keras = import_keras()
    layers = [keras.Input((NETWORK.steps, 1)), keras.layers.LSTM(NETWORK.units), keras.layers.Dense(HORIZON)]
    network = keras.Sequential(layers)
    network.set_weights(weights)
    error = np.mean((network.predict(inputs, verbose=0) - outputs) ** 2)
    assert error < 0.1 * np.mean(outputs**2)


def test_a_fit_does_not_depend_on_the_fits_before_it(prices: pd.DataFrame) -> None:
    window = windows(prices, INPUTS, complete_origins(prices)[-5:])
    family, early, late = replace(FAMILIES["lstm"], shrunk=False), prices.iloc[:2500], prices.iloc[:2800]
    first = fit(family, early).forecast(window)["quantiles"]
    fit(family, late)
    np.testing.assert_array_equal(fit(family, early).forecast(window)["quantiles"], first)
    assert (fit(family, early, seed=1).forecast(window)["quantiles"] != first).any()


def test_two_models_of_one_network_keep_their_own_weights(prices: pd.DataFrame) -> None:
    window = windows(prices, INPUTS, complete_origins(prices)[-5:])
    lstm = replace(FAMILIES["lstm"], shrunk=False)
    one = fit(lstm, prices.iloc[:2500])
    before = one.forecast(window)["quantiles"]
    fit(lstm, prices.iloc[:2600]).forecast(window)
    np.testing.assert_array_equal(one.forecast(window)["quantiles"], before)


def test_a_seed_is_of_what_is_fitted() -> None:
    seeds = {
        derive_seed(seed, pair, family, cutoff)
        for seed in (0, 1)
        for pair in ("EURUSD", "GBPUSD")
        for family in FAMILIES
        for cutoff in ("2020-12-31", "2021-12-31")
    }
    assert len(seeds) == 2 * 2 * len(FAMILIES) * 2
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_too_few_rows_are_refused_with_the_number_needed(prices: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"^500 rows .*; .* at least 534$"):
        fit(FAMILIES["random_walk"], prices.iloc[:500])


def test_the_sample_ends_at_the_cutoff(prices: pd.DataFrame) -> None:
    """Every target of the fit lies in the rows it was given."""
    train_rows = prices.loc[: pd.Timestamp(date(2010, 12, 31))]
    known = targets(train_rows, complete_origins(train_rows)[:-HORIZON])
    assert np.isfinite(known).all()


def drifting(sample: Sample) -> Fitted:
    """A mean that is half of what comes where the last return is positive, and as much too high where it is not."""

    def mean(window: Window, sd: Array) -> Array:
        return sd * 0.0 + (window["close"][:, -1:] / window["close"][:, -2:-1] - 1.0)

    return Fitted(mean, {})


def repeating(prices: pd.DataFrame, share: float) -> pd.DataFrame:
    """Prices of which each return is `share` of the one before, and noise."""
    noise = np.random.default_rng(1).standard_normal(len(prices)) * 0.005
    returns = np.zeros(len(prices))
    for i in range(1, len(prices)):
        returns[i] = share * returns[i - 1] + noise[i]
    return pd.DataFrame({"close": np.exp(returns.cumsum())}, index=prices.index)


def factor(prices: pd.DataFrame) -> float:
    family = Family("drifting", "Drifting", (), drifting, head="ewma", shrunk=True)
    return float(fit(family, prices).fitted.params["shrunk_to_1"])


def test_a_mean_is_shrunk_to_what_it_was_worth_on_rows_that_its_fit_did_not_see(prices: pd.DataFrame) -> None:
    """Of a mean that is the whole last return, as much is kept as returns repeat; of noise, nothing."""
    half, nothing, against = (factor(repeating(prices, share)) for share in (0.5, 0.0, -0.5))
    assert 0.4 < half < 1.0
    assert nothing < 0.05
    assert against == 0.0


def test_the_factor_multiplies_the_mean_and_too_few_rows_give_none(prices: pd.DataFrame) -> None:
    known = repeating(prices, 0.5)
    family = Family("drifting", "Drifting", (), drifting, head="ewma", shrunk=True)
    window = windows(known, ["close"], complete_origins(known)[-50:])
    shrunk, whole = fit(family, known), fit(replace(family, shrunk=False), known)
    share = float(shrunk.fitted.params["shrunk_to_1"])
    sd = whole.head.sd(window)
    means = shrunk.fitted.mean(window, sd)[:, 0], whole.fitted.mean(window, sd)[:, 0]
    np.testing.assert_allclose(means[0], share * means[1], rtol=1e-12)
    assert fit(family, known.iloc[:600]).fitted.params["shrunk_to_1"] == 0.0


def test_the_newer_examples_begin_where_the_rows_of_the_older_sample_end(prices: pd.DataFrame) -> None:
    seen: list[Sample] = []

    def keep(sample: Sample) -> Fitted:
        seen.append(sample)
        return drifting(sample)

    fit(Family("keep", "Keep", (), keep, head="ewma", shrunk=True), prices.iloc[:2000])
    whole, older = seen
    split = whole.split()
    assert split is not None
    assert older.prices.equals(split[0].prices)
    newer = split[1].window["close"]
    assert newer[0, -1] == older.prices["close"].iloc[-1]
    last_target = older.window["close"][-1, -1] * np.exp(older.target[-1, -1])
    assert last_target == pytest.approx(older.prices["close"].iloc[-1], rel=1e-12)
    assert len(older.target) + HORIZON - 1 + len(newer) == len(whole.target)
