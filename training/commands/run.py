"""`run`: the whole job, from the prices to what is served."""

import argparse

from training.commands import options
from training.commands.context import Command, Context


def add_options(command: argparse.ArgumentParser) -> None:
    options.job(command)
    options.workers(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    """What would stop it at the end is known before the training: a folder that cannot be written, a price file that
    differs from the stored one, a registry that cannot be used."""
    context.check_store()

    from training.commands import job as jobs
    from training.commands.ending import finish
    from training.console import Stages
    from training.prices.table import store_prices

    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = jobs.ask(asked, context)
        kept = store_prices(context.store, job.pair, job.table, append=not context.settings.use_s3)
    context.note([job.table.origin, *job.table.notes, kept])
    with stages.stage("registry: connect"):
        tracking = context.tracking
    results = jobs.results(asked, job, context, stages)
    return finish(job, results, tracking, context, stages, as_json=asked.json)[0]


COMMAND = Command("prices, evaluation, selection, registry and publishing: the whole job", work, add_options)
