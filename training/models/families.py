"""The model families. To add one, write its file here and its line below; nothing else changes anywhere."""

from training.models import arima, linear_regression, lstm, random_walk
from training.models.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        linear_regression.FAMILY,
        arima.FAMILY,
        lstm.FAMILY,
        random_walk.FAMILY,
    )
}
