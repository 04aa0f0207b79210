"""The interface of a champion, whether its file runs in this process or in a sandbox, and JSON about it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lambda_fn.contract import DATE, TARGET_DATE, Active, Metadata
from lambda_fn.fields import utc_text
from lambda_fn.prices.plausibility import Days, find_fault, find_implausibility, find_sd_fault

JsonObject = dict[str, Any]
_SCORE_COLUMNS = ("horizon", "pinball", "skill_constant", "skill_ewma", "skill_garch")
_OMITTED = ("golden", "backtest")  # long lists of prices, and what has a route of its own
Rows = Mapping[str, Sequence[Sequence[float]]]
OUTPUTS = ("quantiles", "mean", "sd")  # of a champion; the last one is optional


class ForecastError(Exception):
    """The champion gave no valid forecast for these inputs; the message names the inputs and the reason."""


class TooSlow(ForecastError):
    """The run exceeded its time limit and was stopped."""


class Died(ForecastError):
    """The process that ran the champion ended without a reply."""


class BaseChampion:
    """One champion file.

    Attributes:
        metadata: of the file.
        sha256: of the file.
        columns: its price columns, `close` first.
        inputs: its columns, and `date` and `target_date` where it declares them.
        outputs: those of OUTPUTS that it declares.
    """

    def __init__(
        self, metadata: Metadata, sha256: str, inputs: Collection[str], outputs: Collection[str] = OUTPUTS[:2]
    ) -> None:
        self.metadata = metadata
        self.sha256 = sha256
        self.columns = ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))
        self.inputs = (*self.columns, *(name for name in (DATE, TARGET_DATE) if name in inputs))
        self.outputs = tuple(name for name in OUTPUTS if name in outputs)

    def check(
        self,
        quantiles: Sequence[Days],
        mean: Sequence[Sequence[float]],
        sd: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Raise ForecastError when the numbers are not a valid forecast (`plausibility.find_fault`)."""
        if reason := find_fault(quantiles, mean) or find_sd_fault(sd, quantiles, self.metadata.levels):
            raise ForecastError(f"the champion's forecast for these prices {reason}; check the prices")

    def check_plausible(
        self,
        quantiles: Sequence[Days],
        mean: Sequence[Sequence[float]],
        close: Sequence[Sequence[float]],
        sd: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Raise ForecastError when the forecast is implausible for these closes (`plausibility.find_implausibility`).

        Args:
            quantiles: prices [batch][horizon][levels].
            mean: prices [batch][horizon].
            close: the windows, prices [batch][window].
            sd: standard deviations of the log return [batch][horizon], if the champion has this output.
        """
        if reason := find_implausibility(quantiles, mean, self.metadata.levels, close, sd):
            raise ForecastError(f"{reason}; check the prices, or publish another champion")


def champion_summary(active: Active, champion: BaseChampion) -> JsonObject:
    """Describe the champion of a forecast, with its scores against the baselines by horizon."""
    pointer, meta = active.pointer, champion.metadata
    scores = [row for row in pointer.scores if row.get("family") == meta.family]
    return {
        "name": pointer.model_name,
        "type": pointer.model_type,
        "version": pointer.model_version,
        "generation": active.generation,
        "sha256": active.champion.sha256,
        "family": meta.family,
        "trained_through": meta.trained_through.isoformat(),
        "features": list(meta.features),
        "scores": [{name: row[name] for name in _SCORE_COLUMNS if name in row} for row in scores],
        "run_id": pointer.run_id,
        "activated_at": utc_text(active.activated_at),
    }


def model_card(active: Active, champion: BaseChampion) -> JsonObject:
    """Return everything about the active champion except its golden forecasts and its backtest."""
    meta = champion.metadata
    pointer = {name: value for name, value in active.pointer.to_object().items() if name not in _OMITTED}
    return {
        **pointer,
        "pair": meta.pair,
        "generation": active.generation,
        "activated_at": utc_text(active.activated_at),
        "serving_key": active.serving_key,
        "metadata": {
            **{name: value for name, value in vars(meta).items() if value is not None},
            "levels": list(meta.levels),
            "features": list(meta.features),
            "trained_through": meta.trained_through.isoformat(),
        },
        "inputs": {
            "columns": list(champion.columns),
            "date": DATE in champion.inputs,
            "target_date": TARGET_DATE in champion.inputs,
            "window": meta.window,
        },
    }
