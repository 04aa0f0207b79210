"""The track record of a pair: its scored forecasts and their summary, computed from the ledger and the prices."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from lambda_fn import contract, fields
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import parse
from lambda_fn.record import scoring
from lambda_fn.record.degradation import check_record, find_degradation
from lambda_fn.record.official_forecast import Entry
from lambda_fn.record.scoring import Score
from lambda_fn.record.statistics import newest, summarise
from lambda_fn.record.summary_checks import KINDS, MADE_FROM, check_backtest, parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Blob, Missing, Store

FINAL_AFTER_DAYS = 2 * contract.MAX_HORIZON  # calendar days after which all outcomes of a forecast are known
Identity = tuple[date, str, str]  # of a forecast: its `as_of`, `made_at` and `sha256`
ROWS = "rows"  # the name of the rows' digest, next to those of the sources of prices
_log = logging.getLogger(__name__)


class Track(NamedTuple):
    """All rows of a pair, and its invalid ledger entries, each with the reason."""

    scores: list[Score]
    faults: list[str]


def update(store: Store, pair: str, now: datetime, rebuild: bool = False) -> Track:
    """Score the forecasts with new outcomes, and write `record/<PAIR>.csv` and the summary `serving/record.json`.

    An invalid ledger entry has no rows and does not affect the others. Rows of a forecast all of whose outcomes are
    known are reused, unless they or the closes that they were computed from have changed since.

    Args:
        store: the store.
        pair: the currency pair.
        now: the time of this update, in the summary.
        rebuild: compute every row again.

    Raises Unavailable, and ContractError for an invalid price file.
    """

    def score(stored: bytes | None) -> tuple[bytes | None, tuple[Track, dict[str, str]]]:
        closes = _Closes(store, pair)
        rows = [] if stored is None else _parse_scores(stored)
        previous = [] if rebuild else rows
        record = store.find(keys.record_key(pair))
        if (
            stored is None
            or not scoring.has_touches(stored)
            or not closes.matches(previous, stored, _made_from(record and record.data, pair))
        ):
            previous = []
        times = {
            (row.as_of, row.made_at, row.sha256): datetime.fromisoformat(row.stored_at) for row in rows if row.stored_at
        }
        scores, faults = _compute_scores(store, pair, previous, closes, times)
        data = scoring.to_csv(scores)
        is_written = data != stored and not (stored is None and not scores)
        return (data if is_written else None), (Track(scores, faults), closes.digests(scores, data))

    track, digests = store.update(keys.scores_key(pair), score)
    write_summary(store, pair, track.scores, now, digests)
    return track


def write_summary(
    store: Store, pair: str, scores: list[Score], now: datetime, made_from: dict[str, str] | None = None
) -> None:
    """Write `serving/record.json`: a summary of each kind, the newest rows, and the active champion's backtest.

    Args:
        store: the store.
        pair: the currency pair.
        scores: all rows of the pair.
        now: the time of this update.
        made_from: digests of the rows and of their closes; None leaves those of the record unchanged.
    """
    checks = check_record(scores)
    if degraded := find_degradation(checks):
        _log.warning("the live record of %s has degraded: %s", pair, "; ".join(degraded))

    def summary(stored: bytes | None) -> tuple[bytes | None, None]:
        members: dict[str, Any] = {
            "contract_version": contract.CONTRACT_VERSION,
            "pair": pair,
            **{kind: summarise([row for row in scores if row.kind == kind]) for kind in KINDS},
            "backtest": read_backtest(store, pair),
            "checks": checks,
            "newest": newest(scores),
            MADE_FROM: _made_from(stored, pair) if made_from is None else made_from,
        }
        if stored is not None and _ignoring_made_at(stored) == members:
            return None, None
        return fields.summed_bytes({**members, "made_at": fields.utc_text(now)}), None

    store.update(keys.record_key(pair), summary)


class _Closes:
    """The closes of a pair's price files by source and date; each file is read when it is first needed."""

    def __init__(self, store: Store, pair: str) -> None:
        self._store, self._pair = store, pair
        self._by_source: dict[str, dict[date, float]] = {}

    def for_source(self, source: str) -> dict[date, float]:
        """Return the closes of a source by date; empty if it has no file."""
        if source not in self._by_source:
            try:
                table = parse(self._store.read(keys.price_key(self._pair, source)).data, ["close"])
            except Missing:
                self._by_source[source] = {}
            else:
                self._by_source[source] = dict(zip(table.dates, table.columns["close"].tolist(), strict=True))
        return self._by_source[source]

    def digests(self, scores: Sequence[Score], data: bytes) -> dict[str, str]:
        """Return digests of `data`, which contains these rows, and of the closes in their period by source."""
        first = min((row.as_of for row in scores), default=date.max)
        last = max((row.target_date for row in scores), default=date.min)
        lines = {
            source: "".join(f"{day} {close!r}\n" for day, close in closes.items() if first <= day <= last)
            for source, closes in sorted(self._by_source.items())
        }
        digests = {source: hashlib.sha256(text.encode()).hexdigest() for source, text in lines.items()}
        return {ROWS: hashlib.sha256(data).hexdigest(), **digests}

    def matches(self, scores: Sequence[Score], data: bytes, made_from: dict[str, str]) -> bool:
        """Return whether `data`, which contains these rows, and the closes have the digests `made_from`."""
        for source in made_from.keys() - {ROWS}:
            self.for_source(source)
        return self.digests(scores, data) == made_from


