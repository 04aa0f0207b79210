"""What every champion offers, whether its file runs in this process or in a sandbox."""

from collections.abc import Collection, Mapping, Sequence

from lambda_fn.champion.plausibility import Days, fault, fault_for
from lambda_fn.contract import DATE, TARGET_DATE, Metadata

Rows = Mapping[str, Sequence[Sequence[float]]]


class ForecastError(Exception):
    """The champion gave no forecast for these inputs; the message says which and why."""


class TooSlow(ForecastError):
    """The run was ended because it took too long."""


class Died(ForecastError):
    """The process that ran the champion ended without an answer."""


class BaseChampion:
    """One champion file. `columns` are the price columns that it takes, `close` first."""

    def __init__(self, metadata: Metadata, sha256: str, inputs: Collection[str]) -> None:
        self.metadata = metadata
        self.sha256 = sha256
        self.columns = ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))
        self.wants_date = DATE in inputs
        self.wants_target_date = TARGET_DATE in inputs

    def check(self, quantiles: Sequence[Days], mean: Sequence[Sequence[float]]) -> None:
        """Raise ForecastError when the numbers are no forecast (`plausible.fault`)."""
        if reason := fault(quantiles, mean):
            raise ForecastError(f"the champion's forecast for these prices {reason}; check the prices")

    def check_plausible(
        self, quantiles: Sequence[Days], mean: Sequence[Sequence[float]], close: Sequence[Sequence[float]]
    ) -> None:
        """Raise ForecastError when the numbers do not suit these closes (`plausible.fault_for`)."""
        if reason := fault_for(quantiles, mean, self.metadata.levels, close):
            raise ForecastError(f"{reason}; check the prices, or publish another champion")
