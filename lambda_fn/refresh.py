"""Refresh: checks the champion that training published and, when it is good, makes it the active one."""

import argparse
import hashlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from lambda_fn import contract, fields
from lambda_fn.acceptance import check_champion
from lambda_fn.champion import fetch_file
from lambda_fn.contract import Active, ChampionFile, ContractError, Pointer
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store import Blob, Missing, Store, Unavailable, open_store

NAMESPACE = "EurUsdForecast"
ATTEMPTS = 5  # an attempt is lost only when another activation won
_log = logging.getLogger(__name__)


class Refused(Exception):
    """The published champion was not activated, for the first time; the active one goes on serving."""

    def __init__(self, reason: str, generation: int | None) -> None:
        super().__init__(reason)
        self.generation = generation


class Activation(NamedTuple):
    """What became of the published champion; `generation` is the one that is active now, None when there is none."""

    outcome: Literal["activated", "unchanged", "refused"]
    generation: int | None
    reason: str


def activate(store: Store, settings: Settings, now: datetime) -> Activation:
    """Reads the pointer and the active champion, and activates the pointer's when it is newer and passes every check.

    Safe to repeat and to run at the same time as others. Raises Unavailable when the store does not answer, and
    Refused the first time that this pointer is refused; the next times it only returns so.
    """
    for _ in range(ATTEMPTS):
        try:
            published = store.read(settings.model_info_key)
        except Missing:
            published = None
        active, etag = _read_active(store, contract.active_key(settings.pair))
        generation = active.generation if active else None
        if published is None:
            return Activation("unchanged", generation, "nothing is published yet; run python -m training run")
        try:
            result = _promote(store, settings, published, active, etag, now)
        except (ContractError, Missing) as error:
            return _refuse(store, settings, published, generation, str(error), now)
        if result is not None:
            return result
    raise Unavailable(f"{store.describe()}: active.json changed {ATTEMPTS} times meanwhile; refresh again")


def resolve(pointer: Pointer, active: Active | None) -> tuple[ChampionFile, int]:
    """The champion file that the pointer means and its generation; without one it is the active one when the bytes
    are the same, otherwise the next.

    The one place that knows how a pointer finds its champion. Raises ContractError with the cure when it does not.
    """
    file = pointer.champion
    if file is None:
        raise ContractError(
            f"pointer.champion: missing, {pointer.model_uri} names no champion file; "
            f"publish it with: python -m training publish {pointer.model_uri}"
        )
    if pointer.generation is not None:
        return file, pointer.generation
    if active is None:
        return file, 1
    return file, active.generation + (file.sha256 != active.champion.sha256)


def _promote(
    store: Store, settings: Settings, published: Blob, active: Active | None, etag: str | None, now: datetime
) -> Activation | None:
    """None when another activation came first."""
    pointer = Pointer.parse(published.data)
    file, generation = resolve(pointer, active)
    if active and generation == active.generation:
        return Activation("unchanged", generation, f"generation {generation} is active")
    if active and generation < active.generation:
        raise ContractError(
            f"pointer.generation: {generation} is lower than the active generation {active.generation}; "
            "to go back, publish the old champion as a new generation: python -m training rollback"
        )
    data = fetch_file(store, file.key, file.sha256)
    check_champion(data, pointer, settings.pair, store)
    key = contract.serving_key(file.sha256, settings.pair)
    if not store.create(key, data):
        fetch_file(store, key, file.sha256)  # copied before: still what the pointer says?
    newer = Active(replace(pointer, generation=generation), file, generation, now, key)
    if not store.replace(contract.active_key(settings.pair), newer.to_json(), etag):
        return None
    return Activation("activated", generation, f"{pointer.model_name} version {pointer.model_version}")


def _read_active(store: Store, key: str) -> tuple[Active | None, str | None]:
    """The active champion and the ETag to replace it by; one that cannot be read is replaced."""
    try:
        blob = store.read(key)
        return Active.parse(blob.data), blob.etag
    except Missing:
        return None, None
    except ContractError as error:
        _log.warning("%s: %s", key, error)
        return None, blob.etag


def _refuse(
    store: Store, settings: Settings, published: Blob, generation: int | None, reason: str, now: datetime
) -> Activation:
    """Records the refusal; raises Refused unless this pointer was refused before."""
    key = contract.refused_key(hashlib.sha256(published.data).hexdigest(), settings.pair)
    record = {"reason": reason, "refused_at": fields.utc_text(now), "pointer": settings.model_info_key}
    if store.create(key, fields.json_bytes(record)):
        raise Refused(reason, generation)
    _log.warning("refused again: %s", reason)
    return Activation("refused", generation, reason)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """AWS Lambda's entry: on the S3 event and on a timer. The event's content does not matter: events repeat, arrive
    out of order and get lost. A first refusal is raised, so that the event ends in the dead-letter queue."""
    settings = Settings.from_env(os.environ)
    try:
        result = activate(open_store(settings), settings, datetime.now(UTC))
    except Refused:
        _count("ChampionRefused")
        raise
    if result.outcome == "activated":
        _count("ChampionActivated")
    Logger(service="refresh").info(result.reason, extra={"outcome": result.outcome, "generation": result.generation})
    return result._asdict()


def _count(name: str) -> None:
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
        metric.add_dimension("service", "refresh")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m lambda_fn.refresh`; returns 1 after one sentence on standard error when nothing was activated."""
    parser = argparse.ArgumentParser("python -m lambda_fn.refresh", description="Activate the published champion.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env(read_dotenv(Path(".env"), os.environ))
        result = activate(open_store(settings), settings, datetime.now(UTC))
    except Refused as error:
        result = Activation("refused", error.generation, str(error))
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    words = f"{result.outcome}: {result.reason}"
    refused = result.outcome == "refused"
    if refused and not asked.json:
        sys.stderr.write(f"{words}\n")
    else:
        sys.stdout.write((json.dumps(result._asdict()) if asked.json else words) + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
