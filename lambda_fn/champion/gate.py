"""Checks before a champion is activated: its file, its generation and its benchmarks' files."""

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
    """Tries the file out; raises ContractError naming the first check that it does not pass, and Unavailable.

    Returns the forecast of the newest window, with its inputs.
    """
    metadata, columns = read_metadata(data)
    _check_identity(metadata, pointer, pair, len(data))
    try:
        table = read_table(store, pair, metadata.prices, metadata.window, columns)
    except Missing as error:
        raise ContractError(f"{error}; put the {metadata.prices} prices there first") from error
    check_window(table, columns, metadata.prices, today)
    return sandbox.judge(data, pointer.golden, table)


def check_benchmark(data: bytes, champion: Metadata, pair: str, store: Store, sandbox: Sandbox) -> None:
    """As a champion, for a file that champions are compared with: it must forecast what the champion does.

    Raises ContractError, and Unavailable.
    """
    metadata, columns = read_metadata(data)
    for name, found, wanted in (
        ("pair", metadata.pair, pair),
        ("prices", metadata.prices, champion.prices),
        ("levels", metadata.levels, champion.levels),
        ("horizon", metadata.horizon, champion.horizon),
    ):
        if found != wanted:
            raise ContractError(f"benchmark.{name}: is {found}, the champion's is {wanted}; publish both again")
    sandbox.judge(data, (), read_table(store, pair, metadata.prices, metadata.window, columns))


def read_metadata(data: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of bytes of any origin and the price columns that they want; raises ContractError."""
    props, inputs = describe(data)
    return Metadata.parse(props), ("close", *(name for name in inputs if name not in ("close", DATE, TARGET_DATE)))


def _check_identity(metadata: Metadata, pointer: Pointer, pair: str, size: int) -> None:
    if pointer.champion and pointer.champion.size != size:
        raise ContractError(f"pointer.champion.size: {pointer.champion.size}, the file has {size} bytes")
    said: Mapping[str, tuple[Any, Any]] = {
        "pointer.pair": (pointer.pair, pair),
        "metadata.pair": (metadata.pair, pair),
        "pointer.trained_through": (pointer.trained_through, metadata.trained_through),
    }
    for name, (found, wanted) in said.items():
        if found != wanted:
            raise ContractError(f"{name}: is {found}, it must be {wanted}; publish the champion again")


def check_generation(generation: int, sha256: str, last: Active | None) -> None:
    """Raises ContractError unless it may follow the last one, or is the last one itself."""
    cure = "publish the champion as a new generation: python -m training rollback, or python -m training run"
    if generation > contract.highest_after(last.generation if last else None):
        known = f"{contract.MAX_JUMP:,} above the active generation {last.generation}" if last else "a first one may be"
        raise ContractError(f"pointer.generation: {generation} is more than {known}; {cure}")
    if last and generation < last.generation:
        raise ContractError(
            f"pointer.generation: {generation} is lower than the active generation {last.generation}; "
            "to go back, publish the old champion as a new generation: python -m training rollback"
        )
    if last and generation == last.generation and sha256 != last.champion.sha256:
        raise ContractError(
            f"pointer.champion.sha256: {sha256}, but generation {generation} is active with {last.champion.sha256}; "
            f"{cure}"
        )


def next_generation(sha256: str, last: Active | None) -> int:
    """The generation of a pointer without one: the active one's when the bytes are the same, otherwise the next."""
    if last is None:
        return 1
    return last.generation + (sha256 != last.champion.sha256)


def keep_benchmarks(store: Store, active: Active, data: bytes, sandbox: Sandbox) -> None:
    """Copies what the champion's forecasts are compared with, each checked as a champion is; raises ContractError."""
    champion, _ = read_metadata(data)
    for name, file in active.pointer.benchmarks.items():
        key = keys.serving_key(file.sha256, champion.pair)
        found = fetch_file(store, file.key, file.sha256)
        try:
            check_benchmark(found, champion, champion.pair, store, sandbox)
        except ContractError as error:
            raise ContractError(f"pointer.benchmarks.{name}: {error}") from error
        if not store.create(key, found):
            fetch_file(store, key, file.sha256)
