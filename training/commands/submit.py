"""`submit`: a run on AWS Batch, followed to its end."""

import argparse
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import Command, Context, print_json

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from training.runs.aws_batch import Jobs


def add_options(command: argparse.ArgumentParser) -> None:
    options.pairs(command)
    options.job(command)
    options.replace(command)
    command.add_argument("--stack", required=True, metavar="NAME", help="the stack of infra/training.yaml")
    command.add_argument("--run", metavar="NAME", help="the name of the run")
    command.add_argument("--no-wait", action="store_true", help="do not follow the jobs to their end")


def work(asked: argparse.Namespace, context: Context) -> int:
    """Freeze, submit, and follow to the end; 1 when the run failed."""
    context.check_store()

    from training.commands import job_from_args as jobs
    from training.commands.all_pairs import code_of
    from training.runs import aws_batch
    from training.runs.jobs import tasks

    client = aws_batch.connect(context.settings.aws_region)  # before freezing, as credentials may be missing
    run, (frozen, failed) = jobs.freeze(asked, context)
    size = sum(len(tasks(job)) for job in frozen)
    submitted = aws_batch.submit(client, asked.stack, run.name, size, [job.pair for job in frozen])
    facts: dict[str, Any] = {"run": run.name, "tasks": size}
    facts |= {"task_job": submitted.tasks, "select_job": submitted.select}
    if asked.json:
        print_json(facts)
    else:
        context.out.print(f"run {run.name}: tasks {submitted.tasks}, selection {submitted.select}", highlight=False)
    code = code_of(failed, len(frozen) + len(failed), context)
    return code if asked.no_wait else _follow(client, submitted, context) or code


def _follow(client: "BatchClient", submitted: "Jobs", context: Context) -> int:
    from training.console import Stages
    from training.runs import aws_batch

    with Stages(context.progress).stage("AWS Batch", submitted.size) as step:
        seen = 0

        def show(counts: aws_batch.Counts) -> None:
            nonlocal seen
            for _ in range(counts.ended - seen):
                step(str(counts))
            seen = max(seen, counts.ended)

        outcome = aws_batch.follow(client, submitted, show)
    context.note(outcome.notes)
    return 0 if outcome.succeeded else 1


COMMAND = Command("freeze a run, and submit its tasks and its selection to AWS Batch", work, add_options)
