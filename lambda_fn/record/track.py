"""The track record of a pair: its scored forecasts and their summary, kept beside the ledger that they come from."""

from datetime import date, datetime
from typing import Any

from lambda_fn import contract, fields
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import parse
from lambda_fn.record import scoring
from lambda_fn.record.ledger import Entry
from lambda_fn.record.scoring import Score
from lambda_fn.record.summary import newest, summarise
from lambda_fn.store import keys
from lambda_fn.store.objects import Missing, Store, Unavailable

ATTEMPTS = 5  # an attempt is lost only when somebody else wrote the same file
FINAL_AFTER_DAYS = 2 * contract.MAX_HORIZON  # calendar days in which the longest forecast has come to its end
KINDS = ("live", "late")


def update(store: Store, pair: str, now: datetime, anew: bool = False) -> list[Score]:
    """Scores what has become known since, writes `record/<PAIR>.csv` and the summary `serving/record.json`, and gives
    all rows.

    Rows whose forecast is wholly known are kept as they are; `anew` computes every row from ledger and prices again,
    which gives the same bytes unless prices were corrected. Raises Unavailable, and ContractError for a ledger entry
    or a price file that cannot be read.
    """
    for _ in range(ATTEMPTS):
        before, etag = _read(store, keys.scores_key(pair))
        scores = _scores(store, pair, [] if anew or before is None else _parsed(before))
        data = scoring.to_csv(scores)
        if data == before or (before is None and not scores) or store.replace(keys.scores_key(pair), data, etag):
            write_summary(store, pair, scores, now)
            return scores
    raise Unavailable(f"{store.describe()}: {keys.scores_key(pair)} changed {ATTEMPTS} times meanwhile")


def write_summary(store: Store, pair: str, scores: list[Score], now: datetime) -> None:
    """`serving/record.json`: the summary of each kind apart, the newest rows, and the active champion's backtest."""
    key = keys.record_key(pair)
    for _ in range(ATTEMPTS):
        before, etag = _read(store, key)
        summary = _summary(pair, scores, backtest_of(store, pair))
        if before is not None and _without_time(before) == summary:
            return
        if store.replace(key, fields.summed_bytes({**summary, "made_at": fields.utc_text(now)}), etag):
            return
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile")


def backtest_of(store: Store, pair: str) -> dict[str, Any] | None:
    """The backtest's summary that the active champion's pointer brought; None where there is none."""
    try:
        active = contract.Active.parse(store.read(keys.active_key(pair)).data)
    except (Missing, ContractError):
        return None
    return active.pointer.backtest


def scores_of(store: Store, pair: str) -> list[Score]:
    """The rows as they are kept; none when there is no file or it cannot be read."""
    before, _ = _read(store, keys.scores_key(pair))
    return [] if before is None else _parsed(before)


def entries(store: Store, pair: str) -> list[date]:
    """The days that the ledger holds, ascending."""
    names = (key.rpartition("/")[2].removesuffix(".json") for key in store.list(f"record/{pair}"))
    return sorted(date.fromisoformat(name) for name in names)


def _scores(store: Store, pair: str, kept: list[Score]) -> list[Score]:
    closes: dict[str, dict[date, float]] = {}
    final: dict[date, list[Score]] = {}
    for row in kept:
        final.setdefault(row.as_of, []).append(row)
    newest_day = max((row.target_date for row in kept), default=date.min)
    scores: list[Score] = []
    for day in entries(store, pair):
        if day in final and (newest_day - day).days > FINAL_AFTER_DAYS:
            scores += final[day]
            continue
        entry = Entry.parse(store.read(keys.ledger_key(pair, day)).data)
        if entry.source not in closes:
            closes[entry.source] = _closes(store, pair, entry.source)
        scores += scoring.score(entry, closes[entry.source])
    return scores


def _closes(store: Store, pair: str, source: str) -> dict[date, float]:
    """All closes of a price file by date; none while there is no file."""
    try:
        table = parse(store.read(keys.price_key(pair, source)).data, ["close"])
    except Missing:
        return {}
    return dict(zip(table.dates, table.columns["close"].tolist(), strict=True))


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
