"""The random walk: no change is expected. What every other family has to beat."""

from training.models.family import Family, Fitted, Sample
from training.models.features import Array, Window


def fit(sample: Sample) -> Fitted:
    """Nothing to fit: the mean of every horizon is zero."""

    def mean(window: Window, sd: Array) -> Array:
        return sd * 0.0

    return Fitted(mean, {})


FAMILY = Family(name="random_walk", model_type="RandomWalk", features=(), fit=fit, head="garch")
