"""What every champion offers, whether its file runs in this process or in a sandbox."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.plausible import fault, fault_for
from lambda_fn.contract import DATE, TARGET_DATE, Metadata

Inputs = Mapping[str, NDArray[Any]]


class ForecastError(Exception):
    """The champion gave no forecast for these inputs; the message says which and why."""


class TooSlow(ForecastError):
    """The run was ended because it took too long."""


class Died(ForecastError):
    """The process that ran the champion ended without an answer."""


class Forecast(NamedTuple):
    """Prices, float64: quantiles [batch, horizon, levels], non-decreasing over levels; mean [batch, horizon]."""

    quantiles: NDArray[np.float64]
    mean: NDArray[np.float64]


class BaseChampion(ABC):
    """One champion file. `columns` are the price columns that it takes, `close` first."""

    def __init__(self, metadata: Metadata, sha256: str, inputs: Collection[str]) -> None:
        self.metadata = metadata
        self.sha256 = sha256
        self.columns = ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))
        self.wants_date = DATE in inputs
        self.wants_target_date = TARGET_DATE in inputs

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecast a batch: each price column float64 [batch, window], oldest first, and `date` int64 [batch, window]
        and `target_date` int64 [batch, horizon] in days since 1970-01-01 where the champion takes them.

        Raises ForecastError when an input is missing or misshapen, or when the numbers are no forecast
        (`plausible.fault`); TooSlow; and Died where a sandbox runs the champion.
        """
        forecast = self.run(inputs)
        if reason := fault(forecast.quantiles, forecast.mean):
            raise ForecastError(f"the champion's forecast for these prices {reason}; check the prices")
        return forecast

    def plausible_forecast(self, inputs: Inputs) -> Forecast:
        """As `forecast`, for a forecast that is served: raises ForecastError also when it does not suit these closes
        (`plausible.fault_for`)."""
        forecast = self.run(inputs)
        if reason := fault_for(forecast.quantiles, forecast.mean, self.metadata.levels, inputs["close"]):
            raise ForecastError(f"{reason}; check the prices, or publish another champion")
        return forecast

    @abstractmethod
    def run(self, inputs: Inputs) -> Forecast:
        """Run the model. The shapes are [batch, horizon, levels] and [batch, horizon]."""
