"""Ingest: adds the ECB's new rates to the store's price file, and keeps a file that cannot be right aside."""

import argparse
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lambda_fn.champion.refusals import Refusal, is_first, shorten_reason
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import DATE, TARGET_DATE, Active
from lambda_fn.fields import ContractError
from lambda_fn.jobs.per_pair import for_each, tell_each
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.prices import ecb
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.ecb import EcbError
from lambda_fn.prices.merge import SOURCE, offered_table, update
from lambda_fn.prices.price_file import parse_tail
from lambda_fn.record import all_pairs
from lambda_fn.record.issue import Made
from lambda_fn.record.publication import after_prices, live_figures
from lambda_fn.settings import Settings, SettingsError, read_dotenv, shown_url
from lambda_fn.store import keys
from lambda_fn.store.exit_code import code_of
from lambda_fn.store.object_store import Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store

SERVICE = "ingest"  # in logs and metrics
ATTEMPTS = 5  # an attempt is lost only when somebody else wrote the price file
REFUSED, MAX_REFUSED = "prices/refused", 200  # files: beyond them a refused file is not stored, its reason is
LAST_BYTES = 4096  # of a price file: more than its last row
_log = logging.getLogger(__name__)


class Ingested(NamedTuple):
    """What became of the ECB's file: `rows` were written, `last_date` is the price file's, None when there is none."""

    outcome: Literal["created", "appended", "replaced", "unchanged", "refused"]
    rows: int
    last_date: date | None
    reason: str

    def to_object(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self._asdict(), "last_date": self.last_date.isoformat() if self.last_date else None}


class Kept(NamedTuple):
    """What became of the ECB's file and of the records: `unscored` says why forecasts could not be scored, empty
    when they could."""

    ingested: Ingested
    made: Made
    unscored: str

    def to_object(self) -> dict[str, Any]:
        """As JSON types: those of the file, and under `forecast` what became of that."""
        forecast = {"outcome": self.made.outcome, "reason": self.made.reason}
        more = {"unscored": self.unscored} if self.unscored else {}
        return {**self.ingested.to_object(), "forecast": forecast, **more}


class Refused(Exception):
    """The ECB's file was refused, for the first time; the price file stays as it was."""

    def __init__(self, result: Ingested) -> None:
        super().__init__(result.reason)
        self.result = result


def ingest(
    store: Store,
    settings: Settings,
    now: datetime,
    fetch: Callable[[str], bytes] = ecb.download,
    replace: bool = False,
    request_id: str = "",
    accepted: date | None = None,
) -> Ingested:
    """Fetches the ECB's history and adds the rows that the pair's price file has not yet; makes the file when there
    is none. With `replace` a history that differs takes its place, and the reason says where it does. On the day
    `accepted` a price may move further than on any day before.

    Safe to repeat and to run at the same time as others. Raises EcbError when the file cannot be fetched, Unavailable
    when the store does not answer, and Refused the first time that this file is refused; the next times it only
    returns so. `request_id` is Lambda's, the same when it tries an event again: all tries of the first time raise.
    """
    data = fetch(settings.ecb_url)
    key = keys.price_key(settings.pair, SOURCE)
    # Days are UTC's: a day's rates are published about 16:00 in Frankfurt, hours before UTC's day ends.
    today = now.astimezone(UTC).date()
    for _ in range(ATTEMPTS):
        try:
            stored, etag = store.read(key)
        except Missing:
            stored, etag = None, None
        try:
            offered = offered_table(data, shown_url(settings.ecb_url), settings.pair)
            found = update(stored, offered, declared_columns(store, settings.pair), today, replace, accepted)
        except (EcbError, ContractError) as error:
            return _refuse(store, settings, data, str(error), now, request_id)
        if found.data is None or store.replace(key, found.data, etag):
            return Ingested(found.outcome, found.rows, found.last_date, f"{key}: {found.reason}")
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile; ingest again")


