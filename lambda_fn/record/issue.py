"""Makes the official forecast: from the active champion and the newest window of its price source, in one place.

Killed between any two of its writes, it heals when it is run again: the ledger is written first, create-only, then
`serving/forecast.json` by compare-and-set.
"""

import hashlib
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.base import ForecastError, Rows
from lambda_fn.champion.cache import fetch_champion
from lambda_fn.champion.model_card import champion_summary, model_card
from lambda_fn.champion.model_inputs import window_rows
from lambda_fn.champion.refusals import describe_error, shorten_reason
from lambda_fn.champion.sandbox import Sandbox, SandboxedChampion, reuse_or_start
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import Table, check_window, parse
from lambda_fn.record import benchmarks, ledger
from lambda_fn.record.official_forecast import Official, closes_of
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

BUILT_IN = ("constant", "ewma")  # benchmarks that serving computes by itself
ATTEMPTS = 5  # an attempt is lost only when somebody else wrote a forecast


class LiveForecastError(ForecastError):
    """The champion of this generation gave no forecast for the live window that may be served."""

    def __init__(self, reason: str, generation: int) -> None:
        super().__init__(reason)
        self.generation = generation


class Made(NamedTuple):
    """What became of the official forecast: `official` is the newest that can be served, None when there is none."""

    outcome: Literal["made", "unchanged", "refused", "nothing"]
    official: Official | None
    reason: str


def make(store: Store, pair: str, now: datetime, sandbox: Sandbox | None = None) -> Made:
    """Make the official forecast unless it exists. Safe to repeat and to run at the same time as others.

    When no forecast can be made, the last good one stays in place and gives the reason. The champion runs in `sandbox`,
    or in a new one, and only when the forecast would change. Raises Unavailable when the store does not answer.
    """
    with reuse_or_start(sandbox) as sandbox:
        for _ in range(ATTEMPTS):
            made = _make(store, pair, now, sandbox)
            if made is not None:
                return made
    key = keys.forecast_key(pair)
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile; refresh again")


def _make(store: Store, pair: str, now: datetime, sandbox: Sandbox) -> Made | None:
    """None when somebody else wrote first."""
    before, etag = read(store, pair)
    try:
        task = prepare(store, pair, now, sandbox)
        new = None if before is not None and task.is_done_by(before) else forecast(store, task, now)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 whatever a champion or its prices do is about them only
        if isinstance(error, Missing) and error.key == keys.active_key(pair):
            return Made("nothing", None, "nothing is active yet; run python -m training run")
        reason = describe_error(error, (ContractError, ForecastError, Missing), "its making")
        written = _tell(store, pair, before, etag, shorten_reason(_without_place(error, reason)), _suspended(error))
        return Made("refused", before, reason) if written else None
    if before is not None and (new is None or not _replaces(new, before)):
        ledger.keep(store, before)  # again, as whoever wrote it may have been killed before an older code kept it
        stands = f"the forecast of {before.as_of}, generation {before.generation}, stands"
        return Made("unchanged", before, stands) if _tell(store, pair, before, etag) else None
    assert new is not None
    ledger.keep(store, new)
    if not store.replace(keys.forecast_key(pair), new.to_json(), etag):
        return None
    return Made("made", new, f"the forecast after {new.as_of}, generation {new.generation}")


def _tell(
    store: Store,
    pair: str,
    official: Official | None,
    etag: str | None,
    withheld: str | None = None,
    suspended: int | None = None,
) -> bool:
    """Makes the forecast that stands tell why no newer one could be made, and of which generation no forecast is
    served; False when somebody else wrote first."""
    if official is None or (official.withheld, official.suspended) == (withheld, suspended):
        return True
    newer = official._replace(withheld=withheld, suspended=suspended)
    return store.replace(keys.forecast_key(pair), newer.to_json(), etag)


def _without_place(error: Exception, reason: str) -> str:
    """The reason for callers, who are not told where the store is."""
    if isinstance(error, Missing):
        return f"{error.key} is missing"
    if isinstance(error, ContractError | ForecastError):
        return reason
    return "its making ended in an unexpected error, which has been logged"


def _suspended(error: Exception) -> int | None:
    return error.generation if isinstance(error, LiveForecastError) else None


def read(store: Store, pair: str) -> tuple[Official | None, str | None]:
    """The official forecast and its ETag; no forecast when there is none that can be read."""
    try:
        blob = store.read(keys.forecast_key(pair))
    except Missing:
        return None, None
    try:
        return Official.parse(blob.data, pair), blob.etag
    except ContractError:
        return None, blob.etag


