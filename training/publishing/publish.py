"""What is published: the pointer of a champion, with its scores and golden forecasts, and how an old one comes back.

`promotion` has the order of the writes, which makes a kill at any point harmless. MLflow, which takes seconds to
import, is imported where a registry is read or changed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn import contract
from lambda_fn.champion.base import BaseChampion, ForecastError
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_champion
from lambda_fn.champion.model_inputs import window_inputs
from lambda_fn.champion.sandbox import Sandbox, SandboxedChampion
from lambda_fn.contract import ChampionFile, Golden, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import Table, read_table
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.export.candidate import Candidate, Registered
from training.models.economic_calendar import load_events
from training.publishing.promotion import (
    REASON,
    MoveAliases,
    Published,
    PublishError,
    history,
    promote,
    read_active,
    read_pointer,
    refusal,
    standing,
)
from training.publishing.tracking_uri import RegistryError

if TYPE_CHECKING:
    from training.publishing.mlflow_registry import Registry

COIN = 0.5
GOLDEN_COUNT = 3
GOLDEN_STEP = 63  # rows from one golden window to the next: a quarter, so that they see different volatility
SIGNIFICANT_DIGITS = 6  # of a score in the pointer
BASELINES = ("constant", "ewma", "garch")  # whose scores the pointer carries beside the family's
# Names that readers of the pointer know, and the columns of the score table at horizon 1 that they mean.
METRICS = {"rmse": "rmse", "mae": "mae", "directional_accuracy": "direction", "pinball": "pinball"}


def keep_aliases(pointer: Pointer) -> None:
    """No registry: no alias moves."""


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
    once: bool = False,
) -> Published:
    """Serves the candidate once with the serving code, publishes it and, on a folder, activates it.

    `windows` are the inputs of the golden forecasts, a batch of two or three; `scores` is the score table, of which
    the family's and the baselines' rows go into the pointer; `move` moves the aliases (see `move_aliases`);
    `benchmarks` are champion files that its forecasts are compared with, `backtest` the summary of its record, `reason`
    says why it is published; `once` publishes nothing where the same stands already. The store must hold the price
    file, as the same checks on the last window decide on activation. Raises PublishError.
    """
    try:
        with Sandbox() as sandbox:
            champion = SandboxedChampion(candidate.model, candidate.sha256, sandbox)
            pointer = _pointer(candidate, registered, scores, _golden(champion, windows), now)
            files = {name: _benchmark(store, data, candidate.metadata.pair) for name, data in benchmarks.items()}
            pointer = replace(pointer, benchmarks=files, backtest=backtest, extra={REASON: reason} if reason else {})
            if champion.wants_target_date:
                pointer = replace(pointer, events_known_through=min(load_events().known_through().values()))
            check_champion(candidate.model, pointer, settings.pair, store, now.date(), sandbox)
    except (ContractError, ForecastError) as error:
        raise PublishError(f"{registered.uri} was not published: {error}") from error
    if once and (known := standing(store, settings, replace(pointer, champion=_file(candidate)))) is not None:
        move(known)
        return Published(known.generation or 0, known, None, None, already=True)
    return promote(store, settings, pointer, _file(candidate), candidate.model, now, move)


def publish_version(tracking: "Registry", store: Store, settings: Settings, uri: str, now: datetime) -> Published:
    """Publishes a version chosen by hand, models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3, and moves the
    alias champion to it. Its scores are those of its run; its golden windows end in the store's price file.

    Raises PublishError or RegistryError, both with the cure.
    """
    from training.publishing import mlflow_registry
    from training.publishing.model_versions import read_scores

    version = mlflow_registry.find(tracking, uri)
    data = mlflow_registry.download(tracking, version)
    try:
        champion = SandboxedChampion(data, hashlib.sha256(data).hexdigest(), Sandbox())  # parsed only, and not run
        windows = golden_windows(store, champion)
    except (ContractError, Missing) as error:
        raise PublishError(
            f"{uri} cannot be published under contract {contract.CONTRACT_VERSION}: {error}; train a champion with "
            "`python -m training run`, or choose a version that it exported"
        ) from error
    model_type = version.name.removeprefix(f"{champion.metadata.pair}_")
    candidate = Candidate(champion.metadata.family, model_type, data, champion.metadata, {})
    version = replace(version, sha256=candidate.sha256)
    scores = read_scores(tracking, version.run_id)
    move = move_aliases(tracking, mlflow_registry.ranked(tracking, version))
    reason = f"{version.name} version {version.version} was chosen by hand"
    return publish(store, settings, candidate, version, scores, windows, now, move, reason=reason)


def rollback(
    store: Store, settings: Settings, to: int | None, now: datetime, tracking: "Registry | None" = None
) -> Published:
    """Publishes the champion of an old generation as a new one; `to` None means the last other one before the active.

    With `tracking` the alias champion moves back too when the version still exists; otherwise a note says so.
    Raises PublishError.
    """
    old = _previous(store, settings) if to is None else _history(store, settings, to)
    pointer = replace(old, created_at=now, extra={**old.extra, REASON: f"rollback to generation {old.generation}"})
    try:
        if old.champion is None:
            raise ContractError("it names no champion file")
        data = fetch_file(store, old.champion.key, old.champion.sha256)
        with Sandbox() as sandbox:
            check_champion(data, pointer, settings.pair, store, now.date(), sandbox)
    except (ContractError, Missing) as error:
        raise PublishError(f"generation {old.generation} cannot be served again: {error}") from error
    move, notes = _move_back(tracking, old)
    published = promote(store, settings, pointer, old.champion, data, now, move)
    return replace(published, notes=(*published.notes, *notes))


def move_aliases(tracking: "Registry", ranking: Sequence[Registered]) -> MoveAliases:
    """The `move` of `publish`: gives the ranking its aliases, or the champion of another publisher's pointer its
    own when that one was faster, so that alias and pointer end at the same champion."""
    from training.publishing import mlflow_registry

    def move(pointer: Pointer) -> None:
        if (pointer.model_name, pointer.model_version) == (ranking[0].name, str(ranking[0].version)):
            mlflow_registry.set_aliases(tracking, ranking)
        else:
            uri = f"models:/{pointer.model_name}/{pointer.model_version}"
            mlflow_registry.set_alias(tracking, "champion", mlflow_registry.find(tracking, uri))

    return move


def golden_windows(store: Store, champion: BaseChampion) -> dict[str, NDArray[Any]]:
    """Inputs of golden forecasts, a batch of windows that end at the store's last price and a quarter and two
    before it, as far as there are prices. Raises Missing, and ContractError when the file is too short."""
    metadata = champion.metadata
    whole = store.read(keys.price_key(metadata.pair, metadata.prices))
    rows = len(whole.data.splitlines()) - 1
    wanted = max(metadata.window, min(rows, metadata.window + GOLDEN_STEP * (GOLDEN_COUNT - 1)))
    table = read_table(store, metadata.pair, metadata.prices, wanted, champion.columns)
    ends = range(wanted, metadata.window - 1, -GOLDEN_STEP)
    singles = [
        window_inputs(
            champion, Table(table.dates[:end], {name: table.columns[name][:end] for name in champion.columns})
        )
        for end in ends
    ]
    return {name: np.concatenate([single[name] for single in singles]) for name in singles[0]}


def _golden(champion: SandboxedChampion, windows: Mapping[str, NDArray[Any]]) -> tuple[Golden, ...]:
    forecast = champion.forecast({name: batch.tolist() for name, batch in windows.items()})
    return tuple(
        Golden(
            {name: batch[row].tolist() for name, batch in windows.items()},
            forecast.quantiles[row],
            forecast.mean[row],
        )
        for row in range(len(forecast.mean))
    )


def _pointer(
    candidate: Candidate, registered: Registered, scores: pd.DataFrame, golden: tuple[Golden, ...], now: datetime
) -> Pointer:
    """Without its generation, which only the history file reserves."""
    metadata = candidate.metadata
    rows = _rows(scores[scores["family"].isin([candidate.family, *BASELINES])])
    return Pointer(
        model_type=candidate.model_type,
        model_name=registered.name,
        model_version=str(registered.version),
        model_uri=f"models:/{registered.name}@champion",
        run_id=registered.run_id,
        model_alias="champion",
        metrics=_metrics(rows, candidate.family),
        baseline_metrics=_metrics(rows, BASELINES[0]),
        contract_version=contract.CONTRACT_VERSION,
        pair=metadata.pair,
        champion=_file(candidate),
        trained_through=metadata.trained_through,
        created_at=now,
        scores=rows,
        golden=golden,
    )


def _benchmark(store: Store, data: bytes, pair: str) -> ChampionFile:
    """Where the file is, under its digest; written unless it is there."""
    sha256 = hashlib.sha256(data).hexdigest()
    file = ChampionFile(keys.champion_key(sha256, pair), sha256, len(data))
    store.create(file.key, data)
    return file


def _file(candidate: Candidate) -> ChampionFile:
    key = keys.champion_key(candidate.sha256, candidate.metadata.pair)
    return ChampionFile(key, candidate.sha256, len(candidate.model))


def _rows(scores: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Rows of the score table as JSON types, shortened; what is unknown (NaN) is left out."""
    return tuple(
        {
            str(name): float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
            for name, value in row.items()
            if not (isinstance(value, float) and np.isnan(value))
        }
        for row in scores.to_dict("records")
    )


