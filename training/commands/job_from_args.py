"""The jobs that a command's options describe: create them, freeze them in the store, run their tasks."""

import argparse
import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from training.commands import all_pairs
from training.commands.context import Context, UsageError
from training.console import Stages
from training.evaluation.walk_forward import MINIMUM_TRAIN, walk_forward
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.prices.read_options import Reading
from training.prices.table import PriceTable, load, load_stored, store_prices
from training.runs.jobs import Job, Task, columns, number_tasks, tasks, usable_families
from training.runs.run_store import PAIRS_PREFIX, Run

if TYPE_CHECKING:
    from training.runs.jobs import Result

MIN_PARALLEL_TASKS = 5  # fewer tasks are finished before a worker has imported what it needs


def job_from_args(args: argparse.Namespace, context: Context) -> Job:
    """Return the job that the options describe. Raises UsageError naming the option that is wrong."""
    names = DEFAULT_FAMILIES if args.families is None else tuple(dict.fromkeys(args.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is not a model; choose from {', '.join(FAMILIES)}")
    for option, least in (("seeds", 1), ("span", 1), ("workers", 1)):
        if (number := getattr(args, option, None)) is not None and number < least:
            raise UsageError(f"--{option}: {number} is too small; choose {least} or more")
    if not 0 <= args.seed <= 2**32 - args.seeds:
        raise UsageError(f"--seed: {args.seed} is out of range; choose 0 to {2**32 - args.seeds}")
    table = load_prices(args, context, names)
    if args.families is None:
        names = usable_families(table)
    try:
        splits = list(walk_forward(table.frame, args.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(f"--first-year: the prices have no day to forecast from {args.first_year} on; choose earlier")
    first_year = splits[0].cutoff.year + 1
    if first_year > args.first_year:
        reason = f"a year needs {MINIMUM_TRAIN} rows before it"
        context.note([f"--first-year {args.first_year}: it starts in {first_year}, as {reason}"])
    return Job(table, context.settings.pair, names, first_year, args.seed, args.seeds, args.span)


def load_prices(args: argparse.Namespace, context: Context, families: tuple[str, ...]) -> PriceTable:
    """Return the prices that the options select, with the columns that these models use cleaned.

    Raises UsageError for options of a file without --csv.
    """
    today, pair, used_columns = context.now.date(), context.settings.pair, columns(families)
    options = {field.name: getattr(args, field.name) for field in fields(Reading)}
    file_option = next((name for name, value in options.items() if value not in (None, False)), None)
    if file_option is not None and args.csv is None:
        option = "from" if file_option == "start" else file_option.replace("_", "-")
        raise UsageError(f"--{option}: it requires --csv FILE; add it, or leave --{option} out")
    if args.stored:
        return load_stored(context.store, pair, "ecb", today=today, columns=used_columns)
    return load(
        "csv" if args.csv else "ecb",
        today=today,
        path=args.csv,
        pair=pair,
        fresh=args.fresh and args.fresh.seconds,
        required=bool(args.fresh and args.fresh.required),
        columns=used_columns,
        ecb_url=context.settings.ecb_url,
        reading=Reading(**options),
        ecb_rates=context.ecb_rates,
    )


def run_tasks(args: argparse.Namespace, job: Job, context: Context, stages: Stages) -> "list[Result]":
    """Run every task of the job, in this process or in workers, with a progress step for each refit.

    Args:
        args: Options with the number of workers.
        job: The job.
        context: Where to print.
        stages: Shows the progress.
    """
    from training.runs.task_runner import make_shared_fits, run_here, run_workers

    todo = tasks(job)
    with stages.stage("fit, export and forecast", sum(len(task.cutoffs) for task in todo)) as step:
        workers = args.workers or default_workers(len(todo))
        if workers == 1:
            return run_here(job, todo, step)

        def on_result(result: "Result") -> None:
            for refit in result.refits:
                step(f"{result.task.family} {refit.cutoff:%Y}")

        def on_killed_worker(remaining: int) -> None:
            context.note([f"warning: a worker was killed; retrying {remaining} tasks"])

        with_fits = replace(job, shared=make_shared_fits(job, workers))
        return run_workers(with_fits, todo, workers, on_result, on_killed_worker)


def default_workers(tasks: int) -> int:
    """Return one worker per core, at most two (more need more memory), or one for few tasks (a worker has to start)."""
    return min(os.cpu_count() or 1, 2) if tasks >= MIN_PARALLEL_TASKS else 1


class Jobs(NamedTuple):
    """The jobs that options describe, one for each pair, with numbered tasks; `failed` are the pairs without a job."""

    jobs: list[Job]
    failed: tuple[str, ...]


def jobs_from_args(args: argparse.Namespace, context: Context) -> Jobs:
    """Return the jobs of all pairs.

    The error of a pair is printed and does not stop the others. Raises UsageError when no pair has a job; a single
    pair raises its own error.
    """
    pairs = all_pairs.select_pairs(args, context)
    if len(pairs) == 1:
        return Jobs([job_from_args(args, context.for_pair(pairs[0]))], ())
    _ = context.store, context.ecb_rates  # open them once for all pairs
    results = {
        pair: all_pairs.try_pair(pair, context, lambda pair_context: job_from_args(args, pair_context))
        for pair in pairs
    }
    jobs = [job for job in results.values() if isinstance(job, Job)]
    if not jobs:
        raise UsageError(f"--pairs: none of {', '.join(pairs)} can be trained; choose others")
    return Jobs(list(number_tasks(jobs)), tuple(pair for pair, job in results.items() if isinstance(job, str)))


def freeze_run(args: argparse.Namespace, context: Context) -> tuple[Run, Jobs]:
    """Freeze the jobs that the options describe as a run, and store the price files that the store lacks."""
    from training.runs.task_runner import make_shared_fits

    selected = jobs_from_args(args, context)
    pair = selected.jobs[0].pair if len(selected.jobs) == 1 else PAIRS_PREFIX
    run = Run(context.store, args.run or f"{pair}-{context.now:%Y%m%dT%H%M%SZ}")
    run.check_name(selected.jobs)  # before the fits, which take seconds
    notes = []
    for job in selected.jobs:
        notes += [job.table.origin, *job.table.notes]
        if not args.stored:
            append = not context.settings.use_s3
            notes.append(store_prices(context.store, job.pair, job.table, append=append, replace=args.replace))
    run.freeze([replace(job, shared=make_shared_fits(job, default_workers(len(tasks(job))))) for job in selected.jobs])
    context.note([*dict.fromkeys(notes), f"frozen as run {run.name} in the {context.store.describe()}"])
    return run, selected


def task_as_json(task: Task, finished: set[int]) -> dict[str, Any]:
    """Return a task as tables and --json show it; `finished` are the indexes of the tasks with a result."""
    first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (task.cutoffs[0], task.cutoffs[-1]))
    return {
        "index": task.index,
        "pair": task.pair,
        "family": task.family,
        "seed": task.seed,
        "first": first,
        "last": last,
        "refits": len(task.cutoffs),
        "done": task.index in finished,
    }
