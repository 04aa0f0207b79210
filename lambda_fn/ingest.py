"""Ingest: append the ECB's new rates to the store's price file; invalid files are rejected and stored separately."""

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

from lambda_fn.champion.refusals import Refusal, is_first, shorten_reason
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import DATE, TARGET_DATE, Active
from lambda_fn.fields import ContractError
from lambda_fn.jobs import dry_run
from lambda_fn.jobs.per_pair import run_each
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.prices import ecb
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.ecb import EcbError
from lambda_fn.prices.merge import SOURCE, read_ecb_table, update
from lambda_fn.prices.price_file import parse_tail
from lambda_fn.record import all_pairs, correlations, reference_books
from lambda_fn.record.issue import ForecastResult, after_prices
from lambda_fn.record.track_record import live_metrics
from lambda_fn.settings import Settings, redact_url
from lambda_fn.store import keys
from lambda_fn.store.command_line import (
    EXPECTED,
    TEMPORARY_FAILURE,
    Job,
    make_parser,
    parse_day,
    run_and_print_each,
    run_command,
)
from lambda_fn.store.object_store import JobStore, Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store

SERVICE = "ingest"  # in logs and metrics
REFUSED, MAX_REFUSED = "prices/refused", 200  # with more files there, only the reason of a refused file is stored
LAST_BYTES = 4096  # of a price file: more than its last row
_log = logging.getLogger(__name__)


