"""`select`: what the tasks of a frozen run left, and the champion among it."""

import argparse

from training.commands import options
from training.commands.context import Command, Context, print_json


def work(asked: argparse.Namespace, context: Context) -> int:
    """Gather, choose, log and publish; a run that has published is not published twice."""
    context.check_store()

    from training.commands.ending import finish
    from training.console import Stages
    from training.runs.frozen import Run
    from training.runs.plan import tasks

    run = Run(context.patient_store, asked.run)
    if before := run.published():
        told = f"run {run.name} was published before, as generation {before['generation']}; nothing is done"
        print_json({"run": run.name, "already": True, **before}) if asked.json else context.out.print(told)
        return 0
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = run.job()
    with stages.stage("registry: connect"):
        tracking = context.tracking
    with stages.stage("results", len(tasks(job))) as step:
        results = list(run.results(job, step))
    code, published = finish(job, results, tracking, context, stages, as_json=asked.json)
    pointer = published.pointer
    run.mark_published({"generation": published.generation, "model": f"{pointer.model_name}/{pointer.model_version}"})
    return code


COMMAND = Command(
    "gather a frozen run's tasks, name what is missing, choose the champion and publish it", work, options.frozen_run
)
