"""The model families. To add one, write its file here and its line below; nothing else changes anywhere.

The simplest is first: it is the champion where no other is better by a test.
"""

from training.models import arima, calendar, linear_regression, lstm, random_walk
from training.models.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        random_walk.FAMILY,
        calendar.FAMILY,
        linear_regression.FAMILY,
        arima.FAMILY,
        lstm.FAMILY,
    )
}
