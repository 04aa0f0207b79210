"""No change of the price with the calendar head: what can be known of tomorrow's width, and no opinion on the rest."""

from training.models import random_walk
from training.models.family import Family

CALENDAR = Family(name="calendar", model_type="Calendar", features=(), fit=random_walk.fit, head="calendar")
