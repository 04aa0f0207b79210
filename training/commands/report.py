"""`report`: the evaluation as one HTML file with its plots, kept in MLflow beside the champion's run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

if TYPE_CHECKING:
    import pandas as pd

    from training.console import Stages


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    options.job(command)
    options.workers(command)
    command.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="the file (report.html)")
    command.add_argument("--protocol", action="store_true", help="also eight pairs over both spans of the protocol")
    command.add_argument("--no-log", action="store_true", help="do not keep it in MLflow")


def work(asked: argparse.Namespace, context: Context) -> int:
    """What would stop it at the end is known before the training, as of every command that writes."""
    from training.commands import job_from_args as jobs
    from training.commands.report_html import page, pictures
    from training.commands.score_table import incumbent
    from training.console import Stages
    from training.runs import pipeline

    try:
        asked.out.touch()
    except OSError as error:
        raise UsageError(f"--out: {asked.out} cannot be written ({error.strerror}); name another file") from error
    tracking = None if asked.no_log else context.tracking
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = jobs.ask(asked, context)
    members, missing = pipeline.gather(job, jobs.results(asked, job, context, stages))
    context.note(pipeline.describe_missing(job, members, missing))
    found = pipeline.evaluate(job, members, incumbent(context), stages)
    params = {name: made.params for name, made in pipeline.candidates(job, members).items()}
    protocol = _protocol(asked, context, stages) if asked.protocol else None
    asked.out.write_text(page(job, found, params, pictures(job, found), protocol), encoding="utf-8")
    facts = {"file": str(asked.out), "pair": job.pair, "champion": next(iter(found.selection.passed), None)}
    if tracking is not None:
        from training.publishing.mlflow_runs import log_report

        facts["run_id"] = log_report(tracking, job.pair, asked.out, context.now)
    if asked.json:
        print_json(facts)
    else:
        for name, value in facts.items():
            context.out.print(f"{name}: {value}", highlight=False)
    return 0


def _protocol(asked: argparse.Namespace, context: Context, stages: "Stages") -> "pd.DataFrame":
    from training.commands.job_from_args import usual_workers
    from training.prices.table import load
    from training.runs.benchmark_protocol import protocol
    from training.runs.executor import run_here, run_workers
    from training.runs.jobs import Job, Result, tasks

    def run(job: Job) -> list[Result]:
        workers = asked.workers or usual_workers(len(tasks(job)))
        if workers == 1:
            return run_here(job, tasks(job), lambda words: None)
        return run_workers(job, tasks(job), workers)

    return protocol(lambda pair: load("ecb", today=context.now.date(), pair=pair), run, stages)


COMMAND = Command("the evaluation as one HTML file with tables and plots, kept in MLflow too", work, add_options)
