"""Issue the official forecast from the active champion and the newest window of its price source.

If the active champion gives no plausible forecast, the latest earlier generation that does makes it: the record has a
forecast for every day, and the entry says which generation made it and why. The champion runs again with new prices.

A process that is killed between any two writes leaves a state that the next run completes: the ledger is written first,
create-only, then the champion's backtest in the track record, then `serving/forecast.json` by compare and set. So an
official forecast that is up to date needs no look at the other two.
"""

import hashlib
import logging
from datetime import datetime
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.base import ForecastError, Rows, champion_summary, model_card
from lambda_fn.champion.cache import fetch_champion
from lambda_fn.champion.model_inputs import table_inputs
from lambda_fn.champion.refusals import describe_error, shorten_reason
from lambda_fn.champion.rollback import RollbackError, check_signature, previous_generations
from lambda_fn.champion.sandbox import Sandbox, SandboxedChampion
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import Table, check_window, parse
from lambda_fn.record import benchmarks, track_record
from lambda_fn.record.official_forecast import Official, check_clock, recent_closes, write_entry
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

BUILT_IN = ("constant", "ewma")  # benchmarks that need no file
MAX_FALLBACKS = 5  # earlier champions that are tried in place of the active one: each may take its whole time limit
_log = logging.getLogger(__name__)


class LiveForecastError(ForecastError):
    """The champion of this generation gave no plausible forecast for the live window."""

    def __init__(self, reason: str, generation: int) -> None:
        super().__init__(reason)
        self.generation = generation


class ForecastResult(NamedTuple):
    """The result of issuing a forecast: `official` is the newest forecast that can be served, None if there is none."""

    outcome: Literal["made", "unchanged", "refused", "nothing"]
    official: Official | None
    reason: str

    @property
    def is_fallback(self) -> bool:
        """Whether an earlier generation made the forecast, because the active champion failed."""
        return self.outcome == "made" and self.official is not None and self.official.failed_generation is not None


def issue_forecast(store: Store, settings: Settings, now: datetime, sandbox: Sandbox | None = None) -> ForecastResult:
    """Issue the official forecast unless it exists; safe to repeat and to run concurrently.

    If no forecast can be made, the last good one stays and records the reason.

    Args:
        store: the store.
        settings: the pair and the public keys.
        now: the time at which the forecast is made.
        sandbox: runs the champion, only if the forecast would change; None for a new one.

    Raises Unavailable if the store does not answer.
    """
    sandbox, pair = sandbox or Sandbox(), settings.pair

    def attempt(stored: bytes | None) -> tuple[bytes | None, ForecastResult]:
        before = None
        try:
            before = None if stored is None else Official.parse(stored, pair)
        except ContractError:
            pass  # the damaged forecast is replaced
        failure_reason, blocked_generation = None, before and before.failed_generation
        try:
            active = Active.parse(store.read(keys.active_key(pair)).data)
            task = prepare(store, active, pair, now, sandbox)
            is_new = before is None or not task.is_satisfied_by(before)
            new = forecast_or_fall_back(store, settings, task, now) if is_new else None
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 an error of a champion or its prices concerns only this pair
            if isinstance(error, Missing) and error.key == keys.active_key(pair):
                return None, ForecastResult("nothing", None, "nothing is active yet; run eurusd run")
            reason = describe_error(error, (ContractError, ForecastError, Missing), "its making")
            if isinstance(error, LiveForecastError):
                blocked_generation = error.generation
            failure_reason = shorten_reason(_public_reason(error, reason))
            result = ForecastResult("refused", before, reason)
            if before is not None:
                track_record.keep_backtest(store, pair, now)
        else:
            if new is not None and (before is None or _replaces(new, before)):
                write_entry(store, new)
                track_record.keep_backtest(store, pair, now)
                fallback = f", because {new.reason}" if new.reason else ""
                reason = f"the forecast after {new.as_of}, generation {new.generation}{fallback}"
                return new.to_json(), ForecastResult("made", new, reason)
            assert before is not None
            track_record.keep_backtest(store, pair, now)  # a lost or damaged track record is rebuilt within the hour
            reason = f"the forecast of {before.as_of}, generation {before.generation}, is up to date"
            result = ForecastResult("unchanged", before, reason)
        # The current forecast says why no newer one could be made.
        if before is None or (before.failure_reason, before.blocked_generation) == (failure_reason, blocked_generation):
            return None, result
        newer = before._replace(failure_reason=failure_reason, blocked_generation=blocked_generation)
        return newer.to_json(), result

    return store.update(keys.forecast_key(pair), attempt)


def after_prices(
    store: Store, settings: Settings, now: datetime, corrected: bool, sandbox: Sandbox | None = None
) -> tuple[ForecastResult, str]:
    """Issue the official forecast, and score the forecasts whose outcomes are known now.

    Args:
        store: the store.
        settings: the pair and the public keys.
        now: the current time.
        corrected: whether older prices have changed, so that every forecast is scored again.
        sandbox: runs the champion; None for a new one.

    Returns the result of the forecast, and why forecasts could not be scored (empty if all were). Raises Unavailable if
    the store does not answer.
    """
    forecast = issue_forecast(store, settings, now, sandbox)
    try:
        faults = track_record.update(store, settings.pair, now, rebuild=corrected).faults
    except (ContractError, Missing) as error:
        return forecast, f"the forecasts could not be scored: {error}"
    return forecast, f"{len(faults)} entries of the ledger are not scored; the first: {faults[0]}" if faults else ""


def _public_reason(error: Exception, reason: str) -> str:
    """Return the reason for public answers, without the bucket or folder of the store."""
    if isinstance(error, Missing):
        return f"{error.key} is missing"
    if isinstance(error, ContractError | ForecastError):
        return reason
    return "the forecast ended in an unexpected error, which has been logged"