def _metrics(rows: Sequence[Mapping[str, Any]], family: str) -> dict[str, float]:
    """A walk forecasts no change and so names no direction; readers get the share of a coin in its place."""
    first = [row for row in rows if row["family"] == family and row["horizon"] == 1]
    known = {name: row[column] for row in first for name, column in METRICS.items() if column in row}
    return {"directional_accuracy": COIN} | known if known else {}


def _history(store: Store, settings: Settings, generation: int) -> Pointer:
    """Raises PublishError naming the generations that there are."""
    pointer, etag = read_pointer(store, keys.history_key(generation, settings.pair))
    if pointer is not None:
        return pointer
    there = ", ".join(str(number) for number in history(store, settings.pair)) or "none"
    state = "cannot be read" if etag else "is not in history"
    raise PublishError(f"generation {generation} {state}; {store.describe()} has {there}")


def _previous(store: Store, settings: Settings) -> Pointer:
    """The last champion of history before the active one that is another file and was not refused."""
    active = read_active(store, settings.pair)
    if active is None:
        raise PublishError("nothing is active, so there is nothing to go back from; name a generation with --to")
    for generation in reversed(history(store, settings.pair)):
        key = keys.history_key(generation, settings.pair)
        pointer, _ = read_pointer(store, key)
        if generation >= active.generation or pointer is None or pointer.champion is None:
            continue
        if pointer.champion.sha256 != active.champion.sha256 and refusal(store, settings.pair, pointer) is None:
            return pointer
    raise PublishError(f"there is no other champion before generation {active.generation}; publish one instead")


def _move_back(tracking: "Registry | None", old: Pointer) -> tuple[MoveAliases, tuple[str, ...]]:
    if tracking is None:
        return keep_aliases, ()

    from training.publishing import mlflow_registry

    try:
        version = mlflow_registry.find(tracking, f"models:/{old.model_name}/{old.model_version}")
    except RegistryError as error:
        return keep_aliases, (f"the alias champion stays where it is: {error}",)
    return move_aliases(tracking, mlflow_registry.ranked(tracking, version)), ()
