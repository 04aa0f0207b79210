"""Which generation may follow which: they only grow, and never far at once."""

from lambda_fn import contract
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError


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
