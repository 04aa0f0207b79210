"""The answers' JSON: a champion's forecast by business day, and what is known of the champion."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.cache import Serving
from lambda_fn.fields import utc_text
from lambda_fn.web.question import Question, intervals_of

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
JsonObject = dict[str, Any]
_AGAINST_BASELINES = ("horizon", "pinball", "skill_constant", "skill_ewma", "skill_garch")


def forecast_days(
    question: Question,
    levels: Sequence[float],
    last_close: float,
    days: Sequence[date] | None,
    quantiles: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> list[JsonObject]:
    """The forecast of one window by business day.

    Args:
        levels: of the champion, as many as `quantiles` has columns.
        days: the business days forecast, None when the date of the last close is not known.
        quantiles: prices [horizon, levels].
        mean: prices [horizon].

    Returns:
        One object a day: prices, and under `returns` the same as simple returns, price / last_close - 1.
    """
    columns = [*question.positions]
    names = [f"{levels[column]:g}" for column in columns]
    table = np.column_stack([mean, quantiles])[: question.horizon]
    prices = np.round(table, PRICE_DECIMALS).tolist()
    # adding zero turns -0.0, which JSON would show, into 0.0
    returns = (np.round(table / last_close - 1, RETURN_DECIMALS) + 0.0).tolist()
    middle = levels.index(0.5)

    def distribution(row: list[float]) -> JsonObject:
        at = row[1:]
        return {
            "mean": row[0],
            "median": at[middle],
            "quantiles": {name: at[column] for name, column in zip(names, columns, strict=True)},
            "intervals": {
                coverage: {"lower": at[lower], "upper": at[upper]}
                for coverage, (lower, upper) in question.intervals.items()
            },
        }

    return [
        {
            "date": days[i].isoformat() if days is not None else None,
            "horizon": i + 1,
            **distribution(prices[i]),
            "returns": distribution(returns[i]),
        }
        for i in range(question.horizon)
    ]


def champion_summary(serving: Serving) -> JsonObject:
    """Which champion made a forecast, with its scores against the baselines by horizon."""
    active, meta = serving.active, serving.champion.metadata
    pointer = active.pointer
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


def model_card(serving: Serving) -> JsonObject:
    """All that is known of the active champion; its golden forecasts, long lists of prices, are left out."""
    active, champion = serving.active, serving.champion
    meta = champion.metadata
    pointer = {name: value for name, value in active.pointer.to_object().items() if name != "golden"}
    return {
        **pointer,
        "pair": meta.pair,
        "generation": active.generation,
        "activated_at": utc_text(active.activated_at),
        "serving_key": active.serving_key,
        "metadata": {
            **vars(meta),
            "levels": list(meta.levels),
            "features": list(meta.features),
            "trained_through": meta.trained_through.isoformat(),
        },
        "intervals": list(intervals_of(meta.levels)),
        "inputs": {
            "columns": list(champion.columns),
            "date": champion.wants_date,
            "target_date": champion.wants_target_date,
            "window": meta.window,
        },
    }


def freshness(checked: Mapping[str, tuple[datetime, bool]]) -> JsonObject:
    """How old the answer's parts may be: `checked` names each with the time of its last check and whether it is stale.

    Returns:
        checked_at of the part checked longest ago, stale when one is, and why.
    """
    late = [name for name, (_, stale) in checked.items() if stale]
    reason = f"the store could not be asked for newer {' and '.join(late)}; the last known are served"
    return {
        "checked_at": utc_text(min(when for when, _ in checked.values())),
        "stale": bool(late),
        "stale_reason": reason if late else None,
    }
