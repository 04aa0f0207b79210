"""The random walk, which forecasts no change: the benchmark for every other family."""

from training.models.family import Family, Fitted, Sample
from training.models.features import Array, Window


def fit(sample: Sample) -> Fitted:
    """Return a mean of zero for every horizon; there is nothing to fit."""

    def mean(window: Window, sd: Array) -> Array:
        return sd * 0.0

    return Fitted(mean, {})


FAMILY = Family(name="random_walk", model_type="RandomWalk", features=(), fit=fit, head="garch")
