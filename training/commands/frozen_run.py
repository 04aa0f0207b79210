"""The commands of a frozen run, whose tasks run on any machine: `tasks`, `task`, `select` and `submit`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from training.commands.all_pairs import report_failed, run_pairs, select_pairs, try_pair
from training.commands.command import command
from training.commands.context import Context, UsageError, print_json
from training.commands.options import (
    JobOptions,
    job_options,
    one_pair_option,
    pairs_option,
    replace_option,
    run_option,
)

if TYPE_CHECKING:
    from training.commands.scores import RunResult
    from training.runs.jobs import Job, Task
    from training.runs.run_store import Run

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # AWS Batch sets it for each child of an array job


class Jobs(NamedTuple):
    """The jobs that options describe, one for each pair, with numbered tasks; `failed` are the pairs without a job."""

    jobs: "list[Job]"
    failed: tuple[str, ...] = ()

    def report(self, context: Context) -> int:
        """Print the names of failed pairs; return the exit code."""
        return report_failed(self.failed, len(self.jobs) + len(self.failed), context)


def make_jobs(options: JobOptions, context: Context) -> Jobs:
    """Return the jobs of all pairs.

    The error of a pair is printed and does not stop the others. Raises UsageError when no pair has a job; a single
    pair raises its own error.
    """
    from training.commands.job import make_job
    from training.runs.jobs import number_tasks

    pairs = select_pairs(options, context)
    if len(pairs) == 1:
        return Jobs([make_job(options, context.for_pair(pairs[0]))])
    _ = context.store, context.ecb_rates  # open them once for all pairs
    results = {pair: try_pair(pair, context, lambda pair_context: make_job(options, pair_context)) for pair in pairs}
    jobs = [job for job in results.values() if not isinstance(job, str)]
    if not jobs:
        raise UsageError(f"--pairs: none of {', '.join(pairs)} can be trained; choose others")
    return Jobs(list(number_tasks(jobs)), tuple(pair for pair, job in results.items() if isinstance(job, str)))


def freeze_run(run_name: str | None, options: JobOptions, context: Context) -> "tuple[Run, Jobs]":
    """Freeze the jobs that the options describe as a run, and store the price files that the store lacks."""
    from training.commands.job import default_workers
    from training.prices.table import store_prices
    from training.runs.jobs import tasks
    from training.runs.run_store import PAIRS_PREFIX, Run
    from training.runs.task_runner import make_shared_fits

    selected = make_jobs(options, context)
    prefix = selected.jobs[0].pair if len(selected.jobs) == 1 else PAIRS_PREFIX
    run = Run(context.store, run_name or f"{prefix}-{context.now:%Y%m%dT%H%M%SZ}")
    run.check_name(selected.jobs)  # before the fits, which take seconds
    notes = []
    for job in selected.jobs:
        notes += [job.table.origin, *job.table.notes]
        if not options.prices.stored:
            append = not context.settings.use_s3
            notes.append(store_prices(context.store, job.pair, job.table, append=append, replace=options.replace))
    run.freeze([replace(job, shared=make_shared_fits(job, default_workers(len(tasks(job))))) for job in selected.jobs])
    context.note(*dict.fromkeys(notes), f"frozen as run {run.name} in the {context.store.describe()}")
    return run, selected


def task_as_json(task: "Task", is_finished: bool) -> dict[str, Any]:
    """Return a task as tables and --json show it."""
    first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (task.cutoffs[0], task.cutoffs[-1]))
    return {
        "index": task.index,
        "pair": task.pair,
        "family": task.family,
        "seed": task.seed,
        "first": first,
        "last": last,
        "refits": len(task.cutoffs),
        "done": is_finished,
    }


@command("tasks", "list the tasks of a run; with --freeze store its prices and plan for other machines")
@job_options(pairs_option, replace_option)
@click.option("--run", "run_name", metavar="NAME", help="name of a frozen run; with --freeze, of the new one")
@click.option("--freeze", is_flag=True, help="write prices and plan to runs/ of the store")
def list_tasks(context: Context, options: JobOptions, run_name: str | None, freeze: bool) -> int:
    """List the tasks of a job or of a frozen run; with --freeze, freeze the job as a new run.

    Args:
        context: Store, settings and output.
        options: The job of each pair.
        run_name: The name of the run.
        freeze: Freeze a new run.
    """
    if freeze:
        context.check_store()

    from training.console import print_table
    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    finished: set[int] = set()
    run: Run | None = None
    if freeze:
        run, selected = freeze_run(run_name, options, context)
    elif run_name:
        run = Run(context.store, run_name)
        selected, finished = Jobs(list(run.jobs())), run.finished_tasks()
    else:
        selected = make_jobs(options, context)
    rows = [task_as_json(task, task.index in finished) for job in selected.jobs for task in tasks(job)]
    if context.as_json:
        print_json({"run": run.name if run else None, "frozen": run is not None, "tasks": rows})
        return selected.report(context)
    constant = {name: rows[0][name] for name in ("pair", "seed") if len({row[name] for row in rows}) == 1}
    # 80 terminal columns have room for seven columns of the table.
    names = [name for name in rows[0] if name not in constant and (constant or name != "refits")]
    title = f"run {run.name}" if run else "not frozen; --freeze writes it to the store"
    print_table(
        context.out,
        [{name: str(row[name]) if name != "done" else "yes" if row["done"] else "" for name in names} for row in rows],
        ", ".join([title, *(f"{name} {value}" for name, value in constant.items())]),
        left_aligned=("pair", "family", "first", "last", "done"),
    )
    return selected.report(context)


@command("task", "run one task of a frozen run, unless it has a result already")
@run_option
@click.option("--index", type=int, required=True, envvar=ARRAY_INDEX, show_envvar=True, help="index of the task")
def run_task(context: Context, run_name: str, index: int) -> None:
    """Run one task on this machine or as a child of an array job of AWS Batch, and write its result."""
    context.check_store()

    from training.runs import task_runner
    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    run = Run(context.patient_store, run_name)
    pair = run.find_pair(index)
    if pair is None:
        raise UsageError(f"--index: run {run.name} has tasks 0 to {run.plan['tasks'] - 1}, not {index}; choose another")
    job = run.job(pair)
    task = tasks(job)[index - job.first]
    already = index in run.finished_tasks()
    if not already:
        with context.stages.stage(task.describe(), len(task.cutoffs)) as step:
            run.save(task_runner.run_task(job, task, step))
    if context.as_json:
        print_json({"run": run.name, "already": already, **task_as_json(task, is_finished=True)})
    else:
        context.print(f"{task.describe()}: {'done already' if already else 'done'}")


@command("select", "gather the results of a frozen run, report missing ones, select the champion and publish it")
@run_option
@one_pair_option
def select_champions(context: Context, run_name: str, pair: str | None) -> int:
    """Publish the champion of each pair of a run, or of one pair. A pair that the run has published is skipped."""
    context.check_store()

    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    run = Run(context.patient_store, run_name)
    if pair and pair not in run.plans:
        raise UsageError(f"--pair: run {run.name} has no pair {pair}; choose from {', '.join(run.plans)}")
    is_single = bool(pair) or len(run.plans) == 1
    selected = [pair] if pair else list(run.plans)
    published = {name: facts for name in selected if (facts := run.published(name))}
    todo = [name for name in selected if name not in published]
    if not todo and context.as_json:
        rows = {name: {"already": True, **facts} for name, facts in published.items()}
        print_json({"run": run.name, **rows[selected[0]]} if is_single else rows)
        return 0
    if not todo:
        for name, facts in published.items():
            title = run.name if len(run.plans) == 1 else f"{run.name}, {name},"
            context.print(f"run {title} is published already, as generation {facts['generation']}; nothing to do")
        return 0
    with context.stages.stage("registry: connect"):
        _ = context.tracking
    context.note(*(f"{name} is published already, as generation {published[name]['generation']}" for name in published))

    def select(pair_context: Context) -> "RunResult":
        from training.commands.finish_run import finish_run

        name = pair_context.settings.pair
        with pair_context.stages.stage("prices"):
            job = run.job(name)
        with pair_context.stages.stage("results", len(tasks(job))) as step:
            results = list(run.results(job, step))
        result = finish_run(job, results, pair_context, with_scores=is_single)
        pointer = result.published.pointer
        model = f"{pointer.model_name}/{pointer.model_version}"
        run.mark_published(name, {"generation": result.published.generation, "model": model})
        return result

    return select(context.for_pair(todo[0])).code if is_single else run_pairs(todo, context, select)


@command("submit", "freeze a run, submit its tasks and its selection to AWS Batch, and wait")
@job_options(pairs_option, replace_option)
@click.option("--stack", required=True, metavar="NAME", help="name of the stack of infra/training.yaml")
@click.option("--run", "run_name", metavar="NAME", help="name of the run (default: pair and time)")
@click.option("--no-wait", is_flag=True, help="do not wait for the jobs to end")
def submit_run(context: Context, options: JobOptions, stack: str, run_name: str | None, no_wait: bool) -> int:
    """Freeze and submit a run, and wait for its end; return 1 when it failed.

    Args:
        context: Store, settings and output.
        options: The job of each pair.
        stack: The stack with the job queue.
        run_name: The name of the run.
        no_wait: Return once the jobs are submitted.
    """
    context.check_store()

    from training.runs import aws_batch
    from training.runs.jobs import tasks

    client = aws_batch.connect(context.settings.aws_region)  # before freezing, as credentials may be missing
    run, selected = freeze_run(run_name, options, context)
    size = sum(len(tasks(job)) for job in selected.jobs)
    batch_jobs = aws_batch.submit(client, stack, run.name, size, [job.pair for job in selected.jobs])
    if context.as_json:
        ids = {"task_job": batch_jobs.tasks, "select_job": batch_jobs.select}
        print_json({"run": run.name, "tasks": size, **ids})
    else:
        context.print(f"run {run.name}: tasks {batch_jobs.tasks}, selection {batch_jobs.select}")
    code = selected.report(context)
    if no_wait:
        return code
    ended = 0
    with context.stages.stage("AWS Batch", batch_jobs.size) as step:

        def show_counts(counts: aws_batch.Counts) -> None:
            nonlocal ended
            for _ in range(counts.ended - ended):
                step(str(counts))
            ended = max(ended, counts.ended)

        outcome = aws_batch.follow(client, batch_jobs, show_counts)
    context.note(*outcome.notes)
    return code if outcome.succeeded else 1
