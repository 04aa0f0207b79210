"""What refresh and ingest do with the records after their own work: the forecast is made, its summary is kept."""

from datetime import datetime

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.record import track
from lambda_fn.record.making import Made, make
from lambda_fn.store.objects import Missing, Store


def after_activation(store: Store, pair: str, now: datetime, sandbox: Sandbox | None = None) -> Made:
    """The official forecast of what is active now, and the summary with its champion's backtest.

    Raises Unavailable when the store does not answer.
    """
    made = make(store, pair, now, sandbox)
    if made.official is not None:
        track.write_summary(store, pair, track.scores_of(store, pair), now)
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
        faults = track.update(store, pair, now, anew=corrected).faults
    except (ContractError, Missing) as error:
        return made, f"the forecasts could not be scored: {error}"
    return made, f"{len(faults)} entries of the ledger are not scored, the first: {faults[0]}" if faults else ""
