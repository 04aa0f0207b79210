"""`run`: the whole job, from the prices to what is served."""

import argparse
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context

if TYPE_CHECKING:
    from training.commands.finish_run import Ended
    from training.console import Stages
    from training.publishing.mlflow_registry import Registry
    from training.runs.jobs import Job


def add_options(command: argparse.ArgumentParser) -> None:
    options.pairs(command)
    options.job(command)
    options.replace(command)
    options.workers(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    from training.commands import all_pairs

    pairs = all_pairs.asked_pairs(asked, context)
    context.check_store()

    from training.commands import job_from_args as jobs
    from training.console import Stages

    if len(pairs) == 1:
        own, stages = context.of(pairs[0]), Stages(context.progress)
        job, tracking = prepare(asked, own, stages)

        from training.commands.finish_run import finish  # only now: MLflow and matplotlib take seconds

        return finish(job, jobs.results(asked, job, own, stages), tracking, own, stages, as_json=asked.json)[0]
    with Stages(context.progress).stage("registry: connect"):
        _ = context.tracking  # for all pairs

    from training.commands.finish_run import end

    def one(own: Context) -> "Ended":
        stages = Stages(own.progress, own.settings.pair)
        job, tracking = prepare(asked, own, stages)
        results = jobs.results(asked, job, own, stages)
        return end(job, results, tracking, own, stages, lambda found: None, quiet=asked.json)

    return all_pairs.each(pairs, context, one, as_json=asked.json)


def prepare(asked: argparse.Namespace, context: Context, stages: "Stages") -> "tuple[Job, Registry]":
    """The job, its prices in the store, and the registry.

    What would stop it at the end is known before the training: a price file that differs from the stored one, a
    registry that cannot be used; the caller has checked the store.
    """
    from training.commands import job_from_args as jobs
    from training.prices.table import store_prices

    with stages.stage("prices"):
        job = jobs.ask(asked, context)
        kept = store_prices(
            context.store, job.pair, job.table, append=not context.settings.use_s3, replace=asked.replace
        )
    context.note([job.table.origin, *job.table.notes, kept])
    with stages.stage("registry: connect"):
        return job, context.tracking


COMMAND = Command("prices, evaluation, selection, registry and publishing: the whole job", work, add_options)
