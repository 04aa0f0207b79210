"""The model families. To add one, write its file here and its line below; nothing else changes anywhere.

Another package adds its own as an entry point of the group `eurusd_forecast.families`.

The simplest is first: it is the champion where no other is significantly better.

Commands that fit nothing read this list, so a family imports the libraries of its fit in the function that fits: those
of arima, linear_regression and the heads together take two seconds.
"""

from collections.abc import Iterable

from lambda_fn.contract import DATE, TARGET_DATE
from training import plugins
from training.models import arima, linear_regression, lstm, random_walk
from training.models.family import Family

# A forecast of the spread alone: the mean is no change of the price.
CALENDAR = Family(name="calendar", model_type="Calendar", features=(), fit=random_walk.fit, head="calendar")
# With the days of US consumer prices.
CALENDAR_CPI = Family(
    name="calendar_cpi",
    model_type="CalendarCPI",
    features=(),
    fit=random_walk.fit,
    head="calendar_cpi",
    hindsight="Examined with hindsight: the days of US consumer prices were added after a look at the years to 2026. "
    "For EUR/USD, 2022 to 2025 give all of their gain, and in 2026 they lost.",
)
# The calendar family on daily ranges, for files whose high and low are of the same day as the close.
CALENDAR_RANGE = Family(
    name="calendar_range", model_type="CalendarRange", features=(), fit=random_walk.fit, head="calendar_range"
)
BUILT_IN = (
    random_walk.FAMILY,
    CALENDAR,
    CALENDAR_CPI,
    CALENDAR_RANGE,
    linear_regression.FAMILY,
    arima.FAMILY,
    lstm.FAMILY,
)


def add_plugins(built_in: Iterable[Family], others: Iterable[Family]) -> dict[str, Family]:
    """Return all families by name. Raises PluginError for a name or a model type that is taken."""
    families: dict[str, Family] = {}
    for family in (*built_in, *others):
        for other in families.values():
            if family.name == other.name or family.model_type == other.model_type:
                raise plugins.PluginError(
                    f"family {family.name} ({family.model_type}): {other.name} ({other.model_type}) exists already; "
                    "rename it in its package"
                )
        families[family.name] = family
    return families


FAMILIES: dict[str, Family] = add_plugins(BUILT_IN, plugins.load(plugins.FAMILIES, Family))

# Families that need only closes; the others are used on files that have their columns.
DEFAULT_FAMILIES: tuple[str, ...] = tuple(
    name for name, family in FAMILIES.items() if set(family.inputs) <= {"close", DATE, TARGET_DATE}
)