class Task(NamedTuple):
    """The inputs of an official forecast: the champion, the price table, and the newest window for the champion."""

    pair: str
    active: Active
    champion: SandboxedChampion
    table: Table
    inputs: Rows
    inputs_sha256: str
    sandbox: Sandbox

    def is_satisfied_by(self, official: Official) -> bool:
        """Return whether the forecast needs no change.

        It has a higher order, or is of the same champion and inputs with all benchmarks.
        """
        order = self.active.generation, self.table.dates[-1]
        if official.order > order:
            return True
        # A fallback has the benchmarks of its own generation.
        benchmarks = {*BUILT_IN, *self.active.pointer.benchmarks} if official.failed_generation is None else set()
        return (
            official.order == order
            and official.inputs_sha256 == self.inputs_sha256
            and official.failure_reason is None
            and benchmarks <= official.benchmarks.keys()
        )


def prepare(store: Store, active: Active, pair: str, now: datetime, sandbox: Sandbox) -> Task:
    """Read the champion of an activation and the newest window.

    Args:
        store: the store.
        active: the activation.
        pair: the currency pair.
        now: the current time, for the check of dates.
        sandbox: runs the champion.

    Raises Missing if the champion or its prices are missing, and ContractError if the prices are invalid or `now` is
    before the last of them could be known.
    """
    champion = fetch_champion(store, active.serving_key, active.champion.sha256, sandbox)
    meta = champion.metadata
    table = parse(store.read(keys.price_key(pair, meta.prices)).data, champion.columns)
    inputs = table_inputs(champion, table)
    newest = Table(
        table.dates[-meta.window :], {name: table.columns[name][-meta.window :] for name in champion.columns}
    )
    check_window(newest, champion.columns, meta.prices, now.date())
    check_clock(newest.dates[-1], meta.prices, now)
    digest = hashlib.sha256()
    for name in sorted(inputs):
        digest.update(name.encode() + b"\0" + np.array(inputs[name]).tobytes())
    return Task(pair, active, champion, table, inputs, digest.hexdigest(), sandbox)


def make_forecast(store: Store, task: Task, now: datetime) -> Official:
    """Run the champion and the benchmarks. Raises LiveForecastError if the champion gives no plausible forecast."""
    active, champion, table = task.active, task.champion, task.table
    meta = champion.metadata
    try:
        result = champion.plausible_forecast(task.inputs)
    except ForecastError as error:
        raise LiveForecastError(str(error), active.generation) from error
    close = table.columns["close"]
    benchmark_quantiles, notes = _run_benchmarks(store, task)
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
        sd=result.sd[0] if result.sd else None,
        benchmarks={name: prices.tolist() for name, prices in benchmark_quantiles.items()},
        closes=recent_closes(table.dates, close.tolist()),
        inputs_sha256=task.inputs_sha256,
        champion=champion_summary(active, champion),
        card=model_card(active, champion),
        made_at=now,
        notes=notes,
    )


def forecast_or_fall_back(store: Store, settings: Settings, task: Task, now: datetime) -> Official:
    """Make the forecast with the active champion or, if it fails, with the latest earlier generation that does not.

    Champions that were rolled back or refused are left out. Raises LiveForecastError if all of them fail.

    Args:
        store: the store.
        settings: the pair and the public keys.
        task: that of the active champion.
        now: the time at which the forecast is made.
    """
    try:
        return make_forecast(store, task, now)
    except LiveForecastError as error:
        failure = error
    failed = task.active.generation
    others = []
    for old in islice(previous_generations(store, task.pair, task.active), MAX_FALLBACKS):
        try:
            check_signature(store, settings, old)
            other = prepare(store, old, task.pair, now, task.sandbox)
            actual, expected = ((x.champion.metadata.pair, x.champion.metadata.prices) for x in (other, task))
            if actual != expected:
                raise ContractError(f"metadata: forecasts {actual}, not {expected}; publish another champion")
            official = make_forecast(store, other, now)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 whatever an earlier champion causes concerns only that champion
            expected_errors = ContractError, ForecastError, Missing, RollbackError
            problem = describe_error(error, expected_errors, "its forecast")
            _log.warning("generation %d cannot replace generation %d: %s", old.generation, failed, problem)
            others.append(str(old.generation))
            continue
        reason = shorten_reason(f"generation {failed} failed: {failure}")
        return official._replace(
            inputs_sha256=task.inputs_sha256, failed_generation=failed, blocked_generation=failed, reason=reason
        )
    fallbacks = f"; earlier generations failed too: {', '.join(others)}" if others else ""
    raise LiveForecastError(f"{failure}{fallbacks}", failed) from failure


def _replaces(new: Official, old: Official) -> bool:
    """Return whether a forecast replaces another, whose order is not higher (see `Task.is_satisfied_by`).

    One of the same order does so only with other inputs, because prices were corrected, with benchmarks that were
    missing, or if it is of the active champion and the other is a fallback.
    """
    if new.order != old.order or new.inputs_sha256 != old.inputs_sha256:
        return True
    if new.generation != old.generation:
        return new.failed_generation is None
    return new.benchmarks.keys() > old.benchmarks.keys()


def _run_benchmarks(store: Store, task: Task) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Return quantiles [horizon, levels] by benchmark, and why a benchmark is missing, which is no error."""
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
            rows[name] = np.array(other.forecast(table_inputs(other, table)).quantiles[0], np.float64)
        except (ContractError, ForecastError, Missing) as error:
            notes.append(f"no benchmark {name}: {_public_reason(error, str(error))}")
    return rows, tuple(notes)
