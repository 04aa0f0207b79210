"""A champion as serving has it: its file is only parsed here, and a sandbox runs it."""

from lambda_fn.champion.base import BaseChampion, Rows
from lambda_fn.champion.onnx_file import describe
from lambda_fn.champion.sandbox import Forecast, Sandbox
from lambda_fn.contract import Metadata


class SandboxedChampion(BaseChampion):
    """A champion file whose digest is known to be `sha256`."""

    def __init__(self, data: bytes, sha256: str, sandbox: Sandbox) -> None:
        """Parse the file. Raises ContractError."""
        props, inputs = describe(data)
        super().__init__(Metadata.parse(props), sha256, inputs)
        self._data = data
        self._sandbox = sandbox

    def forecast(self, inputs: Rows) -> Forecast:
        """Forecast a batch: rows of `window` prices of each column, oldest first, and where the champion takes them
        `date` (rows of `window`) and `target_date` (rows of `horizon`), whole days since 1970-01-01.

        Raises ForecastError when the numbers are no forecast (`plausible.fault`) and for whatever else the champion
        does, TooSlow, Died, and Unavailable when this machine cannot start a child.
        """
        forecast = self.run(inputs)
        self.check(forecast.quantiles, forecast.mean)
        return forecast

    def plausible_forecast(self, inputs: Rows) -> Forecast:
        """As `forecast`, for a forecast that is served: raises ForecastError also when it does not suit these closes
        (`plausible.fault_for`)."""
        forecast = self.run(inputs)
        self.check_plausible(forecast.quantiles, forecast.mean, inputs["close"])
        return forecast

    def run(self, inputs: Rows) -> Forecast:
        """Run the model in the sandbox. Raises as `forecast`; nothing is said about its numbers."""
        shape = len(inputs["close"]), self.metadata.horizon, len(self.metadata.levels)
        return self._sandbox.forecast(self._data, self.sha256, inputs, shape)
