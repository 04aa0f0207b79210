"""`demo`: serve a forecast within seconds, then train all models and deploy their champion while the server runs.

The first champion is served before MLflow is imported, which takes longer than its fit; the full run registers.
"""

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from training.commands.command import command
from training.commands.context import Context
from training.commands.options import JobOptions, job_options, replace_option, workers_option
from training.commands.show import print_forecast
from training.commands.train import connect_registry, prepare_job

if TYPE_CHECKING:
    from training.runs.jobs import Job

FIRST_FAMILY = "random_walk"  # fitted in seconds, and the model that the others have to beat
FIRST_YEARS = 2  # years of its backtest; the full run replaces its scores


@command("demo", "serve a forecast within seconds, then train all models while it is served")
@job_options(replace_option, workers_option)
@click.option("--port", type=int, default=8080, help="port of the server, 0 for a free one (default: 8080)")
@click.option("--stop", is_flag=True, help="stop after printing both forecasts")
def demo(context: Context, options: JobOptions, port: int, stop: bool) -> int:
    """Publish and serve a first champion, do the full run beside the server, and print both forecasts.

    Args:
        context: Store, registry, settings and output.
        options: The job of the full run.
        port: The port of the server.
        stop: Stop after the second forecast.
    """
    context.check_store()
    context.check_registry()

    from training.commands.local_server import run_server
    from training.prices.table import EMBEDDED

    started = time.monotonic()
    job = prepare_job(options, context)
    if code := _publish_first(job, options.workers, context):
        return code
    with _exit_on_signals(), run_server(port, context.progress) as server:
        before = server.get("/api/predict")
        print_forecast(before, context)
        first_day, today = before["forecast"][0]["date"], context.now.date()
        if options.prices.fresh and job.table.origin.startswith(EMBEDDED):
            _say(
                f"The ECB's current file could not be used. The forecast is based on the embedded rates, which end "
                f"{before['as_of']}: its first day is {first_day}"
                f"{', which is past' if date.fromisoformat(first_day) < today else ''}.",
                context,
            )
        champion = before["champion"]
        _say(
            f"Generation {champion['generation']} ({champion['family']}) is served on http://127.0.0.1:{server.port} "
            f"after {time.monotonic() - started:.0f} s; try curl -s "
            f"'http://127.0.0.1:{server.port}/api/predict?horizon=1'",
            context,
        )
        _say(f"Now training all models: {', '.join(job.families)}.", context)
        from training.commands.finish_run import finish_run  # with MLflow, so not before the first forecast
        from training.commands.job import run_tasks

        connect_registry(context)
        run_context = context.at(datetime.now(UTC))
        code, _, published = finish_run(job, run_tasks(job, options.workers, run_context), run_context)
        generation = published.superseded_by or published.generation
        is_served = server.wait_for_generation(generation)
        after = server.get("/api/predict")
        print_forecast(after, context)
        _say(_describe_swap(before, after, server.process.pid, None if is_served else generation), context)
        if not stop:
            _say(f"Serving on http://127.0.0.1:{server.port} until Ctrl-C.", context)
            try:
                server.process.wait()
            except KeyboardInterrupt:
                _say("Stopped; `make serve` serves the same again.", context)
    return code


def _publish_first(job: "Job", workers: int | None, context: Context) -> int:
    """Publish the first model alone without registering it, and return the exit code.

    If a champion is active, which is at least as good, nothing is published.
    """
    from training.publishing.promotion import read_active

    if active := read_active(context.store, job.pair):
        _say(f"Generation {active.generation} is active already and is served first.", context)
        return 0
    first_year = max(job.first_year, job.table.frame.index[-1].year - FIRST_YEARS + 1)
    _say(f"First {FIRST_FAMILY} alone, scored from {first_year} on, so that a forecast can be served:", context)
    first = replace(job, families=(FIRST_FAMILY,), first_year=first_year)

    from training.commands.job import evaluate_results, run_tasks
    from training.commands.publish_champion import publish_champion
    from training.commands.scores import print_published
    from training.runs import pipeline

    members, evaluation = evaluate_results(first, run_tasks(first, workers, context), context)
    with context.stages.stage("publish"):
        published = publish_champion(first, pipeline.candidates(first, members), evaluation, context)
    return print_published(published, context)


def _say(sentence: str, context: Context) -> None:
    context.progress.print(sentence, style="bold", soft_wrap=True)


def _describe_swap(before: Mapping[str, Any], after: Mapping[str, Any], pid: int, missing: int | None) -> str:
    """Describe which champion the server serves after the full run.

    Args:
        before: The response of /api/predict before the run.
        after: The response after it.
        pid: The process of the server.
        missing: The published generation if the server does not serve it, otherwise None.
    """
    old, new = before["champion"], after["champion"]
    if missing is not None:
        return f"Generation {missing} is published, but not active; eurusd status says why."
    if new["generation"] == old["generation"]:
        return f"The server, process {pid}, still serves generation {old['generation']}: nothing newer was published."
    swap = (
        f"The server, process {pid}, replaced generation {old['generation']} by {new['generation']} without a restart"
    )
    if new["sha256"] == old["sha256"]:
        return f"{swap}: {new['family']} again, the same file with the scores of the full run."
    if new["family"] == old["family"]:
        return f"{swap}: {new['family']} again, in a new file."
    return f"{swap}: {new['family']} in place of {old['family']}."


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit while the block runs, so that it stops the server it has started."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda got, _: sys.exit(128 + got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
