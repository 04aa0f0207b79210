"""The interface of a champion, whether its file runs in this process or in a sandbox."""

from collections.abc import Collection, Mapping, Sequence

from lambda_fn.contract import DATE, TARGET_DATE, Metadata
from lambda_fn.prices.plausibility import Days, find_fault, find_implausibility

Rows = Mapping[str, Sequence[Sequence[float]]]


class ForecastError(Exception):
    """The champion gave no valid forecast for these inputs; the message names the inputs and the reason."""


class TooSlow(ForecastError):
    """The run exceeded its time limit and was stopped."""


class Died(ForecastError):
    """The process that ran the champion ended without a reply."""


class BaseChampion:
    """One champion file. `columns` are its price columns, `close` first."""

    def __init__(self, metadata: Metadata, sha256: str, inputs: Collection[str]) -> None:
        self.metadata = metadata
        self.sha256 = sha256
        self.columns = ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))
        self.wants_date = DATE in inputs
        self.wants_target_date = TARGET_DATE in inputs

    def check(self, quantiles: Sequence[Days], mean: Sequence[Sequence[float]]) -> None:
        """Raise ForecastError when the numbers are not a valid forecast (`plausibility.find_fault`)."""
        if reason := find_fault(quantiles, mean):
            raise ForecastError(f"the champion's forecast for these prices {reason}; check the prices")

    def check_plausible(
        self, quantiles: Sequence[Days], mean: Sequence[Sequence[float]], close: Sequence[Sequence[float]]
    ) -> None:
        """Raise ForecastError when the forecast is implausible for these closes (`plausibility.find_implausibility`).

        Args:
            quantiles: prices [batch][horizon][levels].
            mean: prices [batch][horizon].
            close: the windows, prices [batch][window].
        """
        if reason := find_implausibility(quantiles, mean, self.metadata.levels, close):
            raise ForecastError(f"{reason}; check the prices, or publish another champion")
