"""What a champion must pass before it is activated: is it what was published, and sane on today's prices.

Champion files are untrusted input: this module only parses them, and the sandbox runs them.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from lambda_fn.champion.onnx_file import describe
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import DATE, TARGET_DATE, Golden, Metadata, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import read_table
from lambda_fn.prices.window import check_window
from lambda_fn.store.objects import Missing, Store


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
