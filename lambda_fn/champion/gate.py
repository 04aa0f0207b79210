"""Checks before a champion is activated: its file, its generation and the files of its benchmarks."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from lambda_fn import contract
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.onnx_validator import describe
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import DATE, TARGET_DATE, Active, Golden, Metadata, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import check_window, read_table
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store


def check_champion(data: bytes, pointer: Pointer, pair: str, store: Store, today: date, sandbox: Sandbox) -> Golden:
    """Check a champion file and run its trial. Return the forecast of the latest window, with its inputs.

    Args:
        data: the bytes of the file.
        pointer: the published pointer that names the file.
        pair: the currency pair that the champion has to forecast.
        store: where the prices are.
        today: the current date, UTC.
        sandbox: runs the trial.

    Raises ContractError naming the first check that fails, and Unavailable.
    """
    metadata, columns = read_metadata(data)
    if pointer.champion and pointer.champion.size != len(data):
        raise ContractError(
            f"pointer.champion.size: {pointer.champion.size}, but the file has {len(data)} bytes; "
            "publish the champion again"
        )
    identity: Mapping[str, tuple[Any, Any]] = {
        "pointer.pair": (pointer.pair, pair),
        "metadata.pair": (metadata.pair, pair),
        "pointer.trained_through": (pointer.trained_through, metadata.trained_through),
    }
    for name, (actual, expected) in identity.items():
        if actual != expected:
            raise ContractError(f"{name}: {actual} is not {expected}; publish the champion again")
    try:
        table = read_table(store, pair, metadata.prices, metadata.window, columns)
    except Missing as error:
        raise ContractError(f"{error}; upload the {metadata.prices} prices first") from error
    check_window(table, columns, metadata.prices, today)
    return sandbox.run_trial(data, pointer.golden, table)


def check_benchmark(data: bytes, champion: Metadata, pair: str, store: Store, sandbox: Sandbox) -> None:
    """Check a benchmark file as a champion is checked: it must forecast the same quantities as the champion.

    Args:
        data: the bytes of the file.
        champion: the metadata of the champion that is compared with it.
        pair: the currency pair.
        store: where the prices are.
        sandbox: runs the trial.

    Raises ContractError, and Unavailable.
    """
    metadata, columns = read_metadata(data)
    for name, actual, expected in (
        ("pair", metadata.pair, pair),
        ("prices", metadata.prices, champion.prices),
        ("levels", metadata.levels, champion.levels),
        ("horizon", metadata.horizon, champion.horizon),
    ):
        if actual != expected:
            raise ContractError(
                f"benchmark.{name}: {actual} differs from the champion's {expected}; publish both again"
            )
    sandbox.run_trial(data, (), read_table(store, pair, metadata.prices, metadata.window, columns))


def read_metadata(data: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata and the price columns of a champion file. The bytes are untrusted. Raises ContractError."""
    props, inputs, _ = describe(data)
    return Metadata.parse(props), ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))


def check_generation(generation: int, sha256: str, last: Active | None) -> None:
    """Raise ContractError unless the generation may follow the last one, or is the last one itself."""
    cure = "publish the champion as a new generation: eurusd rollback, or eurusd run"
    if generation > contract.highest_after(last.generation if last else None):
        limit = (
            f"more than {contract.MAX_GENERATION_STEP:,} above the active generation {last.generation}"
            if last
            else f"more than {contract.MAX_FIRST_GENERATION:,}, the highest first generation"
        )
        raise ContractError(f"pointer.generation: {generation} is {limit}; {cure}")
    if last and generation < last.generation:
        raise ContractError(
            f"pointer.generation: {generation} is lower than the active generation {last.generation}; "
            "to roll back, publish the old champion as a new generation: eurusd rollback"
        )
    if last and generation == last.generation and sha256 != last.champion.sha256:
        raise ContractError(
            f"pointer.champion.sha256: {sha256}, but the active generation {generation} has {last.champion.sha256}; "
            f"{cure}"
        )


def next_generation(sha256: str, last: Active | None) -> int:
    """Return the generation for a pointer without one: the active one for the same bytes, otherwise the next."""
    if last is None:
        return 1
    return last.generation + (sha256 != last.champion.sha256)


def keep_benchmarks(store: Store, active: Active, data: bytes, sandbox: Sandbox) -> None:
    """Check the champion's benchmark files as champions are checked, and copy them to where serving reads them.

    Args:
        store: has the published files and gets the copies.
        active: the activation that names the files.
        data: the bytes of the champion.
        sandbox: runs the trials.

    Raises ContractError, Missing and Unavailable.
    """
    champion, _ = read_metadata(data)
    for name, file in active.pointer.benchmarks.items():
        key = keys.serving_key(file.sha256, champion.pair)
        benchmark = fetch_file(store, file.key, file.sha256)
        try:
            check_benchmark(benchmark, champion, champion.pair, store, sandbox)
        except ContractError as error:
            raise ContractError(f"pointer.benchmarks.{name}: {error}") from error
        if not store.create(key, benchmark):
            fetch_file(store, key, file.sha256)
