"""Last step of refresh and ingest: issue the official forecast, update the track record, and return its metrics."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.record import track_record
from lambda_fn.record.issue import ForecastResult, issue_forecast
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store


def after_activation(store: Store, pair: str, now: datetime, sandbox: Sandbox | None = None) -> ForecastResult:
    """Issue the active champion's official forecast, and write the summary with that champion's backtest.

    Args:
        store: the store.
        pair: the currency pair.
        now: the current time.
        sandbox: runs the champion; None for a new one.

    Raises Unavailable if the store does not answer.
    """
    forecast = issue_forecast(store, pair, now, sandbox)
    if forecast.official is not None:
        track_record.write_summary(store, pair, track_record.read_scores(store, pair), now)
    return forecast


def after_prices(
    store: Store, pair: str, now: datetime, corrected: bool, sandbox: Sandbox | None = None
) -> tuple[ForecastResult, str]:
    """Issue the official forecast, and score the forecasts whose outcomes are known now.

    Args:
        store: the store.
        pair: the currency pair.
        now: the current time.
        corrected: whether older prices have changed, so that every forecast is scored again.
        sandbox: runs the champion; None for a new one.

    Returns the result of the forecast, and why forecasts could not be scored (empty if all were). Raises Unavailable if
    the store does not answer.
    """
    forecast = issue_forecast(store, pair, now, sandbox)
    try:
        faults = track_record.update(store, pair, now, rebuild=corrected).faults
    except (ContractError, Missing) as error:
        return forecast, f"the forecasts could not be scored: {error}"
    return forecast, f"{len(faults)} entries of the ledger are not scored; the first: {faults[0]}" if faults else ""


def live_metrics(store: Store, pair: str) -> dict[str, float]:
    """Return the metrics of the pair's live record; empty if there is no valid `serving/record.json`."""
    try:
        return record_metrics(parse_record(store.read(keys.record_key(pair)).data, pair)["live"])
    except (Missing, ContractError):
        return {}


def record_metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a summary by name, for forecasts of horizon 1.

    They are the number of forecasts, the share inside the 80 % interval, and the skill against the constant quantiles.
    Unknown values are left out.
    """
    first = next((row for row in summary["horizons"] if row["horizon"] == 1), None)
    if first is None:
        return {}
    coverage, skill = first["coverage"].get("80"), first["skill"].get("constant")
    return {
        "RecordDays": first["n"],
        **({"RecordCoverage80": coverage["value"]} if coverage else {}),
        **({"RecordSkill": skill["value"]} if skill else {}),
    }
