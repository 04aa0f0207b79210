"""`select`: gather the results of a frozen run, and publish the champion of each of its pairs."""

import argparse
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    from training.commands.finish_run import RunResult
    from training.console import Stages
    from training.runs.run_store import Run


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_frozen_run(parser)
    options.add_pair(parser)


def work(args: argparse.Namespace, context: Context) -> int:
    """Gather, select, log and publish. A pair that the run has published is skipped."""
    context.check_store()

    from training.commands.all_pairs import run_pairs
    from training.console import Stages
    from training.runs.run_store import Run

    run = Run(context.patient_store, args.run)
    pairs = list(run.plans)
    if args.pair and args.pair not in pairs:
        raise UsageError(f"--pair: run {run.name} has no pair {args.pair}; choose from {', '.join(pairs)}")
    published = {pair: facts for pair in pairs if (facts := run.published(pair))}
    todo = [pair for pair in ([args.pair] if args.pair else pairs) if pair not in published]
    if not todo:
        _print_already_published(args, context, run)
        return 0
    with Stages(context.progress).stage("registry: connect"):
        _ = context.tracking
    if args.pair or len(pairs) == 1:
        stages = Stages(context.progress)
        return _select_pair(run, context.for_pair(todo[0]), stages, as_json=args.json).code
    for pair, facts in published.items():
        context.note([f"{pair} is published already, as generation {facts['generation']}"])

    def select_pair(pair_context: Context) -> "RunResult":
        stages = Stages(pair_context.progress, pair_context.settings.pair)
        return _select_pair(run, pair_context, stages, as_json=args.json, with_scores=False)

    return run_pairs(todo, context, select_pair, as_json=args.json)


def _select_pair(
    run: "Run", context: Context, stages: "Stages", *, as_json: bool, with_scores: bool = True
) -> "RunResult":
    """Publish the champion of the context's pair, and record in the run that it is published.

    Args:
        run: The frozen run.
        context: The context of the pair.
        stages: Shows the progress.
        as_json: See `select_and_publish`.
        with_scores: See `select_and_publish`.
    """
    from training.commands.finish_run import select_and_publish
    from training.runs.jobs import tasks

    pair = context.settings.pair
    with stages.stage("prices"):
        job = run.job(pair)
    with stages.stage("results", len(tasks(job))) as step:
        results = list(run.results(job, step))
    result = select_and_publish(
        job, results, context.tracking, context, stages, as_json=as_json, with_scores=with_scores
    )
    pointer = result.published.pointer
    model = f"{pointer.model_name}/{pointer.model_version}"
    run.mark_published(pair, {"generation": result.published.generation, "model": model})
    return result


def _print_already_published(args: argparse.Namespace, context: Context, run: "Run") -> None:
    published = {pair: run.published(pair) or {} for pair in ([args.pair] if args.pair else run.plans)}
    if args.json:
        rows = {pair: {"already": True, **facts} for pair, facts in published.items()}
        is_by_pair = len(run.plans) > 1 and not args.pair
        print_json(rows if is_by_pair else {"run": run.name, **next(iter(rows.values()))})
        return
    for pair, facts in published.items():
        name = run.name if len(run.plans) == 1 else f"{run.name}, {pair},"
        context.out.print(f"run {name} is published already, as generation {facts['generation']}; nothing to do")


COMMAND = Command(
    "gather the results of a frozen run, report missing ones, select the champion and publish it", work, add_options
)
