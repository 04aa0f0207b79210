"""`tasks`: the tasks that a job's options make, or those of a frozen run; with --freeze, that run is made."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, print_json


def add_options(command: argparse.ArgumentParser) -> None:
    options.pairs(command)
    options.job(command)
    options.replace(command)
    command.add_argument("--run", metavar="NAME", help="a frozen run; with --freeze: the name of the new one")
    command.add_argument("--freeze", action="store_true", help="write prices and plan under runs/ of the store")


def work(asked: argparse.Namespace, context: Context) -> int:
    if asked.freeze:
        context.check_store()

    from training.commands import job_from_args as jobs
    from training.commands.all_pairs import code_of
    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    done: set[int] = set()
    frozen: Run | None = None
    failed: tuple[str, ...] = ()
    if asked.freeze:
        frozen, (found, failed) = jobs.freeze(asked, context)
    elif asked.run:
        frozen = Run(context.store, asked.run)
        found, done = list(frozen.jobs()), frozen.finished_tasks()
    else:
        found, failed = jobs.ask_all(asked, context)
    rows = [jobs.listed(task, done) for job in found for task in tasks(job)]
    if asked.json:
        print_json({"run": frozen.name if frozen else None, "frozen": frozen is not None, "tasks": rows})
    else:
        _print(context, f"run {frozen.name}" if frozen else "not frozen: --freeze writes it to the store", rows)
    return code_of(failed, len(found) + len(failed), context)


def _print(context: Context, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table

    same = {name: rows[0][name] for name in ("pair", "seed") if len({row[name] for row in rows}) == 1}
    names = [name for name in rows[0] if name not in same and (same or name != "refits")]  # eighty columns take seven
    table = Table(title=", ".join([title, *(f"{name} {value}" for name, value in same.items())]))
    for name in names:
        table.add_column(name, justify="right" if name in ("index", "seed", "refits") else "left")
    for row in rows:
        table.add_row(*("yes" if row[name] is True else "" if row[name] is False else str(row[name]) for name in names))
    context.out.print(table)


COMMAND = Command(
    "list the tasks of a run; with --freeze keep its prices, so that others can run them", work, add_options
)
