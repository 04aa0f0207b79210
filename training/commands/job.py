"""The job that a command's options describe: load its prices, make it, run its tasks and evaluate their results."""

import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from training.commands.context import Context, UsageError
from training.commands.options import JobOptions, PriceOptions
from training.evaluation.walk_forward import MINIMUM_TRAIN, walk_forward
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.prices.table import PriceTable, load, load_stored
from training.runs.jobs import Job, columns, tasks, usable_families

if TYPE_CHECKING:
    from training.runs.jobs import Result
    from training.runs.pipeline import Evaluation, Members

MIN_PARALLEL_TASKS = 5  # fewer tasks are finished before a worker has imported what it needs
FIRST_INCUMBENT = "random_walk"  # while nothing is active; others have to be significantly better


def make_job(options: JobOptions, context: Context) -> Job:
    """Return the job that the options describe. Raises UsageError naming the option that is wrong."""
    names = DEFAULT_FAMILIES if options.families is None else tuple(dict.fromkeys(options.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is not a model; choose from {', '.join(FAMILIES)}")
    if not 0 <= options.seed <= 2**32 - options.seeds:
        raise UsageError(f"--seed: {options.seed} is out of range; choose 0 to {2**32 - options.seeds}")
    table = load_prices(options.prices, context, names)
    if options.families is None:
        names = usable_families(table)
    try:
        splits = list(walk_forward(table.frame, options.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(
            f"--first-year: the prices have no day to forecast from {options.first_year} on; choose earlier"
        )
    first_year = splits[0].cutoff.year + 1
    if first_year > options.first_year:
        reason = f"a year needs {MINIMUM_TRAIN} rows before it"
        context.note(f"--first-year {options.first_year}: it starts in {first_year}, as {reason}")
    return Job(table, context.settings.pair, names, first_year, options.seed, options.seeds, options.span)


def load_prices(options: PriceOptions, context: Context, families: tuple[str, ...]) -> PriceTable:
    """Return the prices that the options select, with the columns that these models use cleaned.

    Raises UsageError for options of a file without --csv.
    """
    today, pair, used_columns = context.now.date(), context.settings.pair, columns(families)
    file_options = [name for name, value in asdict(options.reading).items() if value not in (None, False)]
    if file_options and options.csv is None:
        option = "from" if file_options[0] == "start" else file_options[0].replace("_", "-")
        raise UsageError(f"--{option}: it requires --csv FILE; add it, or leave --{option} out")
    if options.stored:
        return load_stored(context.store, pair, "ecb", today=today, columns=used_columns)
    return load(
        "csv" if options.csv else "ecb",
        today=today,
        path=options.csv,
        pair=pair,
        fresh=options.fresh and options.fresh.seconds,
        required=bool(options.fresh and options.fresh.required),
        columns=used_columns,
        ecb_url=context.settings.ecb_url,
        reading=options.reading,
        ecb_rates=context.ecb_rates,
    )


def run_tasks(job: Job, workers: int | None, context: Context) -> "list[Result]":
    """Run every task of the job, in this process or in workers, with a progress step for each refit."""
    from training.runs.task_runner import make_shared_fits, run_here, run_workers

    todo = tasks(job)
    with context.stages.stage("fit, export and forecast", sum(len(task.cutoffs) for task in todo)) as step:
        workers = workers or default_workers(len(todo))
        if workers == 1:
            return run_here(job, todo, step)

        def on_result(result: "Result") -> None:
            for refit in result.refits:
                step(f"{result.task.family} {refit.cutoff:%Y}")

        def on_killed_worker(remaining: int) -> None:
            context.note(f"warning: a worker was killed; retrying {remaining} tasks")

        with_fits = replace(job, shared=make_shared_fits(job, workers))
        return run_workers(with_fits, todo, workers, on_result, on_killed_worker)


def default_workers(tasks: int) -> int:
    """Return one worker per core, at most two (more need more memory), or one for few tasks (a worker has to start)."""
    return min(os.cpu_count() or 1, 2) if tasks >= MIN_PARALLEL_TASKS else 1


def evaluate_results(job: Job, results: "Iterable[Result]", context: Context) -> "tuple[Members, Evaluation]":
    """Gather the members whose tasks are complete, report the others, and score and select among them.

    The model of the active champion stays champion unless another one is significantly better. Raises IncompleteError
    when no model is complete.
    """
    from training.publishing.promotion import read_active
    from training.runs import pipeline

    members, missing = pipeline.gather(job, results)
    context.note(*pipeline.describe_missing(job, members, missing))
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    incumbent = types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT
    return members, pipeline.evaluate(job, members, incumbent, context.stages)
