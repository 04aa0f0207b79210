"""Ordinary least squares of the cumulative log return of each horizon on the last value of the features."""

from training.models.family import Family, Fitted, Sample
from training.models.features import Array, Window, matmul, stack

FEATURES = ("Return", "MA_5", "Lag_1", "Lag_2", "Lag_3", "Lag_5")


def fit(sample: Sample) -> Fitted:
    """Fit scikit-learn's LinearRegression on standardised features, then fold the scaling into its coefficients."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler, regression = StandardScaler(), LinearRegression()
    make_pipeline(scaler, regression).fit(stack(FEATURES, sample.window, 1)[:, 0, :], sample.target)
    weights = (regression.coef_ / scaler.scale_).T
    intercept = regression.intercept_ - scaler.mean_ @ weights

    def mean(window: Window, sd: Array) -> Array:
        rows = stack(FEATURES, window, 1)[:, 0, :]
        xp = rows.__array_namespace__()
        return matmul(rows, weights) + xp.asarray(intercept)

    first_day = dict(zip(FEATURES, regression.coef_[0], strict=True))
    return Fitted(mean, {f"coefficient_{name}": float(value) for name, value in first_day.items()})


FAMILY = Family(name="linear_regression", model_type="LinearRegression", features=FEATURES, fit=fit, shrunk=True)
