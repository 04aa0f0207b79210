"""`run`: the whole job, from the prices to what is served."""

import argparse
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context

if TYPE_CHECKING:
    from training.console import Stages
    from training.publishing.registry import Registry
    from training.runs.plan import Job


def add_options(command: argparse.ArgumentParser) -> None:
    options.job(command)
    options.replace(command)
    options.workers(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    from training.commands import job as jobs
    from training.commands.ending import finish
    from training.console import Stages

    stages = Stages(context.progress)
    job, tracking = prepare(asked, context, stages)
    results = jobs.results(asked, job, context, stages)
    return finish(job, results, tracking, context, stages, as_json=asked.json)[0]


def prepare(asked: argparse.Namespace, context: Context, stages: "Stages") -> "tuple[Job, Registry]":
    """The job, its prices in the store, and the registry.

    What would stop it at the end is known before the training: a folder that cannot be written, a price file that
    differs from the stored one, a registry that cannot be used.
    """
    context.check_store()

    from training.commands import job as jobs
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
