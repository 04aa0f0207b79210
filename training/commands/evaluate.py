"""`evaluate`: the score table, and nothing is written."""

import argparse

from training.commands import options
from training.commands.context import Command, Context


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    options.job(command)
    options.workers(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    from training.commands import job_from_args as jobs
    from training.commands.score_table import incumbent, print_evaluation
    from training.console import Stages
    from training.runs import pipeline

    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = jobs.ask(asked, context)
    context.note([job.table.origin, *job.table.notes])
    members, missing = pipeline.gather(job, jobs.results(asked, job, context, stages))
    context.note(pipeline.describe_missing(job, members, missing))
    print_evaluation(pipeline.evaluate(job, members, incumbent(context), stages), context, as_json=asked.json)
    return 0


COMMAND = Command("walk the families forward and print the score table; write nothing", work, add_options)
