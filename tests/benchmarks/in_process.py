"""The API with the champion in its own process, which measures what the sandbox costs; no service runs it like this."""

from typing import Any

import numpy as np

from lambda_fn import api
from lambda_fn.champion.base import Rows
from lambda_fn.champion.runtime import Champion
from lambda_fn.champion.sandbox import Forecast, Pool, SandboxedChampion
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.web.state import State

_champions: dict[str, Champion] = {}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    SandboxedChampion.run = _run  # type: ignore[method-assign]
    State.pool = _pool  # type: ignore[method-assign]
    return api.handler(event, context)


def _run(self: SandboxedChampion, inputs: Rows) -> Forecast:
    if self.sha256 not in _champions:
        _champions[self.sha256] = Champion.load(self._data)
    kinds = {name: np.int64 if name in (DATE, TARGET_DATE) else np.float64 for name in inputs}
    forecast = _champions[self.sha256].run({name: np.array(rows, kinds[name]) for name, rows in inputs.items()})
    return Forecast(forecast.quantiles.tolist(), forecast.mean.tolist())


def _pool(self: State) -> Pool:
    """Children that are never started."""
    return Pool()
