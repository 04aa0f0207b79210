"""Modules that a test imports when it uses them: collecting the tests must not wait seconds for MLflow."""

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module. The name is imported from it `if TYPE_CHECKING`, so that types are checked."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        setattr(import_module(self._name), attribute, value)
