"""`task`: one task of a frozen run, on this machine or as a child of an array job of AWS Batch."""

import argparse
import os

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # which AWS Batch sets for each child of an array job


def add_options(command: argparse.ArgumentParser) -> None:
    options.frozen_run(command)
    command.add_argument("--index", type=int, help="which task; AWS_BATCH_JOB_ARRAY_INDEX unless told")


def work(asked: argparse.Namespace, context: Context) -> int:
    """Run it and write its result; one that has a result is left as it is."""
    context.check_store()

    from training.commands import job_from_args as jobs
    from training.console import Stages
    from training.runs.fit_task import run_task
    from training.runs.jobs import tasks
    from training.runs.run_store import Run

    run, index = Run(context.patient_store, asked.run), _index(asked)
    pair = run.find_pair(index)
    if pair is None:
        raise UsageError(f"--index: run {run.name} has the tasks 0 to {run.plan['tasks'] - 1}, {index} is none of them")
    job = run.job(pair)
    chosen, stages = tasks(job)[index - job.first], Stages(context.progress)
    already = index in run.finished_tasks()
    if not already:
        with stages.stage(chosen.describe(), len(chosen.cutoffs)) as step:
            run.save(run_task(job, chosen, step))
    if asked.json:
        print_json({"run": run.name, "already": already, **jobs.listed(chosen, {index})})
    else:
        context.out.print(f"{chosen.describe()}: {'was done before' if already else 'done'}", highlight=False)
    return 0


def _index(asked: argparse.Namespace) -> int:
    if asked.index is not None:
        return int(asked.index)
    given = os.environ.get(ARRAY_INDEX, "")
    if not given.isdecimal():
        raise UsageError(f"--index: say which task; neither it nor {ARRAY_INDEX} is given")
    return int(given)


COMMAND = Command("run one task of a frozen run; one that is done already is left as it is", work, add_options)
