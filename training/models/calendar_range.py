"""No change of the price with the calendar head on ranges: for files whose high and low are of their close's day."""

from training.models import random_walk
from training.models.family import Family

CALENDAR_RANGE = Family(
    name="calendar_range", model_type="CalendarRange", features=(), fit=random_walk.fit, head="calendar_range"
)
