"""Activate the published champion: check it, make a copy for serving, and record it as active, or refuse it."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from lambda_fn.champion.active_state import Activation as Activation
from lambda_fn.champion.active_state import heal, keep_copy, keep_record, parse_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.choices import add_considered
from lambda_fn.champion.gate import check_champion, check_generation, keep_benchmarks, next_generation
from lambda_fn.champion.refusals import CHAMPION, Refusal, describe_error, is_first, lift, record_key, shorten_reason
from lambda_fn.champion.rollback import find_rollback_reason
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import verify
from lambda_fn.contract import Active, ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.record.official_forecast import Official
from lambda_fn.record.summary_checks import check_backtest
from lambda_fn.registry.legacy_pointer import resolve
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

_PUBLISH = "publish a newer champion to replace it"
_log = logging.getLogger(__name__)


class Refused(Exception):
    """The published champion was rejected for the first time; the active one stays."""

    def __init__(self, reason: str, generation: int | None) -> None:
        super().__init__(reason)
        self.generation = generation


class Snapshot(NamedTuple):
    """Everything that decides whether a valid pointer is activated.

    `active` is what active.json says, and `last` the last activation, also if active.json is lost. `pointer` and `file`
    are the published pointer and the champion file that it names. `rollback` is why the pointer was rolled back, None
    if it was not.
    """

    active: Active | None
    last: Active | None
    pointer: Pointer
    file: ChampionFile
    rollback: str | None


class Decision(NamedTuple):
    """The generation to activate, None to leave what is active, and the reason."""

    generation: int | None
    reason: str


def decide(snapshot: Snapshot) -> Decision:
    """Decide whether the champion of the pointer is activated. Raises ContractError if its generation may not follow.

    A pointer that was rolled back is skipped, but not when its champion is active, nor when nothing was ever active.
    """
    active, last, pointer, file, rollback = snapshot
    if rollback and last and not is_named_by(pointer, file, last):
        return Decision(None, f"{rollback}; {_PUBLISH}")
    generation = pointer.generation or next_generation(file.sha256, last)
    check_generation(generation, file.sha256, last)
    if active and generation == active.generation:
        return Decision(None, f"generation {generation} is active")
    return Decision(generation, f"{pointer.model_name} version {pointer.model_version}")


def is_named_by(pointer: Pointer, file: ChampionFile, active: Active) -> bool:
    """Return whether the pointer, with its champion file, is that of the activation."""
    return file.sha256 == active.champion.sha256 and pointer.generation in (None, active.generation)


class _Attempt(NamedTuple):
    """A decision with what is active after it, what was repaired, and a rejection with the key of its record."""

    decision: Decision
    active: Active | None
    repairs: list[str]
    rejection: tuple[str, Refusal] | None


def activate(
    store: Store,
    settings: Settings,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    request_id: str = "",
    sandbox: Sandbox | None = None,
) -> Activation:
    """Activate the champion of the pointer when it is newer than the active one and passes every check.

    Safe to repeat and to run concurrently. A champion that is rejected again is reported by the result.

    Args:
        store: where the pointer, the champions and the prices are.
        settings: the pair, its keys and the public keys.
        now: the current time, UTC.
        environ: leads to the login of the MLflow server, for a pointer of the old form.
        request_id: of Lambda, the same when Lambda retries an event. All attempts of the event that first meets this
            champion raise Refused, because otherwise the event would never become a dead letter.
        sandbox: runs the trial; a new one by default.

    Raises Unavailable when the store or, for a pointer of the old form, the MLflow server does not answer, and Refused
    when this champion is rejected for the first time.
    """
    sandbox, pair = sandbox or Sandbox(), settings.pair

    def attempt(stored: bytes | None) -> tuple[bytes | None, _Attempt]:
        state = parse_active_state(store, pair, stored)
        published, file, data = settings.model_info_key.encode(), None, None
        newer = rejection = None
        try:
            # Read after active.json: generations grow, so this pointer is not older than the active one.
            if (blob := store.find(settings.model_info_key)) is None:
                decision = Decision(None, "nothing is published yet; run eurusd run")
            else:
                published = blob.data
                pointer = Pointer.parse(published)
                verify(pointer, settings)
                check_backtest(pointer.backtest)
                rollback = None
                if pointer.champion is None and state.last:
                    rollback = find_rollback_reason(store, pair, pointer, None)
                if rollback:  # whatever its alias names now, or whether it is still there
                    decision = Decision(None, f"{rollback}; {_PUBLISH}")
                else:
                    resolved, data = resolve(pointer, settings, environ, now, sandbox)
                    file = resolved.champion
                    assert file is not None
                    if state.last and not is_named_by(pointer, file, state.last):
                        rollback = find_rollback_reason(store, pair, pointer, file.sha256)
                    decision = decide(Snapshot(state.active, state.last, resolved, file, rollback))
                    if decision.generation is not None:
                        data = fetch_file(store, file.key, file.sha256) if data is None else data
                        newer = check_and_copy(store, settings, resolved, decision.generation, data, now, sandbox)
                        add_considered(store, pair, [resolved])
                    if pointer.champion is None and rollback is None:  # the alias has moved to a valid champion
                        lift(store, record_key(pointer, pair), now)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a champion causes in its check is about that champion
            decision = Decision(None, shorten_reason(describe_error(error, (ContractError, Missing), "its check")))
            about: dict[str, str | int] = {"pointer": settings.model_info_key, "seed": sandbox.seed}
            if file:
                about[CHAMPION] = file.sha256
            rejection = record_key(published, pair), Refusal(decision.reason, now, request_id, about)
        if newer:
            if state.last:
                keep_record(store, state.last, pair)  # the last time that active.json has it
            return newer.to_json(), _Attempt(decision, newer, [], None)
        active, restored, repairs = heal(store, pair, state, data)
        return restored, _Attempt(decision, active, repairs, rejection)

    (new_generation, reason), active, repairs, rejection = store.update(keys.active_key(pair), attempt)
    if active and (new_generation or not _is_forecast(store, pair, active.generation)):
        repairs = [*repairs, *keep_record(store, active, pair)]
    if new_generation:
        return Activation("activated", new_generation, reason)
    generation = active.generation if active else None
    if rejection:
        if is_first(store, *rejection):
            raise Refused(reason, generation)
        _log.warning("refused again: %s", reason)
        return Activation("refused", generation, reason)
    for repair in repairs:
        _log.warning("healed: %s", repair)
    return Activation("unchanged", generation, "; ".join([reason, *repairs]))


def _is_forecast(store: Store, pair: str, generation: int) -> bool:
    """Return whether the official forecast was made while this generation was active.

    A refresh makes it after the record of the activation. So an hour with nothing new needs no look at that record.
    """
    try:
        blob = store.find(keys.forecast_key(pair))
        return blob is not None and Official.parse(blob.data, pair).active_generation == generation
    except ContractError:
        return False


def check_and_copy(
    store: Store, settings: Settings, pointer: Pointer, generation: int, data: bytes, now: datetime, sandbox: Sandbox
) -> Active:
    """Run all checks of a champion and copy its files to where serving reads them. Return the record to activate.

    Args:
        store: where the prices and the files of the benchmarks are.
        settings: the pair and its keys.
        pointer: names the champion file.
        generation: of the activation.
        data: the bytes of the champion file.
        now: the current time, UTC.
        sandbox: runs the trial.

    Raises ContractError and Missing when a check fails, and Unavailable.
    """
    file = pointer.champion
    assert file is not None
    latest = check_champion(data, pointer, settings.pair, store, now.date(), sandbox)
    golden = pointer.golden or (latest,)  # a pointer of the old form has none
    key = keys.serving_key(file.sha256, settings.pair)
    newer = Active(replace(pointer, generation=generation, golden=golden), file, generation, now, key)
    newer.to_json()  # before the first write, as it raises ContractError if it could not be read back
    keep_benchmarks(store, newer, data, sandbox)
    keep_copy(store, newer, settings.pair, data)
    return newer
