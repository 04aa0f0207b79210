"""`evaluate`: print the score table without writing anything."""

import argparse

from training.commands import options
from training.commands.context import Command, Context


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    options.add_job(parser)
    options.add_workers(parser)


def work(args: argparse.Namespace, context: Context) -> int:
    from training.commands.job_from_args import job_from_args, run_tasks
    from training.commands.score_table import find_incumbent, print_evaluation
    from training.console import Stages
    from training.runs import pipeline

    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = job_from_args(args, context)
    context.note([job.table.origin, *job.table.notes])
    members, missing = pipeline.gather(job, run_tasks(args, job, context, stages))
    context.note(pipeline.describe_missing(job, members, missing))
    print_evaluation(pipeline.evaluate(job, members, find_incumbent(context), stages), context, as_json=args.json)
    return 0


COMMAND = Command("backtest the models and print the score table; write nothing", work, add_options)
