"""The volatility heads by the name under which families choose them. To add one, write its file and its line here."""

from collections.abc import Mapping
from types import MappingProxyType

from training.models.heads import calendar, calendar_range, ewma, garch, winsorised
from training.models.heads.base import Kind

HEADS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (garch.KIND, ewma.KIND, winsorised.KIND, calendar.KIND, calendar_range.KIND)}
)


def find_head(name: str) -> Kind:
    """The head of this name; raises ValueError with the known ones."""
    if name not in HEADS:
        raise ValueError(f"volatility head {name!r} is unknown; choose {' or '.join(HEADS)}")
    return HEADS[name]
