"""`clean`: the clean slate, listed and, when told, made."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    from training.publishing.cleanup import Plan


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--store", action="store_true", help="also what the store holds of this pair but its record")
    command.add_argument("--experiment", action="store_true", help="also the experiment itself")
    command.add_argument(
        "--unserved", action="store_true", help="instead: champions that nobody serves and no rollback needs"
    )


def work(asked: argparse.Namespace, context: Context) -> int:
    """List what would go and, when told, delete it; 1 when the answer was no."""
    if asked.unserved:
        return _clean_unserved(asked, context)
    if asked.store:
        context.check_store()
    tracking = context.tracking

    from training.publishing import cleanup

    store = context.store if asked.store else None
    plan = cleanup.plan(tracking, context.settings.pair, store, keep_experiment=not asked.experiment)
    if asked.json:
        print_json(asdict(plan))
    else:
        _print(context, plan)
    if plan.is_empty:
        return 0
    if not asked.yes and not _confirmed(context):
        context.progress.print("nothing was deleted")
        return 1
    cleanup.execute(tracking, plan, store)
    context.progress.print("deleted; `python -m training run` starts anew", highlight=False)
    return 0


def _clean_unserved(asked: argparse.Namespace, context: Context) -> int:
    if asked.store or asked.experiment:
        raise UsageError("clean: --unserved goes alone; leave --store and --experiment out")
    context.check_store()

    from training.publishing.cleanup import unserved

    found = unserved(context.store, context.settings.pair, context.settings.model_info_key)
    if asked.json:
        print_json({"keys": found})
    else:
        for line in [f"delete {key} in {context.store.describe()}" for key in found] or ["nothing to delete"]:
            context.out.print(line, highlight=False)
    if not found:
        return 0
    if not asked.yes and not _confirmed(context):
        context.progress.print("nothing was deleted")
        return 1
    for key in found:
        context.store.delete(key)
    return 0


def _confirmed(context: Context) -> bool:
    """Ask; where nobody can answer, nothing is deleted."""
    from rich.prompt import Confirm

    if not sys.stdin.isatty():
        raise UsageError("clean: nobody is there to ask; say --yes to delete what is listed")
    return Confirm.ask("Delete all of this?", console=context.progress, default=False)


def _print(context: Context, plan: "Plan") -> None:
    """What the clean slate deletes, a line each."""
    if plan.is_empty:
        context.out.print("nothing to delete")
        return
    lines = [
        *(f"run {run_id} {name}" for run_id, name in plan.runs),
        *(f"registered model {name}, {count} versions" for name, count in plan.models),
        *(f"logged model {model_id}" for model_id in plan.logged_models),
        *([f"experiment {plan.experiment[1]}"] if plan.experiment else []),
        *(f"{key} in {context.store.describe()}" for key in plan.keys),
    ]
    for line in lines:
        context.out.print(f"delete {line}", highlight=False)


COMMAND = Command(
    "the clean slate: list runs and models of the registry, and delete them when you say yes", work, add_options
)
