"""A champion as serving has it: its file is only parsed here, and a sandbox runs it."""

from lambda_fn.champion.base import BaseChampion, Forecast, Inputs
from lambda_fn.champion.onnx_file import describe
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import Metadata


class SandboxedChampion(BaseChampion):
    """A champion file whose digest is known to be `sha256`."""

    def __init__(self, data: bytes, sha256: str, sandbox: Sandbox) -> None:
        """Parse the file. Raises ContractError."""
        props, inputs = describe(data)
        super().__init__(Metadata.parse(props), sha256, inputs)
        self._data = data
        self._sandbox = sandbox

    def run(self, inputs: Inputs) -> Forecast:
        shape = len(inputs["close"]), self.metadata.horizon, len(self.metadata.levels)
        return self._sandbox.forecast(self._data, self.sha256, inputs, shape)
