"""`clean`: delete runs and models of a pair, or champions that nothing needs any more, after listing them."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    from training.publishing.cleanup import Plan


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--store", action="store_true", help="also delete what the store has of this pair, except its track record"
    )
    parser.add_argument("--experiment", action="store_true", help="also delete the experiment itself")
    parser.add_argument(
        "--unserved",
        action="store_true",
        help="instead, delete champion files that are not served and that no rollback needs",
    )


def work(args: argparse.Namespace, context: Context) -> int:
    """List what would be deleted and delete it after confirmation; return 1 when the user declines."""
    if args.unserved:
        return _clean_unserved(args, context)
    if args.store:
        context.check_store()
    tracking = context.tracking

    from training.publishing import cleanup

    store = context.store if args.store else None
    plan = cleanup.make_plan(tracking, context.settings.pair, store, keep_experiment=not args.experiment)
    if args.json:
        print_json(asdict(plan))
    else:
        _print_plan(context, plan)
    if plan.is_empty:
        return 0
    if not _is_confirmed(args, context):
        return 1
    cleanup.execute(tracking, plan, store)
    context.progress.print("deleted; to start again run `python -m training run`", highlight=False)
    return 0


def _clean_unserved(args: argparse.Namespace, context: Context) -> int:
    if args.store or args.experiment:
        raise UsageError("clean: --unserved cannot be combined with other options; leave out --store and --experiment")
    context.check_store()

    from training.publishing.cleanup import list_unserved

    keys = list_unserved(context.store, context.settings.pair, context.settings.model_info_key)
    if args.json:
        print_json({"keys": keys})
    else:
        for line in [f"delete {key} in {context.store.describe()}" for key in keys] or ["nothing to delete"]:
            context.out.print(line, highlight=False)
    if not keys:
        return 0
    if not _is_confirmed(args, context):
        return 1
    for key in keys:
        context.store.delete(key)
    return 0


def _is_confirmed(args: argparse.Namespace, context: Context) -> bool:
    """Return True with --yes or when the user confirms. Raises UsageError when there is no terminal to ask at."""
    if args.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("clean: no terminal to ask for confirmation; say --yes to delete what is listed")

    from rich.prompt import Confirm

    is_confirmed = Confirm.ask("Delete all of this?", console=context.progress, default=False)
    if not is_confirmed:
        context.progress.print("nothing was deleted")
    return is_confirmed


def _print_plan(context: Context, plan: "Plan") -> None:
    """Print what the plan deletes, one item per line."""
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


COMMAND = Command("delete all runs and models of a pair (asks first)", work, add_options)
