"""`report`: write the evaluation as one HTML file with plots, and attach it to the champion in MLflow."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    import pandas as pd

    from training.console import Stages


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    options.add_job(parser)
    options.add_workers(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="output file (default: report.html)"
    )
    parser.add_argument(
        "--protocol", action="store_true", help="add the benchmark protocol: eight pairs over two spans of years"
    )
    parser.add_argument("--no-log", action="store_true", help="do not log the report to MLflow")


def work(args: argparse.Namespace, context: Context) -> int:
    """Write the report. Errors of the output file and of the registry come before the training."""
    from training.commands.job_from_args import job_from_args, run_tasks
    from training.commands.report_html import draw_plots, render_report
    from training.commands.score_table import find_incumbent
    from training.console import Stages
    from training.runs import pipeline

    try:
        args.out.touch()
    except OSError as error:
        raise UsageError(f"--out: {args.out} cannot be written ({error.strerror}); choose another file") from error
    tracking = None if args.no_log else context.tracking
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = job_from_args(args, context)
    members, missing = pipeline.gather(job, run_tasks(args, job, context, stages))
    context.note(pipeline.describe_missing(job, members, missing))
    evaluation = pipeline.evaluate(job, members, find_incumbent(context), stages)
    params = {name: candidate.params for name, candidate in pipeline.candidates(job, members).items()}
    protocol = _run_protocol(args, context, stages) if args.protocol else None
    page = render_report(job, evaluation, params, draw_plots(job, evaluation), protocol)
    args.out.write_text(page, encoding="utf-8")
    facts = {"file": str(args.out), "pair": job.pair, "champion": next(iter(evaluation.selection.passed), None)}
    if tracking is not None:
        from training.publishing.mlflow_runs import log_report

        facts["run_id"] = log_report(tracking, job.pair, args.out, context.now)
    if args.json:
        print_json(facts)
    else:
        for name, value in facts.items():
            context.out.print(f"{name}: {value}", highlight=False)
    return 0


def _run_protocol(args: argparse.Namespace, context: Context, stages: "Stages") -> "pd.DataFrame":
    from training.commands.job_from_args import default_workers
    from training.prices.table import load
    from training.runs.benchmark_protocol import protocol
    from training.runs.jobs import Job, Result, tasks
    from training.runs.task_runner import run_here, run_workers

    def run_job(job: Job) -> list[Result]:
        workers = args.workers or default_workers(len(tasks(job)))
        if workers == 1:
            return run_here(job, tasks(job), lambda description: None)
        return run_workers(job, tasks(job), workers)

    return protocol(lambda pair: load("ecb", today=context.now.date(), pair=pair), run_job, stages)


COMMAND = Command("write the evaluation as an HTML file with tables and plots, and log it to MLflow", work, add_options)
