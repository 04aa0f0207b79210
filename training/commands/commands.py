"""What each command of `python -m training` does; those on prices are in `training.jobs`."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from rich.prompt import Confirm

from lambda_fn.fields import ContractError
from lambda_fn.store.objects import Missing, Unavailable
from training.commands import report
from training.commands.context import Context, UsageError, print_json
from training.commands.fanout import select, submit, task, tasks
from training.commands.finish import announce
from training.commands.jobs import evaluate, prices, run
from training.export.graph import ExportError
from training.prices.checks import PriceError
from training.publishing import cleaning
from training.publishing import publish as publishing
from training.publishing.promotion import PublishError
from training.publishing.registry import RegistryError, RegistryUnreachable
from training.publishing.status import status as status_of
from training.runs.batch import BatchError
from training.runs.frozen import RunError
from training.runs.pipeline import IncompleteError

ERRORS = (
    *(UsageError, PriceError, RunError, IncompleteError, BatchError, RegistryError, PublishError, ExportError),
    *(ContractError, Unavailable, Missing),
)
TEMPORARY = (Unavailable, RegistryUnreachable)  # of these, those that a later try may not meet


def run_command(asked: argparse.Namespace, context: Context) -> int:
    """Run the command that was asked for; its exit code."""
    commands: dict[str, Callable[[argparse.Namespace, Context], int]] = {
        "run": run,
        "evaluate": evaluate,
        "tasks": tasks,
        "task": task,
        "select": select,
        "submit": submit,
        "prices": prices,
        "publish": publish,
        "rollback": rollback,
        "status": status,
        "clean": clean,
        "forecast": forecast,
    }
    return commands[asked.command](asked, context)


def publish(asked: argparse.Namespace, context: Context) -> int:
    """Publish a version that a person chose."""
    chosen = publishing.publish_version(context.tracking, context.store, context.settings, asked.model, context.now)
    return announce(chosen, context, as_json=asked.json)


def rollback(asked: argparse.Namespace, context: Context) -> int:
    """Publish an earlier champion as a new generation. It must work while MLflow is down: the alias can wait."""
    try:
        tracking = context.tracking
    except RegistryError as error:
        report.print_notes(context.progress, [f"the champion alias stays where it is: {error}"])
        tracking = None
    back = publishing.rollback(context.store, context.settings, asked.to, context.now, tracking)
    return announce(back, context, as_json=asked.json)


def status(asked: argparse.Namespace, context: Context) -> int:
    """What is served, and what does not fit together."""
    found = status_of(context.store, context.settings, context.now, lambda: context.tracking)
    if asked.json:
        print_json(report.status_json(found))
    else:
        report.print_status(context.out, found)
    return 0


def clean(asked: argparse.Namespace, context: Context) -> int:
    """List what would go and, when told, delete it; 1 when the answer was no."""
    store = context.store if asked.store else None
    plan = cleaning.plan(context.tracking, context.settings.pair, store, keep_experiment=not asked.experiment)
    if asked.json:
        print_json(asdict(plan))
    else:
        report.print_plan(context.out, plan, context.store.describe())
    if plan.is_empty:
        return 0
    if not asked.yes and not _confirmed(context):
        context.progress.print("nothing was deleted")
        return 1
    cleaning.execute(context.tracking, plan, store)
    context.progress.print("deleted; `python -m training run` starts anew", highlight=False)
    return 0


def _confirmed(context: Context) -> bool:
    """Ask; where nobody can answer, nothing is deleted."""
    if not sys.stdin.isatty():
        raise UsageError("clean: nobody is there to ask; say --yes to delete what is listed")
    return Confirm.ask("Delete all of this?", console=context.progress, default=False)


def forecast(asked: argparse.Namespace, context: Context) -> int:
    """Send the event of an HTTP request through the Lambda handler and print its answer."""
    from lambda_fn.api import handler
    from lambda_fn.server.gateway import HttpRequest, LambdaContext, to_answer, to_event

    query = "" if asked.horizon is None else f"horizon={asked.horizon}"
    request = HttpRequest("GET", "/api/predict", query, [("host", "localhost")])
    invocation = LambdaContext()
    answer = to_answer(handler(to_event(request, context.now, invocation.aws_request_id), invocation))
    body = json.loads(answer.body)
    if answer.status != 200:
        error = body["error"]
        raise UsageError(f"GET /api/predict answered {answer.status}: {error['message']}; {error['cure']}")
    if asked.json:
        print_json(body)
    else:
        report.print_forecast(context.out, body)
    return 0
