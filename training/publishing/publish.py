"""Publish a champion: make its pointer with scores and golden forecasts, check it and promote it; and roll back.

`promotion` does the writes, in an order in which an interruption at any point is harmless. MLflow takes seconds to
import, so it is imported only where a registry is read or changed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn import contract
from lambda_fn.champion.active_state import read_active_state
from lambda_fn.champion.base import BaseChampion, ForecastError
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_champion
from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.rollback import ACTIVATED, RollbackError, find_previous, read_generation
from lambda_fn.champion.sandbox import Sandbox, SandboxedChampion
from lambda_fn.contract import ChampionFile, Golden, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import read_table
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.conventions import BASELINE_NAMES
from training.evaluation.selection import Look
from training.export.candidate import Candidate, Registered
from training.models.economic_calendar import read_known_through
from training.publishing.mlflow_access import RegistryError
from training.publishing.promotion import (
    REASON,
    MoveAliases,
    Published,
    PublishError,
    find_published,
    promote,
    published_by,
)

if TYPE_CHECKING:
    from training.publishing.mlflow_registry import Registry

NO_DIRECTION = 0.5  # directional accuracy of a forecast of no change: that of a coin
LOOK = "look"  # an optional key of a pointer outside the contract: the comparison that chose its champion
GOLDEN_COUNT = 3
GOLDEN_STEP = 63  # rows between golden windows: a quarter, so that their volatility differs
SIGNIFICANT_DIGITS = 6  # of a score in the pointer
# Metric of the pointer -> column of the score table at horizon 1.
METRICS = {"rmse": "rmse", "mae": "mae", "directional_accuracy": "direction", "pinball": "pinball"}


def keep_aliases(pointer: Pointer) -> None:
    """Move no alias: the `move` of `publish` without a registry."""


def publish(
    store: Store,
    settings: Settings,
    candidate: Candidate,
    registered: Registered,
    scores: pd.DataFrame,
    windows: Mapping[str, NDArray[Any]],
    now: datetime,
    move: MoveAliases = keep_aliases,
    benchmarks: Mapping[str, bytes] = MappingProxyType({}),
    backtest: dict[str, Any] | None = None,
    reason: str = "",
    look: Look | None = None,
    once: bool = False,
) -> Published:
    """Run the candidate with the serving code, publish it and, in a folder store, activate it.

    The store must have the price file, as activation does the same checks on its latest window.

    Args:
        store: The store to write to.
        settings: Settings of the pair.
        candidate: The champion to publish.
        registered: Its version in the registry.
        scores: The score table; its rows become part of the pointer, those of the champion first.
        windows: Inputs of the golden forecasts, a batch of two or three windows.
        now: The time of publishing.
        move: Moves the aliases; see `move_aliases`.
        benchmarks: Champion files whose forecasts are compared with the champion's, by name.
        backtest: The summary of its backtest.
        reason: Why it is published.
        look: The comparison that chose it; None if there was none.
        once: Publish nothing if the same champion with the same scores is published already.

    Raises:
        PublishError: The candidate does not pass the checks, or the store has wrong bytes.
    """
    pointer = make_checked_pointer(store, settings, candidate, registered, scores, windows, now, benchmarks, backtest)
    extra: dict[str, Any] = {REASON: reason} if reason else {}
    if look is not None:
        extra[LOOK] = {**asdict(look), "previous": look.previous and look.previous.isoformat()}
    pointer = replace(pointer, extra=extra)
    file = _champion_file(candidate.model, candidate.metadata.pair)
    if once and (published := find_published(store, settings, replace(pointer, champion=file))) is not None:
        move(published)
        return Published(published.generation or 0, published, None, None, already=True)
    return promote(store, settings, pointer, file, candidate.model, now, move)


def make_checked_pointer(
    store: Store,
    settings: Settings,
    candidate: Candidate,
    registered: Registered,
    scores: pd.DataFrame,
    windows: Mapping[str, NDArray[Any]],
    now: datetime,
    benchmarks: Mapping[str, bytes],
    backtest: dict[str, Any] | None,
) -> Pointer:
    """Return the pointer of a candidate, without its generation, after running it with the serving code.

    Args:
        store: The store with the prices; gets the files of the benchmarks.
        settings: Settings of the pair.
        candidate: The model.
        registered: Its version in the registry.
        scores: The score table.
        windows: Inputs of the golden forecasts, a batch of two or three windows.
        now: The time of publishing.
        benchmarks: Champion files whose forecasts are compared with the champion's, by name.
        backtest: The summary of its backtest.

    Raises:
        PublishError: The candidate does not pass the checks.
    """
    try:
        with Sandbox() as sandbox:
            champion = SandboxedChampion(candidate.model, candidate.sha256, sandbox)
            forecast = champion.forecast({name: batch.tolist() for name, batch in windows.items()})
            golden = tuple(
                Golden(
                    {name: batch[row].tolist() for name, batch in windows.items()},
                    forecast.quantiles[row],
                    forecast.mean[row],
                )
                for row in range(len(forecast.mean))
            )
            pointer = _make_pointer(candidate, registered, scores, golden, now)
            pair = candidate.metadata.pair
            files = {name: _champion_file(data, pair) for name, data in benchmarks.items()}
            for name, file in files.items():
                store.create(file.key, benchmarks[name])
            pointer = replace(pointer, benchmarks=files, backtest=backtest)
            if last_days := read_known_through(candidate.model):
                pointer = replace(pointer, events_known_through=min(last_days.values()))
            check_champion(candidate.model, pointer, settings.pair, store, now.date(), sandbox)
    except (ContractError, ForecastError) as error:
        raise PublishError(f"{registered.uri} was not published: {error}") from error
    return pointer


def publish_version(tracking: "Registry", store: Store, settings: Settings, uri: str, now: datetime) -> Published:
    """Publish a version that was chosen by hand, and move the alias champion to it.

    Its scores are those of its run; its golden windows are from the store's price file.

    Args:
        tracking: The registry.
        store: The store to write to.
        settings: Settings of the pair.
        uri: The version, as models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3.
        now: The time of publishing.

    Raises:
        PublishError: The version does not pass the checks.
        RegistryError: There is no such version, or it has no file or no scores.
    """
    from training.publishing import mlflow_registry
    from training.publishing.mlflow_runs import read_scores

    version = mlflow_registry.find_version(tracking, uri)
    data = mlflow_registry.download(tracking, version)
    try:
        champion = SandboxedChampion(data, hashlib.sha256(data).hexdigest(), Sandbox())  # it is parsed, not run
        windows = golden_windows(store, champion)
    except (ContractError, Missing) as error:
        raise PublishError(
            f"{uri} cannot be published under contract {contract.CONTRACT_VERSION}: {error}; train a champion with "
            "`eurusd run`, or choose a version of such a run"
        ) from error
    model_type = version.name.removeprefix(f"{champion.metadata.pair}_")
    candidate = Candidate(champion.metadata.family, model_type, data, champion.metadata, {})
    version = replace(version, sha256=candidate.sha256)
    scores = read_scores(tracking, version.run_id)
    move = move_aliases(tracking, mlflow_registry.rank_first(tracking, version))
    reason = f"{version.name} version {version.version} was chosen by hand"
    return publish(store, settings, candidate, version, scores, windows, now, move, reason=reason)


def rollback(
    store: Store, settings: Settings, to: int | None, now: datetime, tracking: "Registry | None" = None
) -> Published:
    """Publish the champion of an old generation as a new generation.

    Args:
        store: The store to write to.
        settings: Settings of the pair.
        to: The old generation; None for the last one before the active generation with another champion file.
        now: The time of publishing.
        tracking: The registry, in which the alias champion moves back; a note says so if the version was deleted.

    Raises:
        PublishError: There is no such generation, or its champion does not pass the checks.
    """
    pair, histories = settings.pair, (published_by(settings.pair), ACTIVATED)
    try:
        if to is not None:
            old = read_generation(store, pair, to, histories)
        elif last := read_active_state(store, pair).last:
            old = find_previous(store, pair, last, histories)
        else:
            raise PublishError("nothing is active, so there is no earlier champion; choose a generation with --to")
    except RollbackError as error:
        raise PublishError(f"{error}; name one of them with --to, or publish a version") from error
    reason = f"rollback to generation {old.generation}"
    pointer = replace(old.pointer, created_at=now, extra={**old.pointer.extra, REASON: reason})
    try:
        data = fetch_file(store, old.champion.key, old.champion.sha256)
        with Sandbox() as sandbox:
            check_champion(data, pointer, pair, store, now.date(), sandbox)
    except (ContractError, Missing) as error:
        raise PublishError(f"generation {old.generation} cannot be served again: {error}") from error
    move: MoveAliases = keep_aliases
    notes = []
    if tracking is not None:
        from training.publishing import mlflow_registry

        try:
            uri = f"models:/{pointer.model_name}/{pointer.model_version}"
            version = mlflow_registry.find_version(tracking, uri)
            move = move_aliases(tracking, mlflow_registry.rank_first(tracking, version))
        except RegistryError as error:
            notes.append(f"the alias champion was not moved: {error}")
    published = promote(store, settings, pointer, old.champion, data, now, move)
    return replace(published, notes=(*published.notes, *notes))


def move_aliases(tracking: "Registry", ranking: Sequence[Registered]) -> MoveAliases:
    """Return the `move` of `publish`, which gives the ranking its aliases.

    When another publisher was faster, it gives the alias champion to that publisher's champion instead, so that alias
    and pointer refer to the same one.
    """
    from training.publishing import mlflow_registry

    def move(pointer: Pointer) -> None:
        if (pointer.model_name, pointer.model_version) == (ranking[0].name, str(ranking[0].version)):
            mlflow_registry.set_aliases(tracking, ranking)
        else:
            uri = f"models:/{pointer.model_name}/{pointer.model_version}"
            mlflow_registry.set_alias(tracking, "champion", mlflow_registry.find_version(tracking, uri))

    return move


def golden_windows(store: Store, champion: BaseChampion) -> dict[str, NDArray[Any]]:
    """Return inputs of golden forecasts by name, a batch of at most GOLDEN_COUNT windows [windows, rows].

    They end at the store's last price, and one and two quarters earlier if there are enough prices. Raises Missing, and
    ContractError when the price file is too short.
    """
    metadata = champion.metadata
    price_file = store.read(keys.price_key(metadata.pair, metadata.prices))
    file_rows = len(price_file.data.splitlines()) - 1
    rows = max(metadata.window, min(file_rows, metadata.window + GOLDEN_STEP * (GOLDEN_COUNT - 1)))
    table = read_table(store, metadata.pair, metadata.prices, rows, champion.columns)
    return input_arrays(table_inputs(champion, table, range(rows, metadata.window - 1, -GOLDEN_STEP)))


def _make_pointer(
    candidate: Candidate, registered: Registered, scores: pd.DataFrame, golden: tuple[Golden, ...], now: datetime
) -> Pointer:
    """Return the pointer without its generation, which the history file reserves.

    Args:
        candidate: The champion.
        registered: Its version in the registry.
        scores: The score table.
        golden: Its golden forecasts.
        now: The time of publishing.
    """
    metadata = candidate.metadata
    rows = _score_rows(scores.sort_values("family", key=lambda names: names != candidate.family, kind="stable"))
    return Pointer(
        model_type=candidate.model_type,
        model_name=registered.name,
        model_version=str(registered.version),
        model_uri=f"models:/{registered.name}@champion",
        run_id=registered.run_id or None,
        model_alias="champion",
        metrics=_legacy_metrics(rows, candidate.family),
        baseline_metrics=_legacy_metrics(rows, BASELINE_NAMES[0]),
        contract_version=contract.CONTRACT_VERSION,
        pair=metadata.pair,
        champion=_champion_file(candidate.model, metadata.pair),
        trained_through=metadata.trained_through,
        created_at=now,
        scores=rows,
        golden=golden,
    )


def _champion_file(data: bytes, pair: str) -> ChampionFile:
    """Return where the file of a champion belongs: under its digest."""
    sha256 = hashlib.sha256(data).hexdigest()
    return ChampionFile(keys.champion_key(sha256, pair), sha256, len(data))


def _score_rows(scores: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Return rows of the score table as JSON types with SIGNIFICANT_DIGITS, without unknown values (NaN)."""
    return tuple(
        {
            str(name): float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
            for name, value in row.items()
            if not (isinstance(value, float) and np.isnan(value))
        }
        for row in scores.to_dict("records")
    )


def _legacy_metrics(rows: Sequence[Mapping[str, Any]], family: str) -> dict[str, float]:
    """Return the metrics of a family at one day, under the names of METRICS; empty without scores.

    A random walk forecasts no change and so no direction; its directional accuracy is NO_DIRECTION.
    """
    first = [row for row in rows if row["family"] == family and row["horizon"] == 1]
    metrics = {name: row[column] for row in first for name, column in METRICS.items() if column in row}
    return {"directional_accuracy": NO_DIRECTION} | metrics if metrics else {}