class Task(NamedTuple):
    """All that decides an official forecast: the champion, the price table and the champion's inputs at its end."""

    pair: str
    active: Active
    champion: SandboxedChampion
    table: Table
    inputs: Rows
    inputs_sha256: str
    sandbox: Sandbox

    def is_done_by(self, official: Official) -> bool:
        """Whether nothing would change: a forecast of the same champion and inputs with all benchmarks, or of a higher
        order."""
        order = self.active.generation, self.table.dates[-1]
        if official.order > order:
            return True
        benchmarks = {*BUILT_IN, *self.active.pointer.benchmarks}
        return (
            official.order == order
            and official.inputs_sha256 == self.inputs_sha256
            and official.withheld is None
            and benchmarks <= official.benchmarks.keys()
        )


def prepare(store: Store, pair: str, now: datetime, sandbox: Sandbox) -> Task:
    """Read the active champion and the newest window.

    Raises Missing when nothing is active or there are no prices, and ContractError when the prices cannot be used.
    """
    active = Active.parse(store.read(keys.active_key(pair)).data)
    champion = fetch_champion(store, active.serving_key, active.champion.sha256, sandbox)
    meta = champion.metadata
    table = parse(store.read(keys.price_key(pair, meta.prices)).data, champion.columns)
    inputs = window_rows(champion, table)
    newest = Table(
        table.dates[-meta.window :], {name: table.columns[name][-meta.window :] for name in champion.columns}
    )
    check_window(newest, champion.columns, meta.prices, now.date())
    return Task(pair, active, champion, table, inputs, _digest(inputs), sandbox)


def forecast(store: Store, task: Task, now: datetime) -> Official:
    """Run the champion and the benchmarks. Raises LiveForecastError when the champion gives no plausible forecast."""
    active, champion, table = task.active, task.champion, task.table
    meta = champion.metadata
    try:
        result = champion.plausible_forecast(task.inputs)
    except ForecastError as error:
        raise LiveForecastError(str(error), active.generation) from error
    close = table.columns["close"]
    compared, notes = _benchmarks(store, task)
    return Official(
        pair=task.pair,
        source=meta.prices,
        generation=active.generation,
        as_of=table.dates[-1],
        last_close=float(close[-1]),
        days=tuple(next_business_days(table.dates[-1], meta.horizon, meta.prices)),
        levels=meta.levels,
        quantiles=result.quantiles[0],
        mean=result.mean[0],
        benchmarks={name: prices.tolist() for name, prices in compared.items()},
        closes=closes_of(table.dates, close.tolist()),
        inputs_sha256=task.inputs_sha256,
        champion=champion_summary(active, champion),
        card=model_card(active, champion),
        made_at=now,
        notes=notes,
    )


def _replaces(new: Official, old: Official) -> bool:
    """A lower order never replaces a higher one; of an equal one only another window, as prices were corrected, or
    benchmarks that were missing."""
    if new.order != old.order:
        return new.order > old.order
    return new.inputs_sha256 != old.inputs_sha256 or new.benchmarks.keys() > old.benchmarks.keys()


def _benchmarks(store: Store, task: Task) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Quantiles [horizon, levels] by benchmark, and why one is missing: the forecast does not wait for it."""
    active, meta, table = task.active, task.champion.metadata, task.table
    close = table.columns["close"]
    shape = meta.levels, meta.horizon
    rows = {
        "constant": benchmarks.constant(table.dates, close, *shape, meta.prices),
        "ewma": benchmarks.ewma(close, *shape),
    }
    notes = []
    for name, file in active.pointer.benchmarks.items():
        try:
            key = keys.serving_key(file.sha256, active.pointer.pair or meta.pair)
            other = fetch_champion(store, key, file.sha256, task.sandbox)
            rows[name] = np.array(other.forecast(window_rows(other, table)).quantiles[0], np.float64)
        except (ContractError, ForecastError, Missing) as error:
            notes.append(f"no benchmark {name}: {_without_place(error, str(error))}")
    return rows, tuple(notes)


def _digest(inputs: Rows) -> str:
    digest = hashlib.sha256()
    for name in sorted(inputs):
        digest.update(name.encode() + b"\0" + np.array(inputs[name]).tobytes())
    return digest.hexdigest()
