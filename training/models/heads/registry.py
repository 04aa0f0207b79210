"""The volatility heads by the name under which families choose them. To add one, write its file and its line here."""

from collections.abc import Mapping
from types import MappingProxyType

from training.models.heads import calendar, calendar_range, ewma, garch, winsorised
from training.models.heads.base import HeadSpec

SPECS = (garch.SPEC, ewma.SPEC, winsorised.SPEC, calendar.SPEC, calendar.SPEC_WITH_CPI, calendar_range.SPEC)
HEADS: Mapping[str, HeadSpec] = MappingProxyType({spec.name: spec for spec in SPECS})


def find_head(name: str) -> HeadSpec:
    """Return the head of this name; raises ValueError with the known names."""
    if name not in HEADS:
        raise ValueError(f"volatility head {name!r} is unknown; choose {' or '.join(HEADS)}")
    return HEADS[name]