def ingest_and_keep(
    store: Store,
    settings: Settings,
    now: datetime,
    fetch: Callable[[str], bytes] = ecb.download,
    replace: bool = False,
    request_id: str = "",
    sandbox: Sandbox | None = None,
    accepted: date | None = None,
) -> Kept:
    """Ingests, as `ingest`, then makes the official forecast and scores those whose outcome is known now. Also where no
    row is new: what an earlier call was stopped before is made up for."""
    result = ingest(store, settings, now, fetch, replace, request_id, accepted)
    made, unscored = after_prices(store, settings.pair, now, corrected=result.outcome == "replaced", sandbox=sandbox)
    return Kept(result, made, unscored)


def declared_columns(store: Store, pair: str) -> list[str]:
    """The price columns that the active champion takes: those of its golden inputs."""
    active = read_active(store, pair)
    names = {name for golden in active.pointer.golden for name in golden.inputs} if active else set()
    return sorted(names - {DATE, TARGET_DATE})


def read_active(store: Store, pair: str) -> Active | None:
    """What is active; None also when that cannot be read, which is refresh's to report."""
    try:
        return Active.parse(store.read(keys.active_key(pair)).data)
    except (Missing, ContractError):
        return None


def last_date(store: Store, pair: str) -> date | None:
    """Of the pair's price file; None when there is none or its end cannot be read."""
    try:
        tail = store.tail(keys.price_key(pair, SOURCE), LAST_BYTES)
        return parse_tail(tail.data, 1, ["close"], []).dates[-1]
    except (Missing, ContractError, IndexError):
        return None


def _refuse(store: Store, settings: Settings, data: bytes, reason: str, now: datetime, request_id: str) -> Ingested:
    """Keeps the file and the reason aside; raises Refused unless this file was refused before."""
    result = Ingested("refused", 0, last_date(store, settings.pair), reason)
    digest = hashlib.sha256(data).hexdigest()
    if len(store.list(REFUSED)) < MAX_REFUSED:
        store.create(f"{REFUSED}/{digest}.zip", data)  # once, for whichever pairs refuse it
    refusal = Refusal(shorten_reason(reason), now, request_id, {"url": shown_url(settings.ecb_url), "size": len(data)})
    if is_first(store, f"{REFUSED}/{settings.pair}-{digest}.json", refusal):
        raise Refused(result)
    return result


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """AWS Lambda's entry, on a timer; the event's content does not matter. One download serves all pairs, each by
    itself. What cannot be fetched and a first refusal are raised, at every try, so that they end in the dead-letter
    queue; the ages are measured all the same."""
    settings = Settings.from_env(os.environ)
    logged = log_as_json("lambda_fn", SERVICE, os.environ)
    request_id = logged.keys["request_id"] = context.aws_request_id
    store, now = open_store(settings), datetime.now(UTC)
    try:
        data = ecb.download(settings.ecb_url)
    except EcbError:
        for pair in settings.pairs:
            _measure(store, settings.of(pair), now, rows=0, refused=False)
        raise
    try:
        with Sandbox() as sandbox:
            return for_each(
                settings.pairs, logged, lambda pair: _ingested(store, settings.of(pair), now, data, request_id, sandbox)
            )
    finally:
        _pool(store, settings, now)


def _pool(store: Store, settings: Settings, now: datetime) -> None:
    """The records of several pairs together; that they could not be written is no failure of prices or forecasts."""
    if len(settings.pairs) > 1:
        try:
            all_pairs.write(store, settings.pairs, now)
        except Unavailable as error:
            _log.warning("the records could not be pooled: %s", error)


