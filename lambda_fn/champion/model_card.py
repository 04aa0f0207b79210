"""What answers tell of a champion: a summary beside every forecast, and the model card."""

from typing import Any

from lambda_fn.champion.base import BaseChampion
from lambda_fn.contract import Active
from lambda_fn.fields import utc_text

JsonObject = dict[str, Any]
_AGAINST_BASELINES = ("horizon", "pinball", "skill_constant", "skill_ewma", "skill_garch")
_LONG = ("golden", "backtest")  # prices, and what has an answer of its own


def champion_summary(active: Active, champion: BaseChampion) -> JsonObject:
    """Which champion made a forecast, with its scores against the baselines by horizon."""
    pointer, meta = active.pointer, champion.metadata
    own = [row for row in pointer.scores if row.get("family") == meta.family]
    return {
        "name": pointer.model_name,
        "type": pointer.model_type,
        "version": pointer.model_version,
        "generation": active.generation,
        "sha256": active.champion.sha256,
        "family": meta.family,
        "trained_through": meta.trained_through.isoformat(),
        "features": list(meta.features),
        "scores": [{name: row[name] for name in _AGAINST_BASELINES if name in row} for row in own],
        "run_id": pointer.run_id,
        "activated_at": utc_text(active.activated_at),
    }


def model_card(active: Active, champion: BaseChampion) -> JsonObject:
    """All that is known of the active champion; its golden forecasts, long lists of prices, are left out."""
    meta = champion.metadata
    pointer = {name: value for name, value in active.pointer.to_object().items() if name not in _LONG}
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
