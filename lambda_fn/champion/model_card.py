"""JSON about a champion: the summary that comes with every forecast, and the model card."""

from typing import Any

from lambda_fn.champion.base import BaseChampion
from lambda_fn.contract import Active
from lambda_fn.fields import utc_text

JsonObject = dict[str, Any]
_SCORE_COLUMNS = ("horizon", "pinball", "skill_constant", "skill_ewma", "skill_garch")
_OMITTED = ("golden", "backtest")  # long lists of prices, and what has a route of its own


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
            "date": champion.wants_date,
            "target_date": champion.wants_target_date,
            "window": meta.window,
        },
    }
