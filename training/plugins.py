"""Models and price formats of other packages, which name them as entry points."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from training.errors import NamedError

FAMILIES = "eurusd_forecast.families"
PRICE_FORMATS = "eurusd_forecast.price_formats"
T = TypeVar("T")


class PluginError(NamedError):
    """An entry point of another package cannot be used; the message names it and the package."""


def load(group: str, kind: type[T]) -> list[T]:
    """Return the objects that the installed packages name in a group, by name.

    Raises PluginError for one that cannot be imported or is not of `kind`.
    """
    return [_load_one(entry, kind) for entry in _sorted(group)]


def versions() -> list[str]:
    """Return the package and version of each plugin, which the results of a run depend on."""
    plugins = [entry for group in (FAMILIES, PRICE_FORMATS) for entry in _sorted(group)]
    return [f"{entry.group} {entry.name} {_package(entry)}" for entry in plugins]


def _sorted(group: str) -> Iterable[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _load_one(entry: EntryPoint, kind: type[T]) -> T:
    place = f"entry point {entry.name} of {entry.group}, package {_package(entry)}"
    try:
        value = entry.load()
    except Exception as error:  # whatever the other package raises
        raise PluginError(f"{place}: {type(error).__name__}: {error}; correct or uninstall the package") from error
    if not isinstance(value, kind):
        wanted = f"{kind.__module__}.{kind.__qualname__}"
        raise PluginError(f"{place}: {entry.value} is not a {wanted}; correct or uninstall the package")
    return value


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
