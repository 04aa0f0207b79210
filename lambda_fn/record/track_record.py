"""The track record of a pair: its scored forecasts and their summary, kept beside the ledger that they come from."""

import hashlib
import logging
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from lambda_fn import contract, fields
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import parse
from lambda_fn.record import scoring
from lambda_fn.record.ledger import Entry
from lambda_fn.record.scoring import Score
from lambda_fn.record.statistics import newest, summarise
from lambda_fn.record.summary_checks import KINDS, MADE_FROM, check_backtest, parse_record
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

ATTEMPTS = 5  # an attempt is lost only when somebody else wrote the same file
FINAL_AFTER_DAYS = 2 * contract.MAX_HORIZON  # calendar days in which the longest forecast has come to its end
ROWS = "rows"  # beside the sources of prices in what a record was made from
_log = logging.getLogger(__name__)


class Track(NamedTuple):
    """All rows of a pair, and the entries of its ledger that cannot be used, each with the reason."""

    scores: list[Score]
    faults: list[str]


def update(store: Store, pair: str, now: datetime, anew: bool = False) -> Track:
    """Score what has become known since, and write `record/<PAIR>.csv` and the summary `serving/record.json`.

    An entry of the ledger that cannot be used costs its own rows alone. Rows whose forecast is wholly known are kept as
    they are, unless they or the closes that they were made from have changed since; `anew` computes every row again.
    Raises Unavailable, and ContractError for a price file that cannot be read.
    """
    for _ in range(ATTEMPTS):
        before, etag = _read(store, keys.scores_key(pair))
        record, _ = _read(store, keys.record_key(pair))
        closes = _Closes(store, pair)
        known = [] if anew or before is None else _parsed(before)
        if before is None or not closes.made(known, before, _made_from(record, pair)):
            known = []
        scores, faults = _scores(store, pair, known, closes)
        data = scoring.to_csv(scores)
        if data == before or (before is None and not scores) or store.replace(keys.scores_key(pair), data, etag):
            write_summary(store, pair, scores, now, closes.digests(scores, data))
            return Track(scores, faults)
    raise Unavailable(f"{store.describe()}: {keys.scores_key(pair)} changed {ATTEMPTS} times meanwhile")


def write_summary(
    store: Store, pair: str, scores: list[Score], now: datetime, made_from: dict[str, str] | None = None
) -> None:
    """Write `serving/record.json`: the summary of each kind apart, the newest rows, and the active champion's backtest.

    `made_from` are digests of the rows and of their closes; without them the record's own stay.
    """
    key = keys.record_key(pair)
    for _ in range(ATTEMPTS):
        before, etag = _read(store, key)
        summary = _summary(pair, scores, backtest_of(store, pair))
        summary[MADE_FROM] = _made_from(before, pair) if made_from is None else made_from
        if before is not None and _without_time(before) == summary:
            return
        if store.replace(key, fields.summed_bytes({**summary, "made_at": fields.utc_text(now)}), etag):
            return
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile")


class _Closes:
    """The closes of a pair's price files by source and date, each file read when it is first needed."""

    def __init__(self, store: Store, pair: str) -> None:
        self._store, self._pair = store, pair
        self._by_source: dict[str, dict[date, float]] = {}

    def of(self, source: str) -> dict[date, float]:
        """Return the closes of a source; empty while it has no file."""
        if source not in self._by_source:
            try:
                table = parse(self._store.read(keys.price_key(self._pair, source)).data, ["close"])
            except Missing:
                self._by_source[source] = {}
            else:
                self._by_source[source] = dict(zip(table.dates, table.columns["close"].tolist(), strict=True))
        return self._by_source[source]

    def digests(self, scores: Sequence[Score], data: bytes) -> dict[str, str]:
        """Digests of `data`, which holds these rows, and of each source's closes that they are about."""
        first = min((row.as_of for row in scores), default=date.max)
        last = max((row.target_date for row in scores), default=date.min)
        lines = {
            source: "".join(f"{day} {close!r}\n" for day, close in closes.items() if first <= day <= last)
            for source, closes in sorted(self._by_source.items())
        }
        digests = {source: hashlib.sha256(text.encode()).hexdigest() for source, text in lines.items()}
        return {ROWS: hashlib.sha256(data).hexdigest(), **digests}

    def made(self, scores: Sequence[Score], data: bytes, made_from: dict[str, str]) -> bool:
        """Whether `data`, which holds these rows, and the closes are what the record was made from."""
        for source in made_from.keys() - {ROWS}:
            self.of(source)
        return self.digests(scores, data) == made_from


