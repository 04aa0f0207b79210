"""`run`: do the whole job, from the prices to the published champion."""

import argparse
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context

if TYPE_CHECKING:
    from training.commands.finish_run import RunResult
    from training.console import Stages
    from training.publishing.mlflow_registry import Registry
    from training.runs.jobs import Job


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pairs(parser)
    options.add_job(parser)
    options.add_replace(parser)
    options.add_workers(parser)


def work(args: argparse.Namespace, context: Context) -> int:
    from training.commands import all_pairs

    pairs = all_pairs.select_pairs(args, context)
    context.check_store()

    from training.commands.job_from_args import run_tasks
    from training.console import Stages

    if len(pairs) == 1:
        pair_context, stages = context.for_pair(pairs[0]), Stages(context.progress)
        job, tracking = prepare(args, pair_context, stages)

        from training.commands.finish_run import select_and_publish  # only now: MLflow and matplotlib take seconds

        results = run_tasks(args, job, pair_context, stages)
        return select_and_publish(job, results, tracking, pair_context, stages, as_json=args.json).code
    with Stages(context.progress).stage("registry: connect"):
        _ = context.tracking  # once for all pairs

    from training.commands.finish_run import select_and_publish

    def run_pair(pair_context: Context) -> "RunResult":
        stages = Stages(pair_context.progress, pair_context.settings.pair)
        job, tracking = prepare(args, pair_context, stages)
        results = run_tasks(args, job, pair_context, stages)
        return select_and_publish(job, results, tracking, pair_context, stages, as_json=args.json, with_scores=False)

    return all_pairs.run_pairs(pairs, context, run_pair, as_json=args.json)


def prepare(args: argparse.Namespace, context: Context, stages: "Stages") -> "tuple[Job, Registry]":
    """Make the job, store its prices and connect to the registry.

    This raises errors before the training that would stop publishing after it: a price file that differs from the
    stored one, and a registry that cannot be used. The caller has checked the store.
    """
    from training.commands.job_from_args import job_from_args
    from training.prices.table import store_prices

    with stages.stage("prices"):
        job = job_from_args(args, context)
        store_note = store_prices(
            context.store, job.pair, job.table, append=not context.settings.use_s3, replace=args.replace
        )
    context.note([job.table.origin, *job.table.notes, store_note])
    with stages.stage("registry: connect"):
        return job, context.tracking


COMMAND = Command("load prices, train and backtest all models, select the champion and publish it", work, add_options)