class PriceUpdate(NamedTuple):
    """The result of an ingest: the number of rows written, and the price file's last date (None if there is none)."""

    outcome: Literal["created", "appended", "replaced", "unchanged", "refused"]
    rows: int
    last_date: date | None
    reason: str

    def to_object(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {**self._asdict(), "last_date": self.last_date.isoformat() if self.last_date else None}


class IngestResult(NamedTuple):
    """The results for prices and the official forecast, and why forecasts could not be scored (empty if all were)."""

    prices: PriceUpdate
    forecast: ForecastResult
    unscored: str

    def to_object(self) -> dict[str, Any]:
        """Return the results as JSON types: those of the prices, and the forecast's under `forecast`."""
        forecast = {"outcome": self.forecast.outcome, "reason": self.forecast.reason}
        more = {"unscored": self.unscored} if self.unscored else {}
        return {**self.prices.to_object(), "forecast": forecast, **more}


class Refused(Exception):
    """The ECB's file was refused for the first time; the price file is unchanged."""

    def __init__(self, result: PriceUpdate) -> None:
        super().__init__(result.reason)
        self.result = result


def ingest(
    store: Store,
    settings: Settings,
    now: datetime,
    fetch: Callable[[str], bytes] = ecb.download,
    replace: bool = False,
    request_id: str = "",
    accept_day: date | None = None,
) -> PriceUpdate:
    """Download the ECB's history, and append its new rows to the pair's price file, or create the file.

    Safe to repeat and to run concurrently.

    Args:
        store: the store.
        settings: name the pair and the ECB's URL.
        now: the current time.
        fetch: returns the file at a URL.
        replace: replace the price file by a history that differs; the reason says where.
        request_id: Lambda's, the same in its retries of an event.
        accept_day: a day on which a price may move further than on any day before.

    Raises EcbError if the file cannot be fetched, Unavailable if the store does not answer, and Refused the first time
    that this file is refused, in all retries with the same `request_id`; later calls return the outcome "refused".
    """
    data = fetch(settings.ecb_url)
    key = keys.price_key(settings.pair, SOURCE)
    # Days are in UTC: a day's rates are published about 16:00 in Frankfurt, hours before the end of the day in UTC.
    today = now.astimezone(UTC).date()

    def append(stored: bytes | None) -> tuple[bytes | None, PriceUpdate]:
        ecb_table = read_ecb_table(data, redact_url(settings.ecb_url), settings.pair)
        change = update(stored, ecb_table, declared_columns(store, settings.pair), today, replace, accept_day)
        return change.data, PriceUpdate(change.outcome, change.rows, change.last_date, f"{key}: {change.reason}")

    try:
        return store.update(key, append)
    except (EcbError, ContractError) as error:
        return _refuse(store, settings, data, str(error), now, request_id)


def ingest_and_forecast(
    store: Store,
    settings: Settings,
    now: datetime,
    fetch: Callable[[str], bytes] = ecb.download,
    replace: bool = False,
    request_id: str = "",
    sandbox: Sandbox | None = None,
    accept_day: date | None = None,
) -> IngestResult:
    """Ingest as `ingest` does, then issue the official forecast and score those whose outcome is known now.

    The latter two also happen without new rows, to complete the work of an earlier call that was stopped.

    Args:
        store, settings, now, fetch, replace, request_id, accept_day: as in `ingest`.
        sandbox: runs the champion; None for a new one.
    """
    store = JobStore(store)
    prices = ingest(store, settings, now, fetch, replace, request_id, accept_day)
    corrected = prices.outcome == "replaced"
    forecast, unscored = after_prices(store, settings, now, corrected=corrected, sandbox=sandbox)
    return IngestResult(prices, forecast, unscored)


def declared_columns(store: Store, pair: str) -> list[str]:
    """Return the price columns that the active champion needs: those of its golden inputs."""
    active = read_active(store, pair)
    names = {name for golden in active.pointer.golden for name in golden.inputs} if active else set()
    return sorted(names - {DATE, TARGET_DATE})


def read_active(store: Store, pair: str) -> Active | None:
    """Return the active record; None if it is missing, or invalid, which refresh reports."""
    try:
        return Active.parse(store.read(keys.active_key(pair)).data)
    except (Missing, ContractError):
        return None


def last_date(store: Store, pair: str) -> date | None:
    """Return the last date of the pair's price file; None if there is no file or its end is invalid."""
    try:
        tail = store.tail(keys.price_key(pair, SOURCE), LAST_BYTES)
        return parse_tail(tail.data, 1, ["close"], []).dates[-1]
    except (Missing, ContractError, IndexError):
        return None


def _refuse(store: Store, settings: Settings, data: bytes, reason: str, now: datetime, request_id: str) -> PriceUpdate:
    """Store the refused file and the reason. Raises Refused unless this file was refused before.

    Args:
        store: the store.
        settings: name the pair and the ECB's URL.
        data: the ECB's file.
        reason: the error.
        now: the current time.
        request_id: Lambda's, the same in its retries of an event.
    """
    result = PriceUpdate("refused", 0, last_date(store, settings.pair), reason)
    digest = hashlib.sha256(data).hexdigest()
    if len(store.list(REFUSED)) < MAX_REFUSED:
        store.create(f"{REFUSED}/{digest}.zip", data)  # once for all pairs that refuse it
    refusal = Refusal(shorten_reason(reason), now, request_id, {"url": redact_url(settings.ecb_url), "size": len(data)})
    if is_first(store, f"{REFUSED}/{settings.pair}-{digest}.json", refusal):
        raise Refused(result)
    return result


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a scheduled event in AWS Lambda; its content does not matter, except {"dry_run": true}: write nothing.

    One download serves all pairs, which are ingested independently. A failed download and a first refusal are raised in
    every retry, so that the event ends in the dead-letter queue; the metrics of ages are written in any case.
    """
    settings = Settings.from_env(os.environ)
    formatter = log_as_json("lambda_fn", SERVICE, os.environ)
    request_id = formatter.keys["request_id"] = context.aws_request_id
    store, now = open_store(settings), datetime.now(UTC)
    if event == dry_run.EVENT:

        def ingest_dry(store: Store, settings: Settings, sandbox: Sandbox) -> dict[str, Any]:
            return ingest_and_forecast(store, settings, datetime.now(UTC), sandbox=sandbox).to_object()

        return dry_run.run_dry(store, settings, ingest_dry, EcbError, Refused)
    try:
        data = ecb.download(settings.ecb_url)
    except EcbError:
        for pair in settings.pairs:
            _write_metrics(store, settings.for_pair(pair), now, rows=0, refused=False)
        raise

    def work(pair: str) -> dict[str, Any]:
        pair_settings = settings.for_pair(pair)
        try:
            result = ingest_and_forecast(
                store, pair_settings, now, lambda url: data, request_id=request_id, sandbox=sandbox
            )
        except Refused:
            _write_metrics(store, pair_settings, now, rows=0, refused=True)
            raise
        prices, forecast, unscored = result
        _write_metrics(store, pair_settings, now, prices.rows, refused=prices.outcome == "refused", forecast=forecast)
        response = result.to_object()
        log = _log.warning if prices.outcome == "refused" else _log.info
        log(prices.reason, extra={name: value for name, value in response.items() if name != "reason"})
        if forecast.outcome == "refused" or forecast.is_fallback or unscored:
            _log.warning(unscored or forecast.reason, extra={"forecast": forecast.outcome})
        return response

    try:
        with Sandbox() as sandbox:
            return run_each(settings.pairs, formatter, work)
    finally:
        _write_shared_records(store, settings, now)


def _write_shared_records(store: Store, settings: Settings, now: datetime) -> None:
    """Write the records of all pairs together, of their scores and of their correlations.

    A failure is only logged, because prices and forecasts do not depend on them.
    """
    try:
        if len(settings.pairs) > 1:
            all_pairs.write(store, settings.pairs, now)
        correlations.write(store, settings.pairs, now)
        reference_books.update(store, settings.pairs, now)
    except Unavailable as error:
        _log.warning("the records of all pairs could not be written: %s", error)


def _write_metrics(
    store: Store,
    settings: Settings,
    now: datetime,
    rows: int,
    refused: bool,
    forecast: ForecastResult | None = None,
) -> None:
    """Write the metrics of one pair for CloudWatch; unknown values are left out.

    PriceAgeDays is the number of the ECB's business days that have begun since the last row, 0 if today's row is there.
    ChampionAgeDays is the number of days since the champion's activation: it grows if training no longer publishes or
    refresh no longer activates, for whatever reason. EventDaysLeft is the number of days for which the champion knows
    scheduled news. AgesKnown is 1 if both ages are known, or that of the prices before the first activation. The
    metrics of the live record are of all days until now.

    Args:
        store: the store.
        settings: those of the pair.
        now: the current time.
        rows: number of rows written.
        refused: whether the ECB's file was refused.
        forecast: the result for the official forecast; None if none was tried.
    """
    metrics = [Metric("RowsAppended", "Count", rows), Metric("PricesRefused", "Count", refused)]
    if forecast is not None:
        metrics.append(Metric("ForecastMade", "Count", forecast.outcome == "made"))
        metrics.append(Metric("ForecastRefused", "Count", forecast.outcome == "refused"))
        metrics.append(Metric("ForecastFallback", "Count", forecast.is_fallback))
    pair = settings.pair
    last, active = last_date(store, pair), read_active(store, pair)
    # Before the first training there is no record of an activation, and a missing champion is no fault.
    history = keys.activated_key(1, pair).rpartition("/")[0]
    is_known = active is not None or (store.find(keys.active_key(pair)) is None and not store.list(history))
    metrics.append(Metric("AgesKnown", "Count", last is not None and is_known))
    if last is not None:
        age_days = business_days_since(last, now.astimezone(UTC).date(), SOURCE)
        metrics.append(Metric("PriceAgeDays", "None", age_days))
    if active is not None:
        age = (now - active.activated_at).total_seconds() / 86_400
        metrics.append(Metric("ChampionAgeDays", "None", round(age, 3)))
        if known_through := active.pointer.events_known_through:
            days_left = (known_through - now.astimezone(UTC).date()).days
            metrics.append(Metric("EventDaysLeft", "None", days_left))
    metrics += [Metric(name, "None", value) for name, value in live_metrics(store, pair).items()]
    write_metrics(SERVICE, settings.stack, pair, metrics)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m lambda_fn.ingest`, and return the exit code; an error is one sentence on standard error."""
    parser = make_parser("ingest", "Add the ECB's new rates to the store.")
    parser.add_argument(
        "--replace", action="store_true", help="replace the stored prices if the ECB's history differs, and say where"
    )
    parser.add_argument(
        "--accept", metavar="DAY", type=parse_day, help="accept a large move on this day, such as 2026-10-30"
    )

    def work(job: Job) -> int:
        args, store = job.args, job.store
        try:
            data = ecb.download(job.settings.ecb_url)
        except EcbError as error:
            sys.stderr.write(f"{error}\n")
            return TEMPORARY_FAILURE

        def ingest_pair(pair: str) -> dict[str, Any]:
            now, settings = datetime.now(UTC), job.settings.for_pair(pair)
            try:
                return ingest_and_forecast(
                    store, settings, now, lambda url: data, args.replace, sandbox=sandbox, accept_day=args.accept
                ).to_object()
            except Refused as error:
                return error.result.to_object()

        with Sandbox() as sandbox:
            code = run_and_print_each(job.pairs, ingest_pair, args.json)
        _write_shared_records(store, job.settings, datetime.now(UTC))
        return code

    return run_command(parser, arguments, work, (*EXPECTED, EcbError))


if __name__ == "__main__":
    sys.exit(main())
