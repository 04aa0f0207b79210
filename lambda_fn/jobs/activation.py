"""Activate the published champion: check it, make a copy for serving, and record it as active, or refuse it."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lambda_fn.champion.active_state import Activation as Activation
from lambda_fn.champion.active_state import ActiveState, heal, keep_copy, keep_record, read_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_champion, check_generation, keep_benchmarks, next_generation
from lambda_fn.champion.refusals import CHAMPION, Refusal, describe_error, is_first, lift, record_key, shorten_reason
from lambda_fn.champion.rollback import find_rollback_reason
from lambda_fn.champion.sandbox import Sandbox, reuse_or_start
from lambda_fn.champion.signature import verify
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.record.summary_checks import check_backtest
from lambda_fn.registry.legacy_pointer import ResolvedPointer, resolve
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store, Unavailable

ATTEMPTS = 5  # an attempt is lost only when another activation won
_log = logging.getLogger(__name__)


class Refused(Exception):
    """The published champion was rejected for the first time; the active one stays."""

    def __init__(self, reason: str, generation: int | None) -> None:
        super().__init__(reason)
        self.generation = generation


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
    with reuse_or_start(sandbox) as sandbox:
        return _activate(store, settings, now, environ, request_id, sandbox)


def _activate(
    store: Store, settings: Settings, now: datetime, environ: Mapping[str, str], request_id: str, sandbox: Sandbox
) -> Activation:
    """Activate the published champion. The arguments and errors are those of `activate`."""
    for _ in range(ATTEMPTS):
        # Read before the pointer: generations grow, so a pointer that is read later is not older than the active one.
        state = read_active_state(store, settings.pair)
        published, resolved = settings.model_info_key.encode(), None
        try:
            published = store.read(settings.model_info_key).data
            pointer = Pointer.parse(published)
            verify(pointer, settings)
            check_backtest(pointer.backtest)
            resolved = resolve(pointer, settings, environ, now, sandbox)
            if reason := _find_rollback(store, settings.pair, pointer, resolved, state):
                active, repairs = heal(store, settings.pair, state, resolved.data)
                return _unchanged(active.generation if active else None, reason, repairs)
            result = _promote(store, settings, resolved, state, now, sandbox)
            if result is not None and pointer.champion is None:  # the alias has moved to a valid champion
                lift(store, record_key(pointer, settings.pair), now)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a champion causes in its check is about that champion
            active, repairs = heal(store, settings.pair, state, resolved.data if resolved else None)
            generation = active.generation if active else None
            if isinstance(error, Missing) and error.key == settings.model_info_key:
                return _unchanged(generation, "nothing is published yet; run python -m training run", repairs)
            reason = describe_error(error, (ContractError, Missing), "its check")
            about: dict[str, str | int] = {"pointer": settings.model_info_key, "seed": sandbox.seed}
            if resolved and (file := resolved.pointer.champion):
                about[CHAMPION] = file.sha256
            refusal = Refusal(shorten_reason(reason), now, request_id, about)
            return _refuse(store, record_key(published, settings.pair), refusal, generation)
        if result is not None:
            return result
    raise Unavailable(
        f"{store.describe()}: active.json was changed by another process in each of {ATTEMPTS} attempts; refresh again"
    )


def _find_rollback(
    store: Store, pair: str, pointer: Pointer, resolved: ResolvedPointer, state: ActiveState
) -> str | None:
    """Return why the pointer is skipped as rolled back, or None.

    It is never skipped when its champion is active, nor when nothing was ever active.

    Args:
        store: has the records.
        pair: the currency pair.
        pointer: as published, which is the key of the record.
        resolved: the same pointer with its champion file.
        state: the active state.
    """
    file, last = resolved.pointer.champion, state.last
    assert file is not None
    if last is None or (file.sha256 == last.champion.sha256 and pointer.generation in (None, last.generation)):
        return None
    reason = find_rollback_reason(store, pair, pointer, file.sha256)
    return reason and f"{reason}; publish a newer champion to replace it"


def _promote(
    store: Store, settings: Settings, resolved: ResolvedPointer, state: ActiveState, now: datetime, sandbox: Sandbox
) -> Activation | None:
    """Check the champion and activate it. Returns None when another activation came first.

    Args:
        store: where the champions and the prices are.
        settings: the pair and its keys.
        resolved: the pointer with its champion file.
        state: the active state.
        now: the current time, UTC.
        sandbox: runs the trial.

    Raises ContractError and Missing when a check fails, and Unavailable.
    """
    pointer, file, last = resolved.pointer, resolved.pointer.champion, state.last
    assert file is not None
    generation = pointer.generation or next_generation(file.sha256, last)
    check_generation(generation, file.sha256, last)
    if state.active and generation == state.active.generation:
        _, repairs = heal(store, settings.pair, state, resolved.data)
        return _unchanged(generation, f"generation {generation} is active", repairs)
    data = fetch_file(store, file.key, file.sha256) if resolved.data is None else resolved.data
    latest = check_champion(data, pointer, settings.pair, store, now.date(), sandbox)
    golden = pointer.golden or (latest,)  # a pointer of the old form has none
    key = keys.serving_key(file.sha256, settings.pair)
    newer = Active(replace(pointer, generation=generation, golden=golden), file, generation, now, key)
    record = newer.to_json()  # before the first write, as it raises ContractError if it could not be read back
    keep_benchmarks(store, newer, data, sandbox)
    keep_copy(store, newer, settings.pair, data)
    if not store.replace(keys.active_key(settings.pair), record, state.etag):
        return None
    keep_record(store, newer, settings.pair)
    return Activation("activated", generation, f"{pointer.model_name} version {pointer.model_version}")


def _unchanged(generation: int | None, reason: str, repairs: Sequence[str]) -> Activation:
    """Log the repairs, and return the result of a refresh that activated nothing."""
    for repair in repairs:
        _log.warning("healed: %s", repair)
    return Activation("unchanged", generation, "; ".join([reason, *repairs]))


def _refuse(store: Store, key: str, refusal: Refusal, generation: int | None) -> Activation:
    """Record the rejection and return it as the result of the refresh.

    Args:
        store: gets the record.
        key: of the record.
        refusal: the record.
        generation: the active one, if any.

    Raises Refused unless this pointer was rejected before for the same champion.
    """
    if is_first(store, key, refusal):
        raise Refused(refusal.reason, generation)
    _log.warning("refused again: %s", refusal.reason)
    return Activation("refused", generation, refusal.reason)
