"""Work on several pairs, on every core: a failed pair does not stop the others."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_fn.currency_pairs import read_pairs
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


def run_pairs(pairs: Sequence[str], context: Context, work: Callable[..., "RunResult"], processes: int = 1) -> int:
    """Train and publish every pair by `work` and print all results.

    Args:
        pairs: The pairs.
        context: Store, registry, settings and output.
        work: Trains the pair of its context. With several processes it must be picklable and take `workers`.
        processes: How many pairs are trained at once. The first pair is trained alone, because the others need its
            shared fits and its registry.

    Returns 1 when a pair failed or its champion was rejected, otherwise 0.
    """
    from training.commands.scores import print_results

    _ = context.store, context.patient_store, context.ecb_rates  # open them once for all pairs
    first, *others = pairs
    finished = {first: try_pair(first, context, work)}
    if len(others) > 1 and processes > 1:
        finished.update(_try_in_processes(others, context, work, processes))
    else:
        finished.update({pair: try_pair(pair, context, work) for pair in others})
    results = {pair: finished[pair] for pair in pairs}
    print_results(results, context)
    failed = [pair for pair, result in results.items() if isinstance(result, str) or result.code]
    return report_failed(failed, len(results), context)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _try_in_processes(
    pairs: Sequence[str], context: Context, work: Callable[..., "RunResult"], processes: int
) -> Iterator[tuple[str, "RunResult | str"]]:
    """Yield each pair with its result or error message, as they are finished.

    Args:
        pairs: The pairs.
        context: The context of the command.
        work: Trains the pair of its context with `workers` processes.
        processes: How many pairs are trained at once.
    """
    from training.models.heads.pooled_fit import cached_fits
    from training.runs.task_runner import run_parallel

    processes = min(processes, len(pairs))
    calls = [(pair, context.for_process(), work, cached_fits()) for pair in pairs]
    unfinished = list(pairs)
    try:
        for pair, result in run_parallel(_try_in_worker, calls, processes, return_as="generator_unordered"):
            unfinished.remove(pair)
            yield pair, result
    except BrokenProcessPool:
        for pair in unfinished:
            message = f"its process was killed; run it again: eurusd run --pairs {pair}"
            context.note(f"error: {pair}: {message}")
            yield pair, message


def _try_in_worker(
    pair: str, context: Context, work: Callable[..., "RunResult"], fits: Mapping[str, Any]
) -> tuple[str, "RunResult | str"]:
    """Do the work of a pair in a worker process, on one core.

    Args:
        pair: The pair.
        context: A context of the command for this process.
        work: Trains the pair.
        fits: The shared fits that the first pair made.
    """
    from training.models.heads.pooled_fit import cache_fits

    cache_fits(fits)
    return pair, try_pair(pair, context, lambda pair_context: work(pair_context, workers=1))


def print_serving_command(pairs: Sequence[str], context: Context) -> None:
    """Print the command that serves the pairs and those that are served already."""
    settings = context.settings
    served = find_active(settings.pairs, context)
    names = ",".join(dict.fromkeys((*served, *pairs)))
    names = next((word for word in ("majors", "all") if set(read_pairs(word)) == set(names.split(","))), names)
    if set(names.split(",")) == set(settings.pairs):
        command = "eurusd serve"
    else:
        command = f"PAIRS={names} eurusd serve"
    if settings.use_s3:
        command = f"set the parameter Pairs of the stack to {names}"
    context.progress.print(f"Serve {names}: {command}", soft_wrap=True, highlight=False)


def find_active(pairs: Sequence[str], context: Context) -> tuple[str, ...]:
    """Return the pairs that have an active champion."""
    from training.publishing.promotion import read_active

    return tuple(pair for pair in pairs if read_active(context.store, pair) is not None)


def report_failed(failed: Sequence[str], pairs: int, context: Context) -> int:
    """Print the names of failed pairs; return the exit code, 1 when there are any."""
    if failed:
        context.note(f"error: {len(failed)} of {pairs} pairs failed: {', '.join(failed)}")
    return 1 if failed else 0