def _made_from(data: bytes | None, pair: str) -> dict[str, str]:
    """Return the digests in a record; empty if the record or its member is missing, or the record is invalid."""
    try:
        made_from: dict[str, str] = {} if data is None else parse_record(data, pair).get(MADE_FROM, {})
    except ContractError:
        return {}
    return made_from


def read_backtest(store: Store, pair: str) -> dict[str, Any] | None:
    """Return the summary of the backtest in the active champion's pointer; None if there is none."""
    try:
        active = contract.Active.parse(store.read(keys.active_key(pair)).data)
        check_backtest(active.pointer.backtest)
    except (Missing, ContractError) as error:
        _log.info("no backtest in the record of %s: %s", pair, error)
        return None
    return active.pointer.backtest


def keep_backtest(store: Store, pair: str, now: datetime) -> None:
    """Write the summary unless it is valid and has the active champion's backtest."""
    try:
        record = parse_record(store.read(keys.record_key(pair)).data, pair)
    except (Missing, ContractError):
        record = {}
    if not record or record.get("backtest") != read_backtest(store, pair):
        write_summary(store, pair, read_scores(store, pair), now)


def read_scores(store: Store, pair: str) -> list[Score]:
    """Return the stored rows; empty if there is no file or it is invalid."""
    blob = store.find(keys.scores_key(pair))
    return _parse_scores(blob.data) if blob else []


def entries(store: Store, pair: str) -> tuple[list[date], list[str]]:
    """Return the days in the ledger, ascending, and the names of files in its folder that are not entries."""
    days, others = [], []
    for key in store.list(f"record/{pair}"):
        name = key.removeprefix(f"record/{pair}/")
        try:
            day = date.fromisoformat(name.removesuffix(".json"))
        except ValueError:
            others.append(name)
            continue
        if key == keys.ledger_key(pair, day):
            days.append(day)
        else:  # a different spelling of a date, such as 20261030, would be a second entry of its day
            others.append(name)
    return sorted(days), others


def earliest_store_time(entry: Entry, blob: Blob, times: Mapping[Identity, datetime]) -> datetime | None:
    """Return the earliest time that the store ever told of an entry; None if it told none.

    Args:
        entry: the entry.
        blob: its object. A copy, or a version that was restored, has a later time than the first object.
        times: the earliest known time of each forecast.
    """
    earlier = times.get((entry.as_of, fields.utc_text(entry.made_at), entry.sha256))
    return min((time for time in (earlier, blob.stored_at) if time is not None), default=None)


def _compute_scores(
    store: Store,
    pair: str,
    previous: list[Score],
    closes: _Closes,
    times: Mapping[Identity, datetime],
) -> tuple[list[Score], list[str]]:
    """Compute all rows, and reuse the previous ones of forecasts all of whose outcomes are known.

    Args:
        store: the store.
        pair: the currency pair.
        previous: rows that may be reused.
        closes: the closes of the pair.
        times: as in `earliest_store_time`.

    Returns the rows, and the errors of invalid ledger entries.
    """
    final: dict[date, list[Score]] = {}
    for row in previous:
        if row.stored_at:  # rows of earlier versions were not compared with the store's time
            final.setdefault(row.as_of, []).append(row)
    newest_day = max((row.target_date for row in previous), default=date.min)
    scores: list[Score] = []
    days, others = entries(store, pair)
    if others:
        _log.warning("record/%s: %d files are not entries of the ledger, such as %r", pair, len(others), others[0])
    faults = []
    for day in days:
        if day in final and (newest_day - day).days > FINAL_AFTER_DAYS:
            scores += final[day]
            continue
        key = keys.ledger_key(pair, day)
        try:
            blob = store.read(key)
            entry = Entry.parse(blob.data, pair, day)
        except ContractError as error:
            faults.append(f"{key}: {error}")
            continue
        stored_at = earliest_store_time(entry, blob, times)
        scores += scoring.score(entry, closes.for_source(entry.source), stored_at)
    if faults:
        _log.warning("%d entries of the ledger are not scored; the first: %s", len(faults), faults[0])
    return scores, faults


def _ignoring_made_at(data: bytes) -> dict[str, Any] | None:
    try:
        members = fields.json_object(data, "record")
    except ContractError:
        return None
    return {name: value for name, value in members.items() if name != "made_at"}


def _parse_scores(data: bytes) -> list[Score]:
    """Parse stored rows; return none if they are invalid, so that they are computed again from the ledger."""
    try:
        return scoring.from_csv(data)
    except ContractError:
        return []


def live_metrics(store: Store, pair: str) -> dict[str, float]:
    """Return the metrics of the pair's live record; only RecordDegraded if there is no valid `serving/record.json`."""
    try:
        record = parse_record(store.read(keys.record_key(pair)).data, pair)
    except (Missing, ContractError):
        return {"RecordDegraded": 0.0}
    return {
        **record_metrics(record["live"]),
        "RecordDegraded": float(bool(find_degradation(record.get("checks") or ()))),
    }


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
