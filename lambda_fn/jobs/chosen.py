"""Activate the version that somebody gave the alias champion in MLflow.

An event says when and for which model; what is activated is read from the registry. So repeated, late and replayed
events are harmless, and the hourly look heals lost ones.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from lambda_fn import contract
from lambda_fn.champion.active_state import keep_record, parse_active_state, read_active_state
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.candidate import CHOSEN, FILE, read_candidate
from lambda_fn.champion.choices import Choices, read_choices, save_choices, version_uri
from lambda_fn.champion.refusals import (
    CHAMPION,
    SUPERSEDED,
    Refusal,
    describe_error,
    is_first,
    lift,
    read_status,
    record,
    record_key,
    shorten_reason,
)
from lambda_fn.champion.rollback import (
    RollbackError,
    is_rollback,
    list_generations,
    published_by,
    read_generation,
)
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import verify, verify_candidate
from lambda_fn.contract import REASON, Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Activation, Refused, check_and_copy
from lambda_fn.jobs.mlflow_page import Registry, show_active, show_refusal
from lambda_fn.record.summary_checks import check_backtest
from lambda_fn.registry.legacy_pointer import resolve
from lambda_fn.registry.mlflow_access import access, find_uri_fault
from lambda_fn.registry.mlflow_client import Alias, MlflowServer, NoSuchFile, UnusableModel, Version
from lambda_fn.registry.webhook import ALIAS, AliasEvent
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Misconfigured, Missing, Store, Unavailable

_log = logging.getLogger(__name__)


class Job(NamedTuple):
    """What every step needs: the store and settings of a pair, its registry, the time, the event and the sandbox.

    `environ` leads to the login of the MLflow server, and `request_id` is that of Lambda.
    """

    store: Store
    settings: Settings
    environ: Mapping[str, str]
    now: datetime
    request_id: str
    sandbox: Sandbox


def activate_event(job: Job, event: AliasEvent) -> Activation:
    """Activate the version that has the alias champion of the event's model now.

    Raises Unavailable when the store or the MLflow server does not answer, and Refused when the version is rejected for
    the first time.
    """
    registry = _read_registry(job)
    holder = next((alias for alias in registry.holders() if alias.name == event.model), None)
    if holder is None:
        last = read_active_state(job.store, job.settings.pair).last
        reason = f"{event.model} has no alias {ALIAS} in MLflow any more"
        return Activation("unchanged", last.generation if last else None, reason)
    return _activate(job, registry, holder, event.sent_at)


def activate_new(job: Job) -> Activation | None:
    """Look for a version that was given the alias champion since the last look, and activate it.

    It heals lost events. Returns None where there is nothing to do: MLflow is not read or does not answer, nothing is
    new, or more than one version is. The first look only records what it sees.

    Raises Unavailable when the store does not answer, and Refused as `activate_event` does.
    """
    if find_uri_fault(job.settings.mlflow_tracking_uri):
        return None
    try:
        registry = _read_registry(job)
        choices = read_choices(job.store, job.settings.pair)
        last = read_active_state(job.store, job.settings.pair).last
        active = version_uri(last.pointer) if last else ""
        new = [alias for alias in registry.holders() if choices and choices.is_new(alias.uri) and alias.uri != active]
        if len(new) > 1:
            names = " and ".join(alias.uri for alias in new)
            _log.warning("MLflow: %s have the alias %s; leave it to one of them", names, ALIAS)
            return None
        if new:
            return _activate(job, registry, new[0], job.now)
        _finish(job, registry)
    except Unavailable as error:
        _log.warning("MLflow was not read: %s", error)
    return None


def _read_registry(job: Job) -> Registry:
    settings = job.settings
    if fault := find_uri_fault(settings.mlflow_tracking_uri):
        raise Misconfigured(f"MLFLOW_TRACKING_URI: {fault}")
    server = MlflowServer(*access(settings, job.environ, job.now))
    return Registry(server, server.aliases(settings.pair))


class _Attempt(NamedTuple):
    """What is active after an attempt, the reason, and a rejection with the key of its record."""

    activation: Activation
    rejection: tuple[str, Refusal] | None = None


def _activate(job: Job, registry: Registry, holder: Alias, sent_at: datetime) -> Activation:
    """Activate the version that has the alias, unless it is active, or a rollback is newer than `sent_at`."""
    store, pair = job.store, job.settings.pair
    version = registry.server.version(holder.uri)

    def attempt(stored: bytes | None) -> tuple[bytes | None, _Attempt]:
        last = parse_active_state(store, pair, stored).last
        if last and version_uri(last.pointer) == version.uri and version.sha256 in (None, last.champion.sha256):
            return None, _Attempt(Activation("unchanged", last.generation, f"generation {last.generation} is active"))
        if last and is_rollback(last.pointer) and sent_at <= last.activated_at:
            reason = f"{version.uri} was chosen before the rollback to generation {last.generation}"
            return None, _Attempt(Activation("unchanged", last.generation, reason))
        reserved = _find_reserved(store, pair, version, last)
        about = reserved or _name_version(version, pair)
        try:
            newer = _check(job, registry.server, version, reserved, last)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a champion causes in its check is about that champion
            reason = shorten_reason(describe_error(error, (ContractError, Missing), "its check"))
            members: dict[str, str | int] = {"pointer": version.uri, "seed": job.sandbox.seed}
            members |= {CHAMPION: version.sha256} if version.sha256 else {}
            refusal = Refusal(reason, job.now, job.request_id, members)
            activation = Activation("refused", last.generation if last else None, reason)
            return None, _Attempt(activation, (record_key(about, pair), refusal))
        if last:
            keep_record(store, last, pair)  # the last time that active.json has it
        _supersede(job, last, newer)
        lift(store, record_key(about, pair), job.now)
        reason = f"{version.name} version {version.number} was chosen in MLflow"
        return newer.to_json(), _Attempt(Activation("activated", newer.generation, reason))

    activation, rejection = store.update(keys.active_key(pair), attempt)
    if rejection is None:
        if active := read_active_state(store, pair).last:
            keep_record(store, active, pair)
        _finish(job, registry)
        return activation
    is_new = is_first(store, *rejection)
    show_refusal(registry, version, activation.reason)
    _finish(job, registry)
    if is_new:
        raise Refused(activation.reason, activation.generation)
    _log.warning("refused again: %s", activation.reason)
    return activation


def _name_version(version: Version, pair: str) -> Pointer:
    """Return a pointer of the old form that names the version."""
    return Pointer(version.name.removeprefix(f"{pair}_"), version.name, version.number, version.uri)


def _find_reserved(store: Store, pair: str, version: Version, last: Active | None) -> Pointer | None:
    """Return the pointer that training has reserved for this version above the active generation, the latest one.

    Training moves the alias before it writes the pointer, so this version is being published.
    """
    histories = [published_by(pair)]
    highest = contract.highest_after(last.generation if last else None)
    for generation in reversed(list_generations(store, pair, histories)):
        if last and generation <= last.generation:
            return None
        if generation > highest:
            continue
        try:
            pointer = read_generation(store, pair, generation, histories).pointer
        except RollbackError as error:
            _log.warning("%s", error)
            continue
        if version_uri(pointer) == version.uri:
            return pointer
    return None


def _check(job: Job, server: MlflowServer, version: Version, reserved: Pointer | None, last: Active | None) -> Active:
    """Run all checks of the version, copy its files to where serving reads them, and return its activation.

    Args:
        job: the store, settings and sandbox.
        server: has the version.
        version: the version with the alias.
        reserved: its pointer, if training is publishing it.
        last: the last activation.

    Raises ContractError, Missing and Unavailable.
    """
    store, settings, now, sandbox = job.store, job.settings, job.now, job.sandbox
    if reserved is not None:
        verify(reserved, settings)
        check_backtest(reserved.backtest)
        assert reserved.champion is not None and reserved.generation is not None
        data = fetch_file(store, reserved.champion.key, reserved.champion.sha256)
        return check_and_copy(store, settings, reserved, reserved.generation, data, now, sandbox)
    pointer, data = _read_candidate(job, server, version)
    replaced = f" in place of generation {last.generation}" if last else ""
    reason = f"{CHOSEN}{version.name} version {version.number}{replaced}"
    pointer = replace(pointer, extra={**pointer.extra, REASON: reason})
    return check_and_copy(store, settings, pointer, _next_generation(job, last), data, now, sandbox)


def _read_candidate(job: Job, server: MlflowServer, version: Version) -> tuple[Pointer, bytes]:
    """Return the pointer that training logged beside the model of the version, and the bytes of the model.

    A version without one is read as a pointer of the old form is, if no signature is required.
    """
    store, settings = job.store, job.settings
    cure = f"publish it with: eurusd publish {version.uri}"
    try:
        logged = server.file(version, settings, FILE, contract.MAX_POINTER_BYTES)
    except NoSuchFile:
        if settings.champion_public_keys:
            raise ContractError(
                f"{version.uri}: has no signed {FILE}, and this service accepts only signed champions; {cure}"
            ) from None
        resolved, data = resolve(_name_version(version, settings.pair), settings, job.environ, job.now, job.sandbox)
        assert data is not None
        return resolved, data
    try:
        pointer = read_candidate(logged, version.created_at)
        verify_candidate(pointer, settings)
        check_backtest(pointer.backtest)
        if pointer.champion is None or version_uri(pointer) != version.uri:
            raise ContractError(f"candidate.model_version: it is of {version_uri(pointer)}, not of {version.uri}")
    except ContractError as error:
        raise ContractError(f"{version.uri}: its {FILE} cannot be used: {error}; {cure}") from error
    file = pointer.champion
    try:
        return pointer, fetch_file(store, file.key, file.sha256)
    except (Missing, ContractError):
        data = server.model(version, settings)  # never published, so only MLflow has it
    if (file.size, file.sha256) != (len(data), hashlib.sha256(data).hexdigest()):
        raise UnusableModel(version, f"it is not the file that {FILE} names: the file was changed")
    return replace(pointer, champion=replace(file, key=keys.serving_key(file.sha256, settings.pair))), data


def _next_generation(job: Job, last: Active | None) -> int:
    """Return the generation above the active one and all that training has reserved and refresh would activate."""
    highest = contract.highest_after(last.generation if last else None)
    published = _read_published(job)
    reserved = list_generations(job.store, job.settings.pair, [published_by(job.settings.pair)])
    numbers = [*reserved, (published.generation or 0) if published else 0]
    return max([last.generation if last else 0, *(number for number in numbers if number < highest)]) + 1


def _read_published(job: Job) -> Pointer | None:
    try:
        return Pointer.parse(job.store.read(job.settings.model_info_key).data)
    except (Missing, ContractError):
        return None  # nothing that could be activated


def _supersede(job: Job, last: Active | None, newer: Active) -> None:
    """Record lower pointers, the published one and those of publishers at work, as superseded, so none is refused."""
    store, pair = job.store, job.settings.pair
    pointers = [_read_published(job)]
    histories = [published_by(pair)]
    for generation in list_generations(store, pair, histories):
        if (last.generation if last else 0) < generation < newer.generation:
            try:
                pointers.append(read_generation(store, pair, generation, histories).pointer)
            except RollbackError as error:
                _log.warning("%s", error)
    chosen = f"{newer.pointer.model_name} version {newer.pointer.model_version}"
    reason = shorten_reason(f"generation {newer.generation} was chosen in MLflow: {chosen}")
    about: dict[str, str | int] = {"pointer": job.settings.model_info_key, SUPERSEDED: newer.generation}
    for pointer in filter(None, pointers):
        key = record_key(pointer, pair)
        if (pointer.generation or 0) < newer.generation and read_status(store, key) is None:
            record(store, key, Refusal(reason, job.now, about=about))


def _finish(job: Job, registry: Registry) -> None:
    """Record what was seen in MLflow, and show there what is active."""
    store, pair = job.store, job.settings.pair
    choices, last = read_choices(store, pair), read_active_state(store, pair).last
    generation = choices.shown_generation if choices else None
    if last and generation != last.generation:
        earlier = (*choices.holders, *choices.considered) if choices else ()
        generation = last.generation if show_active(registry, store, pair, last, earlier) else generation
    newer = Choices(pair, job.now, registry.holder_uris(), (), generation)
    if choices is None or replace(newer, seen_at=choices.seen_at) != choices:
        save_choices(store, newer)
