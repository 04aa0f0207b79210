"""What each command of `python -m training` does: the parts in order, and what is printed of them."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from rich.console import Console
from rich.prompt import Confirm

from lambda_fn.champion import Champion
from lambda_fn.contract import ContractError
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store import Missing, Store, Unavailable, open_store
from training import cleaning, pipeline, publishing, registry, report
from training.console import Stages
from training.evaluation import walk_forward
from training.experiment import log_run
from training.export import ExportError
from training.models import FAMILIES
from training.pipeline import Evaluation, Job
from training.price_checks import PriceError
from training.prices import PriceTable, load, store_prices
from training.promotion import Published, PublishError, read_active
from training.registry import Registry, RegistryError
from training.selection import honesty
from training.status import status as status_of


class UsageError(ValueError):
    """An option that cannot be used; the message names it and the cure."""


ERRORS = (UsageError, PriceError, RegistryError, PublishError, ExportError, ContractError, Unavailable, Missing)
FIRST_INCUMBENT = "random_walk"  # where nothing is active: a family has to beat it by more than a tie


@dataclass(frozen=True)
class Context:
    """The settings and the time of one command, and where it writes."""

    settings: Settings
    now: datetime

    @cached_property
    def store(self) -> Store:
        return open_store(self.settings)

    @cached_property
    def tracking(self) -> Registry:
        """The registry; raises RegistryError when it cannot be used."""
        connected = registry.connect(self.settings.mlflow_tracking_uri or DEFAULTS["MLFLOW_TRACKING_URI"])
        if connected.note:
            report.print_notes(self.progress, [connected.note])
        return connected

    @cached_property
    def out(self) -> Console:
        """Standard output: results. Wide where nobody's terminal says otherwise, so that no table is cut."""
        return Console(width=None if sys.stdout.isatty() else 120)

    @cached_property
    def progress(self) -> Console:
        """Standard error: what is going on."""
        return Console(stderr=True)


def run_command(asked: argparse.Namespace, context: Context) -> int:
    """Run the command that was asked for; its exit code."""
    commands: dict[str, Callable[[argparse.Namespace, Context], int]] = {
        "run": run,
        "evaluate": evaluate,
        "prices": prices,
        "publish": publish,
        "rollback": rollback,
        "status": status,
        "clean": clean,
        "forecast": forecast,
    }
    return commands[asked.command](asked, context)


def run(asked: argparse.Namespace, context: Context) -> int:
    """The whole job. The prices are stored first, as a price file that differs must be known before the training."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = _job(asked, context)
        stored = store_prices(context.store, job.pair, job.table, append=not context.settings.use_s3)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes, stored])
    with stages.stage("registry: connect"):
        tracking = context.tracking
    found = pipeline.evaluate(job, _incumbent(context), stages)
    candidates = pipeline.candidates(job, stages)
    with stages.stage("registry: runs and models", len(candidates)) as step:
        registered = log_run(
            tracking,
            [candidates[name] for name in found.selection.ranking],
            found.scores,
            found.selection,
            {name: report.plot_skill(found.skill, name) for name in candidates},
            {"prices_table_sha256": job.table.sha256, "seed": str(job.seed), "source": job.table.source},
            progress=step,
        )
    with stages.stage("publish"):
        champion = candidates[found.selection.champion]
        published = publishing.publish(
            context.store,
            context.settings,
            champion,
            registered[champion.family],
            found.scores,
            publishing.golden_windows(context.store, Champion.load(champion.model)),
            context.now,
            publishing.move_aliases(tracking, [registered[name] for name in found.selection.ranking]),
        )
    context.progress.print(f"in all {stages.total():.1f} s", highlight=False)
    _print_evaluation(asked, context, found)
    return _published(published, context, quiet=asked.json)


def evaluate(asked: argparse.Namespace, context: Context) -> int:
    """The score table, and nothing is written."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = _job(asked, context)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes])
    _print_evaluation(asked, context, pipeline.evaluate(job, _incumbent(context), stages))
    return 0


def prices(asked: argparse.Namespace, context: Context) -> int:
    """Check the prices; with --save put them into the store."""
    if asked.replace and not asked.save:
        raise UsageError("--replace goes with --save; it replaces the price file in the store")
    table, pair = _table(asked, context, pipeline.columns(tuple(FAMILIES))), context.settings.pair
    facts: dict[str, Any] = {
        "pair": pair,
        "source": table.source,
        "origin": table.origin,
        "rows": len(table.frame),
        "first": str(table.frame.index[0].date()),
        "last": str(table.frame.index[-1].date()),
        "last_close": float(table.frame["close"].iloc[-1]),
        "columns": list(table.frame.columns),
        "sha256": table.sha256,
        "notes": list(table.notes),
    }
    if asked.save:
        facts["stored"] = store_prices(context.store, pair, table, append=True, replace=asked.replace)
    _print_facts(asked, context, facts)
    return 0


