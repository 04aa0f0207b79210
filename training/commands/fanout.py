"""The commands of a run whose tasks are shared out: list and freeze them, run one, select, submit to AWS Batch."""

import argparse
import os
from typing import Any

from rich.table import Table

from training.commands import report
from training.commands.context import Context, UsageError, print_json
from training.commands.finish import finish
from training.commands.jobs import ask_job
from training.console import Stages
from training.prices.table import store_prices
from training.runs import batch
from training.runs.batch import Counts
from training.runs.frozen import Run
from training.runs.plan import Job, Task
from training.runs.plan import tasks as tasks_of
from training.runs.work import work

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # which AWS Batch sets for each child of an array job


def tasks(asked: argparse.Namespace, context: Context) -> int:
    """List the tasks that the options would make, or those of a frozen run; with --freeze make that run."""
    if asked.freeze:
        run, job = freeze(asked, context)
        frozen, done = run, set()
    elif asked.run:
        frozen = Run(context.store, asked.run)
        job, done = frozen.job(), frozen.done()
    else:
        frozen, job, done = None, ask_job(asked, context), set()
    listed = [_listed(task, done) for task in tasks_of(job)]
    if asked.json:
        print_json({"run": frozen.name if frozen else None, "frozen": frozen is not None, "tasks": listed})
        return 0
    table = Table(title=f"run {frozen.name}" if frozen else "not frozen: --freeze writes it to the store")
    for name in listed[0]:
        table.add_column(name, justify="right" if name in ("index", "seed", "refits") else "left")
    for row in listed:
        table.add_row(*("yes" if value is True else "" if value is False else str(value) for value in row.values()))
    context.out.print(table)
    return 0


def freeze(asked: argparse.Namespace, context: Context) -> tuple[Run, Job]:
    """Freeze the job that the options describe; the price file is stored too where there is none."""
    job = ask_job(asked, context)
    run = Run(context.store, asked.run or f"{job.pair}-{context.now:%Y%m%dT%H%M%SZ}")
    notes = [job.table.origin, *job.table.notes]
    if not asked.stored:
        notes.append(store_prices(context.store, job.pair, job.table, append=not context.settings.use_s3))
    run.freeze(job)
    report.print_notes(context.progress, [*notes, f"frozen as run {run.name} in the {context.store.describe()}"])
    return run, job


def task(asked: argparse.Namespace, context: Context) -> int:
    """Run one task and write its result; one that has a result is left as it is."""
    run, index = Run(context.patient_store, asked.run), _index(asked)
    job = run.job()
    listed = tasks_of(job)
    if not 0 <= index < len(listed):
        raise UsageError(f"--index: run {run.name} has the tasks 0 to {len(listed) - 1}, {index} is none of them")
    chosen, stages = listed[index], Stages(context.progress)
    already = index in run.done()
    if not already:
        with stages.stage(chosen.describe(), len(chosen.cutoffs)) as step:
            run.save(work(job, chosen, step))
    if asked.json:
        print_json({"run": run.name, "already": already, **_listed(chosen, {index})})
    else:
        context.out.print(f"{chosen.describe()}: {'was done before' if already else 'done'}", highlight=False)
    return 0


def select(asked: argparse.Namespace, context: Context) -> int:
    """Gather, choose, log and publish; a run that has published is not published twice."""
    run = Run(context.patient_store, asked.run)
    if before := run.published():
        told = f"run {run.name} was published before, as generation {before['generation']}; nothing is done"
        print_json({"run": run.name, "already": True, **before}) if asked.json else context.out.print(told)
        return 0
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = run.job()
    with stages.stage("registry: connect"):
        tracking = context.tracking
    with stages.stage("results", len(tasks_of(job))) as step:
        results = list(run.results(job, step))
    code, published = finish(job, results, tracking, context, stages, as_json=asked.json)
    pointer = published.pointer
    run.mark_published({"generation": published.generation, "model": f"{pointer.model_name}/{pointer.model_version}"})
    return code


def submit(asked: argparse.Namespace, context: Context) -> int:
    """Freeze, submit, and follow to the end; 1 when the run failed."""
    client = batch.connect(context.settings.aws_region)  # before freezing, as credentials may be missing
    run, job = freeze(asked, context)
    size = len(tasks_of(job))
    jobs = batch.submit(client, asked.stack, run.name, size, job.pair)
    facts: dict[str, Any] = {"run": run.name, "tasks": size, "task_job": jobs.tasks, "select_job": jobs.select}
    if asked.json:
        print_json(facts)
    else:
        context.out.print(f"run {run.name}: tasks {jobs.tasks}, selection {jobs.select}", highlight=False)
    if asked.no_wait:
        return 0
    with Stages(context.progress).stage("AWS Batch", size) as step:
        seen = 0

        def show(counts: Counts) -> None:
            nonlocal seen
            for _ in range(counts.ended - seen):
                step(str(counts))
            seen = max(seen, counts.ended)

        outcome = batch.follow(client, jobs, show)
    report.print_notes(context.progress, outcome.notes)
    return 0 if outcome.succeeded else 1


def _index(asked: argparse.Namespace) -> int:
    if asked.index is not None:
        return int(asked.index)
    given = os.environ.get(ARRAY_INDEX, "")
    if not given.isdecimal():
        raise UsageError(f"--index: say which task; neither it nor {ARRAY_INDEX} is given")
    return int(given)


def _listed(task: Task, done: set[int]) -> dict[str, Any]:
    first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (task.cutoffs[0], task.cutoffs[-1]))
    own = {"index": task.index, "family": task.family, "seed": task.seed, "first": first, "last": last}
    return {**own, "refits": len(task.cutoffs), "done": task.index in done}