def _made_from(data: bytes | None, pair: str) -> dict[str, str]:
    """What a record was made from; empty where it is missing, cannot be read or does not say."""
    try:
        made_from: dict[str, str] = {} if data is None else parse_record(data, pair).get(MADE_FROM, {})
    except ContractError:
        return {}
    return made_from


def backtest_of(store: Store, pair: str) -> dict[str, Any] | None:
    """The backtest's summary that the active champion's pointer brought; None where there is none."""
    try:
        active = contract.Active.parse(store.read(keys.active_key(pair)).data)
        check_backtest(active.pointer.backtest)
    except (Missing, ContractError) as error:
        _log.info("the record of %s shows no backtest: %s", pair, error)
        return None
    return active.pointer.backtest


def scores_of(store: Store, pair: str) -> list[Score]:
    """The rows as they are kept; none when there is no file or it cannot be read."""
    before, _ = _read(store, keys.scores_key(pair))
    return [] if before is None else _parsed(before)


def entries(store: Store, pair: str) -> tuple[list[date], list[str]]:
    """The days that the ledger holds, ascending, and the names of files that are none of its entries."""
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
        else:  # another spelling of a date, such as 20261030, would be a second entry of its day
            others.append(name)
    return sorted(days), others


def _scores(store: Store, pair: str, known: list[Score], closes: _Closes) -> tuple[list[Score], list[str]]:
    final: dict[date, list[Score]] = {}
    for row in known:
        final.setdefault(row.as_of, []).append(row)
    newest_day = max((row.target_date for row in known), default=date.min)
    scores: list[Score] = []
    days, others = entries(store, pair)
    if others:
        _log.warning(
            "record/%s holds %d files that are no entries of the ledger, such as %r", pair, len(others), others[0]
        )
    faults = []
    for day in days:
        if day in final and (newest_day - day).days > FINAL_AFTER_DAYS:
            scores += final[day]
            continue
        key = keys.ledger_key(pair, day)
        try:
            entry = Entry.parse(store.read(key).data, pair, day)
        except ContractError as error:
            faults.append(f"{key}: {error}")
            continue
        scores += scoring.score(entry, closes.of(entry.source))
    if faults:
        _log.warning("%d entries of the ledger are not scored, the first: %s", len(faults), faults[0])
    return scores, faults


def _summary(pair: str, scores: list[Score], backtest: dict[str, Any] | None) -> dict[str, Any]:
    by_kind = {kind: [row for row in scores if row.kind == kind] for kind in KINDS}
    return {
        "contract_version": contract.CONTRACT_VERSION,
        "pair": pair,
        **{kind: summarise(rows) for kind, rows in by_kind.items()},
        "backtest": backtest,
        "newest": newest(scores),
    }


def _without_time(data: bytes) -> dict[str, Any] | None:
    try:
        found = fields.json_object(data, "record")
    except ContractError:
        return None
    return {name: value for name, value in found.items() if name != "made_at"}


def _parsed(data: bytes) -> list[Score]:
    """Rows that cannot be read are made anew from the ledger."""
    try:
        return scoring.from_csv(data)
    except ContractError:
        return []


def _read(store: Store, key: str) -> tuple[bytes | None, str | None]:
    try:
        return store.read(key)
    except Missing:
        return None, None
