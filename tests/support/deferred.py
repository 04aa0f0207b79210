"""Modules that a test imports when it uses them: collecting the tests must not wait seconds for MLflow."""

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module, without its private names, for which pytest looks while it collects.

    A test imports the name itself `if TYPE_CHECKING`, so that types are checked.
    """

    def __init__(self, name: str) -> None:
        self.__dict__["_module"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(self._module), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(import_module(self._module), name, value)
