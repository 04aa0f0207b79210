"""The last step of refresh and ingest: issue the official forecast, update the track record, and log its figures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.record import track_record
from lambda_fn.record.issue import Made, make
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store


def after_activation(store: Store, pair: str, now: datetime, sandbox: Sandbox | None = None) -> Made:
    """The official forecast of what is active now, and the summary with its champion's backtest.

    Raises Unavailable when the store does not answer.
    """
    made = make(store, pair, now, sandbox)
    if made.official is not None:
        track_record.write_summary(store, pair, track_record.scores_of(store, pair), now)
    return made


def after_prices(
    store: Store, pair: str, now: datetime, corrected: bool, sandbox: Sandbox | None = None
) -> tuple[Made, str]:
    """The same with what the prices made known: forecasts whose outcome is there now are scored, all of them anew when
    prices were `corrected`. Gives the forecast, and why nothing could be scored, empty when it could.

    Raises Unavailable when the store does not answer.
    """
    made = make(store, pair, now, sandbox)
    try:
        faults = track_record.update(store, pair, now, anew=corrected).faults
    except (ContractError, Missing) as error:
        return made, f"the forecasts could not be scored: {error}"
    return made, f"{len(faults)} entries of the ledger are not scored, the first: {faults[0]}" if faults else ""


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
