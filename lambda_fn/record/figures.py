"""The live record in three numbers, for the dashboard."""

from collections.abc import Mapping
from typing import Any

from lambda_fn.fields import ContractError
from lambda_fn.record.summaries import parse_record
from lambda_fn.store import keys
from lambda_fn.store.objects import Missing, Store


def live_figures(store: Store, pair: str) -> dict[str, float]:
    """Those of the pair's `serving/record.json`; none where there is no record that can be read."""
    try:
        return figures_of(parse_record(store.read(keys.record_key(pair)).data, pair)["live"])
    except (Missing, ContractError):
        return {}


def figures_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """By the names of their metrics, of forecasts of one day: how many there are, the share inside the 80 % interval,
    and the skill over the constant quantiles. What is not known is left out."""
    first = next((each for each in summary["horizons"] if each["horizon"] == 1), None)
    if first is None:
        return {}
    coverage, skill = first["coverage"].get("80"), first["skill"].get("constant")
    return {
        "RecordDays": first["n"],
        **({"RecordCoverage80": coverage["value"]} if coverage else {}),
        **({"RecordSkill": skill["value"]} if skill else {}),
    }
