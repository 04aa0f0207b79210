"""What a champion's forecasts are compared with, kept beside it."""

from lambda_fn.champion.acceptance import check_benchmark, read_metadata
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.objects import Store


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
