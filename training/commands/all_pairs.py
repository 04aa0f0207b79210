"""Work on several pairs, one after the other: a failed pair does not stop the others."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from training.commands.context import NAMED_ERRORS, Context, UsageError
from training.commands.options import JobOptions

if TYPE_CHECKING:
    from training.commands.scores import RunResult

T = TypeVar("T")


def select_pairs(options: JobOptions, context: Context) -> tuple[str, ...]:
    """Return the pairs of --pairs, by default those of PAIRS. Raises UsageError for one file and several pairs."""
    pairs = options.pairs or context.settings.pairs
    if options.prices.csv is not None and len(pairs) > 1:
        raise UsageError(
            f"--csv: a file holds the prices of one pair, but {len(pairs)} pairs are selected; say which pair it is, "
            f"such as --pairs {pairs[0]}"
        )
    return pairs


def try_pair(pair: str, context: Context, work: Callable[[Context], T]) -> T | str:
    """Return the result of `work` on a pair, or the error message if it fails, which is also printed at once."""
    try:
        return work(context.for_pair(pair, prefix=pair))
    except Exception as error:  # noqa: BLE001 - no error of one pair may stop the other pairs
        message = str(error) if isinstance(error, NAMED_ERRORS) else f"{type(error).__name__}: {error}"
        context.note(f"error: {pair}: {message}")
        return message


def run_pairs(pairs: Sequence[str], context: Context, work: Callable[[Context], "RunResult"]) -> int:
    """Train and publish every pair by `work` and print all results.

    Returns 1 when a pair failed or its champion was rejected, otherwise 0.
    """
    from training.commands.scores import print_results

    _ = context.store, context.patient_store, context.ecb_rates  # open them once for all pairs
    results = {pair: try_pair(pair, context, work) for pair in pairs}
    print_results(results, context)
    failed = [pair for pair, result in results.items() if isinstance(result, str) or result.code]
    return report_failed(failed, len(results), context)


def report_failed(failed: Sequence[str], pairs: int, context: Context) -> int:
    """Print the names of failed pairs; return the exit code, 1 when there are any."""
    if failed:
        context.note(f"error: {len(failed)} of {pairs} pairs failed: {', '.join(failed)}")
    return 1 if failed else 0
