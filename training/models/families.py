"""The model families. To add one, write its file here and its line below; nothing else changes anywhere.

The simplest is first: it is the champion where no other is better by a test.

Commands that fit nothing read this list, so a family imports the libraries of its fit in the function that fits: those
of arima, linear_regression and the heads together take two seconds.
"""

from lambda_fn.contract import DATE, TARGET_DATE
from training.models import arima, linear_regression, lstm, random_walk
from training.models.family import Family

# No change of the price: what can be known of the width, and no opinion on the direction.
CALENDAR = Family(name="calendar", model_type="Calendar", features=(), fit=random_walk.fit, head="calendar")
# The same on ranges, for files whose high and low are of the same day as the close.
CALENDAR_RANGE = Family(
    name="calendar_range", model_type="CalendarRange", features=(), fit=random_walk.fit, head="calendar_range"
)
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        random_walk.FAMILY,
        CALENDAR,
        CALENDAR_RANGE,
        linear_regression.FAMILY,
        arima.FAMILY,
        lstm.FAMILY,
    )
}

# Those that closes alone are enough for; the others are tried on files that have their columns.
USUAL: tuple[str, ...] = tuple(
    name for name, family in FAMILIES.items() if set(family.inputs) <= {"close", DATE, TARGET_DATE}
)
