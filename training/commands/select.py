"""`select`: what the tasks of a frozen run left, and the champion of each of its pairs."""

import argparse
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.commands.finish_run import Ended
    from training.console import Stages
    from training.runs.pipeline import Evaluation
    from training.runs.run_store import Run


def add_options(command: argparse.ArgumentParser) -> None:
    options.frozen_run(command)
    options.pair(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    """Gather, choose, log and publish; what the run has published is not published twice."""
    context.check_store()

    from training.commands import all_pairs as several
    from training.commands.score_table import print_evaluation
    from training.console import Stages
    from training.runs.run_store import Run

    run = Run(context.patient_store, asked.run)
    pairs = list(run.plans)
    if asked.pair and asked.pair not in pairs:
        raise UsageError(f"--pair: run {run.name} is of {', '.join(pairs)}; choose one of them")
    before = {pair: found for pair in pairs if (found := run.published(pair))}
    left = [pair for pair in ([asked.pair] if asked.pair else pairs) if pair not in before]
    if not left:
        return _already(asked, context, run)
    with Stages(context.progress).stage("registry: connect"):
        _ = context.tracking
    if asked.pair or len(pairs) == 1:
        own = context.of(left[0])

        def show(found: "Evaluation") -> None:
            print_evaluation(found, own, as_json=asked.json)

        return _select(run, own, Stages(context.progress), show, quiet=asked.json).code
    for pair in before:
        context.note([f"{pair} was published before, as generation {before[pair]['generation']}"])

    def one(own: Context) -> "Ended":
        stages = Stages(own.progress, own.settings.pair)
        return _select(run, own, stages, lambda found: None, quiet=asked.json)

    return several.each(left, context, one, as_json=asked.json)


def _select(
    run: "Run", context: Context, stages: "Stages", show: "Callable[[Evaluation], None]", *, quiet: bool
) -> "Ended":
    from training.commands.finish_run import end
    from training.runs.jobs import tasks

    pair = context.settings.pair
    with stages.stage("prices"):
        job = run.job(pair)
    with stages.stage("results", len(tasks(job))) as step:
        results = list(run.results(job, step))
    ended = end(job, results, context.tracking, context, stages, show, quiet=quiet)
    pointer = ended.published.pointer
    model = f"{pointer.model_name}/{pointer.model_version}"
    run.mark_published(pair, {"generation": ended.published.generation, "model": model})
    return ended


def _already(asked: argparse.Namespace, context: Context, run: "Run") -> int:
    published = {pair: run.published(pair) or {} for pair in ([asked.pair] if asked.pair else run.plans)}
    if asked.json:
        told = {pair: {"already": True, **facts} for pair, facts in published.items()}
        several = len(run.plans) > 1 and not asked.pair
        print_json(told if several else {"run": run.name, **next(iter(told.values()))})
        return 0
    for pair, facts in published.items():
        name = run.name if len(run.plans) == 1 else f"{run.name}, {pair},"
        context.out.print(f"run {name} was published before, as generation {facts['generation']}; nothing is done")
    return 0


COMMAND = Command(
    "gather a frozen run's tasks, name what is missing, choose the champion and publish it", work, add_options
)
