"""`task`: run one task of a frozen run, on this machine or as a child of an array job of AWS Batch."""

import argparse
import os

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # AWS Batch sets it for each child of an array job


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_frozen_run(parser)
    parser.add_argument("--index", type=int, help=f"index of the task (default: ${ARRAY_INDEX})")


def work(args: argparse.Namespace, context: Context) -> int:
    """Run the task and write its result, unless it has one."""
    context.check_store()

    from training.commands.job_from_args import task_as_json
    from training.console import Stages
    from training.runs.jobs import tasks
    from training.runs.run_store import Run
    from training.runs.task_runner import run_task

    run, index = Run(context.patient_store, args.run), _read_index(args)
    pair = run.find_pair(index)
    if pair is None:
        raise UsageError(f"--index: run {run.name} has tasks 0 to {run.plan['tasks'] - 1}, not {index}; choose another")
    job = run.job(pair)
    task, stages = tasks(job)[index - job.first], Stages(context.progress)
    already = index in run.finished_tasks()
    if not already:
        with stages.stage(task.describe(), len(task.cutoffs)) as step:
            run.save(run_task(job, task, step))
    if args.json:
        print_json({"run": run.name, "already": already, **task_as_json(task, {index})})
    else:
        context.out.print(f"{task.describe()}: {'done already' if already else 'done'}", highlight=False)
    return 0


def _read_index(args: argparse.Namespace) -> int:
    if args.index is not None:
        return int(args.index)
    index = os.environ.get(ARRAY_INDEX, "")
    if not index.isdecimal():
        raise UsageError(f"--index: no task is selected; give --index or set {ARRAY_INDEX}")
    return int(index)


COMMAND = Command("run one task of a frozen run, unless it has a result already", work, add_options)
