"""The commands that work on prices: check them, evaluate families on them, and the whole job."""

import argparse
from typing import Any

from training.commands import report
from training.commands.context import Context, UsageError, print_json
from training.commands.finish import finish, incumbent, print_evaluation
from training.console import Stages
from training.evaluation.walk_forward import walk_forward
from training.models.families import FAMILIES
from training.prices.table import PriceTable, load, store_prices, stored
from training.runs import pipeline
from training.runs.local import run_here, run_workers
from training.runs.plan import Job, columns, tasks
from training.runs.work import Result


def run(asked: argparse.Namespace, context: Context) -> int:
    """The whole job. The prices are stored first, as a price file that differs must be known before the training."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = ask_job(asked, context)
        kept = store_prices(context.store, job.pair, job.table, append=not context.settings.use_s3)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes, kept])
    with stages.stage("registry: connect"):
        tracking = context.tracking  # now, as a registry that cannot be used must be known before the training too
    return finish(job, _results(asked, job, stages), tracking, context, stages, as_json=asked.json)[0]


def evaluate(asked: argparse.Namespace, context: Context) -> int:
    """The score table, and nothing is written."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = ask_job(asked, context)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes])
    members, missing = pipeline.gather(job, _results(asked, job, stages))
    report.print_notes(context.progress, pipeline.losses(job, members, missing))
    print_evaluation(pipeline.evaluate(job, members, incumbent(context), stages), context, as_json=asked.json)
    return 0


def _results(asked: argparse.Namespace, job: Job, stages: Stages) -> list[Result]:
    """Every task of the job, here or by workers, a step a refit."""
    todo = tasks(job)
    with stages.stage("fit, export and forecast", sum(len(task.cutoffs) for task in todo)) as step:
        if asked.workers == 1:
            return run_here(job, todo, step)

        def done(result: Result) -> None:
            for refit in result.refits:
                step(f"{result.task.family} {refit.cutoff:%Y}")

        def killed(left: int) -> None:
            report.print_notes(context_progress, [f"warning: a worker was killed; {left} tasks are tried again"])

        context_progress = stages.console
        return run_workers(job, todo, asked.workers, done, killed)


def prices(asked: argparse.Namespace, context: Context) -> int:
    """Check the prices; with --save put them into the store."""
    if asked.replace and not asked.save:
        raise UsageError("--replace goes with --save; it replaces the price file in the store")
    table, pair = _table(asked, context, columns(tuple(FAMILIES))), context.settings.pair
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


def ask_job(asked: argparse.Namespace, context: Context) -> Job:
    """The job that the options describe; raises UsageError naming the option."""
    names = tuple(FAMILIES) if asked.families is None else tuple(dict.fromkeys(asked.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is no family; choose among {', '.join(FAMILIES)}")
    for option, least in (("seeds", 1), ("span", 1), ("workers", 1)):
        if (number := getattr(asked, option, least)) < least:
            raise UsageError(f"--{option}: {number} is too small; choose {least} or more")
    if not 0 <= asked.seed <= 2**32 - asked.seeds:
        raise UsageError(f"--seed: {asked.seed} is out of range; choose 0 to {2**32 - asked.seeds}")
    table = _table(asked, context, columns(names))
    try:
        splits = list(walk_forward(table.frame, asked.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(f"--first-year: no day is left to forecast from {asked.first_year} on; choose an earlier one")
    return Job(table, context.settings.pair, names, asked.first_year, asked.seed, asked.seeds, asked.span)


def _table(asked: argparse.Namespace, context: Context, columns: list[str]) -> PriceTable:
    today, pair = context.now.date(), context.settings.pair
    if asked.stored:
        return stored(context.store, pair, "ecb", today=today, columns=columns)
    return load(
        "csv" if asked.csv else "ecb",
        today=today,
        path=asked.csv,
        pair=pair,
        fresh=asked.fresh,
        columns=columns,
        ecb_url=context.settings.ecb_url,
    )


def _print_facts(asked: argparse.Namespace, context: Context, facts: dict[str, Any]) -> None:
    if asked.json:
        print_json(facts)
        return
    for name, value in facts.items():
        words = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.out.print(f"[bold]{name:<12}[/bold] {words}", highlight=False)
