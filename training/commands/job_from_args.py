"""The job that a command's options describe: made, frozen in the store, listed and worked on."""

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

FEW = 4  # tasks: they are done before a worker has imported what it needs


def ask(asked: argparse.Namespace, context: Context) -> Job:
    """The job that the options describe; raises UsageError naming the option."""
    names = DEFAULT_FAMILIES if asked.families is None else tuple(dict.fromkeys(asked.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is no family; choose among {', '.join(FAMILIES)}")
    for option, least in (("seeds", 1), ("span", 1), ("workers", 1)):
        if (number := getattr(asked, option, None)) is not None and number < least:
            raise UsageError(f"--{option}: {number} is too small; choose {least} or more")
    if not 0 <= asked.seed <= 2**32 - asked.seeds:
        raise UsageError(f"--seed: {asked.seed} is out of range; choose 0 to {2**32 - asked.seeds}")
    table = ask_table(asked, context, names)
    if asked.families is None:
        names = usable_families(table)
    try:
        splits = list(walk_forward(table.frame, asked.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(f"--first-year: no day is left to forecast from {asked.first_year} on; choose an earlier one")
    first_year = splits[0].cutoff.year + 1
    if first_year > asked.first_year:
        needed = f"a year needs {MINIMUM_TRAIN} rows before it"
        context.note([f"--first-year {asked.first_year}: it starts in {first_year}, as {needed}"])
    return Job(table, context.settings.pair, names, first_year, asked.seed, asked.seeds, asked.span)


def ask_table(asked: argparse.Namespace, context: Context, families: tuple[str, ...]) -> PriceTable:
    """The prices that the options name, clean in the columns that these families use."""
    today, pair, wanted = context.now.date(), context.settings.pair, columns(families)
    reading = ask_reading(asked)
    if asked.stored:
        return load_stored(context.store, pair, "ecb", today=today, columns=wanted)
    return load(
        "csv" if asked.csv else "ecb",
        today=today,
        path=asked.csv,
        pair=pair,
        fresh=asked.fresh and asked.fresh.seconds,
        required=bool(asked.fresh and asked.fresh.required),
        columns=wanted,
        ecb_url=context.settings.ecb_url,
        reading=reading,
        ecb_rates=context.bank,
    )


def ask_reading(asked: argparse.Namespace) -> Reading:
    """How the options say that a file is to be read; raises UsageError where there is no file."""
    options = {field.name: getattr(asked, field.name) for field in fields(Reading)}
    given = next((name for name, value in options.items() if value not in (None, False)), None)
    if given is not None and asked.csv is None:
        option = "from" if given == "start" else given.replace("_", "-")
        raise UsageError(f"--{option} goes with --csv FILE; it says how a file of your own is read")
    return Reading(**options)


def results(asked: argparse.Namespace, job: Job, context: Context, stages: Stages) -> "list[Result]":
    """Every task of the job, here or by workers, a step a refit."""
    from training.runs.executor import run_here, run_workers
    from training.runs.fit_task import make_shared_fits

    todo = tasks(job)
    with stages.stage("fit, export and forecast", sum(len(task.cutoffs) for task in todo)) as step:
        workers = asked.workers or usual_workers(len(todo))
        if workers == 1:
            return run_here(job, todo, step)
        carried = replace(job, shared=make_shared_fits(job, workers))

        def done(result: "Result") -> None:
            for refit in result.refits:
                step(f"{result.task.family} {refit.cutoff:%Y}")

        def killed(left: int) -> None:
            context.note([f"warning: a worker was killed; {left} tasks are tried again"])

        return run_workers(carried, todo, workers, done, killed)


def usual_workers(tasks: int) -> int:
    """As many as cores, two at most: more need more memory. One where the tasks are few, as a worker has to start."""
    return min(os.cpu_count() or 1, 2) if tasks > FEW else 1


class Asked(NamedTuple):
    """The jobs that options describe, one a pair and numbered, and the pairs that have none, as they were told of."""

    jobs: list[Job]
    failed: tuple[str, ...]


def ask_all(asked: argparse.Namespace, context: Context) -> Asked:
    """The jobs of all pairs; a pair that has none stops no other, but one alone raises what is wrong with it."""
    pairs = all_pairs.asked_pairs(asked, context)
    if len(pairs) == 1:
        return Asked([ask(asked, context.of(pairs[0]))], ())
    _ = context.store, context.bank  # opened once for all
    found = {pair: all_pairs.attempt(pair, context, lambda own: ask(asked, own)) for pair in pairs}
    jobs = [job for job in found.values() if isinstance(job, Job)]
    if not jobs:
        raise UsageError(f"--pairs: none of {', '.join(pairs)} can be trained; choose others")
    return Asked(list(number_tasks(jobs)), tuple(pair for pair, job in found.items() if isinstance(job, str)))


def freeze(asked: argparse.Namespace, context: Context) -> tuple[Run, Asked]:
    """Freeze the jobs that the options describe; price files are stored too where there are none."""
    from training.runs.fit_task import make_shared_fits

    found = ask_all(asked, context)
    pair = found.jobs[0].pair if len(found.jobs) == 1 else PAIRS_PREFIX
    run = Run(context.store, asked.run or f"{pair}-{context.now:%Y%m%dT%H%M%SZ}")
    run.check_name(found.jobs)  # before the fits, which take seconds
    notes = []
    for job in found.jobs:
        notes += [job.table.origin, *job.table.notes]
        if not asked.stored:
            append, over = not context.settings.use_s3, asked.replace
            notes.append(store_prices(context.store, job.pair, job.table, append=append, replace=over))
    run.freeze([replace(job, shared=make_shared_fits(job, usual_workers(len(tasks(job))))) for job in found.jobs])
    context.note([*dict.fromkeys(notes), f"frozen as run {run.name} in the {context.store.describe()}"])
    return run, found


def listed(task: Task, done: set[int]) -> dict[str, Any]:
    """A task as it is shown; `done` are the indexes of those with a result."""
    first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (task.cutoffs[0], task.cutoffs[-1]))
    own = {
        "index": task.index,
        "pair": task.pair,
        "family": task.family,
        "seed": task.seed,
        "first": first,
        "last": last,
    }
    return {**own, "refits": len(task.cutoffs), "done": task.index in done}