def _ingested(
    store: Store, settings: Settings, now: datetime, data: bytes, request_id: str, sandbox: Sandbox
) -> dict[str, Any]:
    """Ingests one pair from the ECB's file, with its metrics and lines of the log; raises as `ingest`."""
    try:
        kept = ingest_and_keep(store, settings, now, lambda url: data, request_id=request_id, sandbox=sandbox)
    except Refused:
        _measure(store, settings, now, rows=0, refused=True)
        raise
    result, made, unscored = kept
    _measure(store, settings, now, result.rows, refused=result.outcome == "refused", made=made)
    answer = kept.to_object()
    log = _log.warning if result.outcome == "refused" else _log.info
    log(result.reason, extra={name: value for name, value in answer.items() if name != "reason"})
    if made.outcome == "refused" or unscored:
        _log.warning(unscored or made.reason, extra={"forecast": made.outcome})
    return answer


def _measure(
    store: Store, settings: Settings, now: datetime, rows: int, refused: bool, made: Made | None = None
) -> None:
    """One record for CloudWatch. PriceAgeDays are the ECB's business days that have begun since the last row's, 0
    when today's is there. ChampionAgeDays are days since the champion's activation: they grow when training no longer
    publishes or refresh no longer activates, whatever the reason. EventDaysLeft are the days for which the champion
    knows scheduled news. What is not known is left out, and AgesKnown is 1 when both ages are
    there. The live record's figures are of all days until now."""
    metrics = [Metric("RowsAppended", "Count", rows), Metric("PricesRefused", "Count", refused)]
    if made is not None:
        metrics.append(Metric("ForecastMade", "Count", made.outcome == "made"))
        metrics.append(Metric("ForecastRefused", "Count", made.outcome == "refused"))
    pair = settings.pair
    last, active = last_date(store, pair), read_active(store, pair)
    metrics.append(Metric("AgesKnown", "Count", last is not None and active is not None))
    if last is not None:
        age_days = business_days_since(last, now.astimezone(UTC).date(), SOURCE)
        metrics.append(Metric("PriceAgeDays", "None", age_days))
    if active is not None:
        age = (now - active.activated_at).total_seconds() / 86_400
        metrics.append(Metric("ChampionAgeDays", "None", round(age, 3)))
        if known_through := active.pointer.events_known_through:
            days_left = (known_through - now.astimezone(UTC).date()).days
            metrics.append(Metric("EventDaysLeft", "None", days_left))
    metrics += [Metric(name, "None", value) for name, value in live_figures(store, pair).items()]
    write_metrics(SERVICE, settings.stack, pair, metrics)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m lambda_fn.ingest`; returns 1 after one sentence on standard error when the file was not taken."""
    parser = argparse.ArgumentParser("python -m lambda_fn.ingest", description="Add the ECB's new rates to the store.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--replace", action="store_true", help="take the ECB's history where it differs, saying where")
    parser.add_argument(
        "--accept", metavar="DAY", type=_day, help="accept a large move of this day, such as 2026-10-30"
    )
    parser.add_argument("--pair", help="one of the pairs of PAIRS; all unless told")
    asked = parser.parse_args(arguments)
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))  # credentials are looked for there
        settings = Settings.from_env(os.environ)
        pairs, store = settings.chosen(asked.pair), open_store(settings)
        data = ecb.download(settings.ecb_url)
        with Sandbox() as sandbox:
            code = tell_each(
                pairs,
                lambda pair: _asked(store, settings.of(pair), data, asked.replace, asked.accept, sandbox),
                asked.json,
            )
    except (SettingsError, EcbError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return code_of(error)
    _pool(store, settings, datetime.now(UTC))
    return code


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; give one such as 2026-10-30") from error


def _asked(
    store: Store, settings: Settings, data: bytes, replace: bool, accepted: date | None, sandbox: Sandbox
) -> dict[str, Any]:
    try:
        return ingest_and_keep(
            store, settings, datetime.now(UTC), lambda url: data, replace, sandbox=sandbox, accepted=accepted
        ).to_object()
    except Refused as error:
        return error.result.to_object()


if __name__ == "__main__":
    sys.exit(main())