def publish(asked: argparse.Namespace, context: Context) -> int:
    """Publish a version that a person chose."""
    chosen = publishing.publish_version(context.tracking, context.store, context.settings, asked.model, context.now)
    return _published(chosen, context, as_json=asked.json)


def rollback(asked: argparse.Namespace, context: Context) -> int:
    """Publish an earlier champion as a new generation. It must work while MLflow is down: the alias can wait."""
    try:
        tracking = context.tracking
    except RegistryError as error:
        report.print_notes(context.progress, [f"the champion alias stays where it is: {error}"])
        tracking = None
    back = publishing.rollback(context.store, context.settings, asked.to, context.now, tracking)
    return _published(back, context, as_json=asked.json)


def status(asked: argparse.Namespace, context: Context) -> int:
    """What is served, and what does not fit together."""
    found = status_of(context.store, context.settings, context.now, lambda: context.tracking)
    if asked.json:
        _print_json(report.status_json(found))
    else:
        report.print_status(context.out, found)
    return 0


def clean(asked: argparse.Namespace, context: Context) -> int:
    """List what would go and, when told, delete it; 1 when the answer was no."""
    store = context.store if asked.store else None
    plan = cleaning.plan(context.tracking, context.settings.pair, store, keep_experiment=not asked.experiment)
    if asked.json:
        _print_json(asdict(plan))
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
    from lambda_fn.gateway import HttpRequest, LambdaContext, to_answer, to_event

    query = "" if asked.horizon is None else f"horizon={asked.horizon}"
    request = HttpRequest("GET", "/api/predict", query, [("host", "localhost")])
    invocation = LambdaContext()
    answer = to_answer(handler(to_event(request, context.now, invocation.aws_request_id), invocation))
    body = json.loads(answer.body)
    if answer.status != 200:
        raise UsageError(f"GET /api/predict answered {answer.status}: {body['error']['message']}")
    if asked.json:
        _print_json(body)
    else:
        report.print_forecast(context.out, body)
    return 0


def _job(asked: argparse.Namespace, context: Context) -> Job:
    names = tuple(FAMILIES) if asked.families is None else tuple(dict.fromkeys(asked.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is no family; choose among {', '.join(FAMILIES)}")
    if not 0 <= asked.seed < 2**32:
        raise UsageError(f"--seed: {asked.seed} is out of range; choose 0 to {2**32 - 1}")
    table = _table(asked, context, pipeline.columns(names))
    try:
        splits = list(walk_forward(table.frame, asked.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(f"--first-year: no day is left to forecast from {asked.first_year} on; choose an earlier one")
    return Job(table, context.settings.pair, names, asked.first_year, asked.seed)


def _table(asked: argparse.Namespace, context: Context, columns: list[str]) -> PriceTable:
    return load(
        "csv" if asked.csv else "ecb",
        today=context.now.date(),
        path=asked.csv,
        pair=context.settings.pair,
        fresh=asked.fresh,
        columns=columns,
        ecb_url=context.settings.ecb_url,
    )


def _incumbent(context: Context) -> str:
    """The family that is active: it keeps its place in a tie."""
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    return types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT


def _print_evaluation(asked: argparse.Namespace, context: Context, found: Evaluation) -> None:
    if asked.json:
        sys.stdout.write(report.scores_json(found.scores, found.selection) + "\n")
        return
    report.print_scores(context.out, found.scores, found.selection)
    for sentence in honesty(found.scores, found.selection):
        context.out.print(f"- {sentence}", highlight=False)


def _published(published: Published, context: Context, *, as_json: bool = False, quiet: bool = False) -> int:
    """Say what became of it; 1 when it was refused."""
    pointer, activation = published.pointer, published.activation
    report.print_notes(context.progress, published.notes)
    if as_json:
        _print_json(
            {
                "generation": published.generation,
                "model": f"{pointer.model_name}/{pointer.model_version}",
                "sha256": pointer.champion.sha256 if pointer.champion else None,
                "superseded_by": published.superseded_by,
                "activation": activation._asdict() if activation else None,
            }
        )
    elif not quiet:
        name = PurePosixPath(f"{pointer.model_name}/{pointer.model_version}")
        outcome = f"{activation.outcome}: {activation.reason}" if activation else "the refresh function activates it"
        context.out.print(f"published {name} as generation {published.generation}; {outcome}", highlight=False)
    return 1 if activation and activation.outcome == "refused" else 0


def _print_facts(asked: argparse.Namespace, context: Context, facts: dict[str, Any]) -> None:
    if asked.json:
        _print_json(facts)
        return
    for name, value in facts.items():
        words = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.out.print(f"[bold]{name:<12}[/bold] {words}", highlight=False)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
