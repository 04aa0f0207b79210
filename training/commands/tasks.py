"""`tasks`: list the tasks of a job or of a frozen run; with --freeze, freeze the job as a new run."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, print_json


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pairs(parser)
    options.add_job(parser)
    options.add_replace(parser)
    parser.add_argument("--run", metavar="NAME", help="name of a frozen run; with --freeze, of the new one")
    parser.add_argument("--freeze", action="store_true", help="write prices and plan to runs/ of the store")


def work(args: argparse.Namespace, context: Context) -> int:
    if args.freeze:
        context.check_store()

    from training.commands.all_pairs import report_failed
    from training.commands.job_from_args import freeze_run, jobs_from_args, task_as_json
    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    finished: set[int] = set()
    run: Run | None = None
    failed: tuple[str, ...] = ()
    if args.freeze:
        run, (jobs, failed) = freeze_run(args, context)
    elif args.run:
        run = Run(context.store, args.run)
        jobs, finished = list(run.jobs()), run.finished_tasks()
    else:
        jobs, failed = jobs_from_args(args, context)
    rows = [task_as_json(task, finished) for job in jobs for task in tasks(job)]
    if args.json:
        print_json({"run": run.name if run else None, "frozen": run is not None, "tasks": rows})
    else:
        _print_tasks(context, f"run {run.name}" if run else "not frozen; --freeze writes it to the store", rows)
    return report_failed(failed, len(jobs) + len(failed), context)


def _print_tasks(context: Context, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table

    constant = {name: rows[0][name] for name in ("pair", "seed") if len({row[name] for row in rows}) == 1}
    # 80 terminal columns have room for seven columns of the table.
    names = [name for name in rows[0] if name not in constant and (constant or name != "refits")]
    table = Table(title=", ".join([title, *(f"{name} {value}" for name, value in constant.items())]))
    for name in names:
        table.add_column(name, justify="right" if name in ("index", "seed", "refits") else "left")
    for row in rows:
        table.add_row(*("yes" if row[name] is True else "" if row[name] is False else str(row[name]) for name in names))
    context.out.print(table)


COMMAND = Command(
    "list the tasks of a run; with --freeze store its prices and plan for other machines", work, add_options
)
