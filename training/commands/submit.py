"""`submit`: freeze a run, submit it to AWS Batch, and follow its jobs to their end."""

import argparse
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import Command, Context, print_json

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from training.runs.aws_batch import Jobs


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pairs(parser)
    options.add_job(parser)
    options.add_replace(parser)
    parser.add_argument("--stack", required=True, metavar="NAME", help="name of the stack of infra/training.yaml")
    parser.add_argument("--run", metavar="NAME", help="name of the run (default: pair and time)")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the jobs to end")


def work(args: argparse.Namespace, context: Context) -> int:
    """Freeze and submit the run, and wait for its end; return 1 when it failed."""
    context.check_store()

    from training.commands.all_pairs import report_failed
    from training.commands.job_from_args import freeze_run
    from training.runs import aws_batch
    from training.runs.jobs import tasks

    client = aws_batch.connect(context.settings.aws_region)  # before freezing, as credentials may be missing
    run, (jobs, failed) = freeze_run(args, context)
    size = sum(len(tasks(job)) for job in jobs)
    batch_jobs = aws_batch.submit(client, args.stack, run.name, size, [job.pair for job in jobs])
    facts: dict[str, Any] = {"run": run.name, "tasks": size}
    facts |= {"task_job": batch_jobs.tasks, "select_job": batch_jobs.select}
    if args.json:
        print_json(facts)
    else:
        context.out.print(f"run {run.name}: tasks {batch_jobs.tasks}, selection {batch_jobs.select}", highlight=False)
    code = report_failed(failed, len(jobs) + len(failed), context)
    return code if args.no_wait else _follow_jobs(client, batch_jobs, context) or code


def _follow_jobs(client: "BatchClient", batch_jobs: "Jobs", context: Context) -> int:
    from training.console import Stages
    from training.runs import aws_batch

    with Stages(context.progress).stage("AWS Batch", batch_jobs.size) as step:
        ended = 0

        def show_counts(counts: aws_batch.Counts) -> None:
            nonlocal ended
            for _ in range(counts.ended - ended):
                step(str(counts))
            ended = max(ended, counts.ended)

        outcome = aws_batch.follow(client, batch_jobs, show_counts)
    context.note(outcome.notes)
    return 0 if outcome.succeeded else 1


COMMAND = Command("freeze a run, submit its tasks and its selection to AWS Batch, and wait", work, add_options)
