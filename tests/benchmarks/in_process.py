"""The API with the champion in its own process, which measures what the sandbox costs; no service runs it like this."""

from typing import Any

from lambda_fn import api
from lambda_fn.champion.base import Forecast, Inputs
from lambda_fn.champion.model import Champion
from lambda_fn.champion.sandbox import Pool
from lambda_fn.champion.sandboxed import SandboxedChampion
from lambda_fn.web.services import Services

_champions: dict[str, Champion] = {}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    SandboxedChampion.run = _run  # type: ignore[method-assign]
    Services.pool = _pool  # type: ignore[method-assign]
    return api.handler(event, context)


def _run(self: SandboxedChampion, inputs: Inputs) -> Forecast:
    if self.sha256 not in _champions:
        _champions[self.sha256] = Champion.load(self._data)
    return _champions[self.sha256].run(inputs)


def _pool(self: Services) -> Pool:
    """Children that are never started."""
    return Pool()
