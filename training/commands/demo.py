"""`demo`: serve a forecast within seconds, then train all models and deploy their champion while the server runs."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import Command, Context, print_json

if TYPE_CHECKING:
    from training.commands.local_server import Server
    from training.prices.table import PriceTable
    from training.publishing.mlflow_registry import Registry
    from training.runs.jobs import Job

FIRST_FAMILY = "random_walk"  # fitted in seconds, and the model that the others have to beat
FIRST_YEARS = 2  # years of its backtest; the full run replaces its scores


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_job(parser)
    options.add_replace(parser)
    options.add_workers(parser)
    parser.add_argument("--port", type=int, default=8080, help="port of the server, 0 for a free one (default: 8080)")
    parser.add_argument("--stop", action="store_true", help="stop after printing both forecasts")


def work(args: argparse.Namespace, context: Context) -> int:
    """Publish and serve a first champion, do the full run beside the server, and print both forecasts."""
    context.check_store()

    from training.commands.local_server import run_server
    from training.commands.run import prepare
    from training.console import Stages

    started = time.monotonic()
    job, tracking = prepare(args, context, Stages(context.progress))
    if code := _publish_first(args, job, tracking, context):
        return code
    with _exit_on_signals(), run_server(args.port, context.progress) as server:
        before = server.get("/api/predict")
        _print_response(args, context, before)
        _say(
            context,
            [
                *_describe_old_prices(args, job.table, before, context.now.date()),
                _describe_served(server, before, time.monotonic() - started),
            ],
        )
        code, generation = _train_all(args, job, tracking, context)
        is_served = server.wait_for_generation(generation)
        after = server.get("/api/predict")
        _print_response(args, context, after)
        _say(context, [_describe_swap(before, after, server.process.pid, None if is_served else generation)])
        if not args.stop:
            _serve_until_interrupt(server, context)
    return code


def _publish_first(args: argparse.Namespace, job: "Job", tracking: "Registry", context: Context) -> int:
    """Publish the first model alone, unless a champion is active, which is at least as good; return the exit code.

    Args:
        args: The options of the command.
        job: The full job.
        tracking: The registry.
        context: Store, settings and output.
    """
    from training.commands.finish_run import select_and_publish
    from training.commands.job_from_args import run_tasks
    from training.console import Stages
    from training.publishing.promotion import read_active

    if active := read_active(context.store, job.pair):
        _say(context, [f"Generation {active.generation} is active already and is served first."])
        return 0
    first_year = max(job.first_year, job.table.frame.index[-1].year - FIRST_YEARS + 1)
    first_job = replace(job, families=(FIRST_FAMILY,), first_year=first_year)
    _say(context, [f"First {FIRST_FAMILY} alone, scored from {first_year} on, so that a forecast can be served:"])
    stages = Stages(context.progress)
    results = run_tasks(args, first_job, context, stages)
    return select_and_publish(first_job, results, tracking, context, stages, as_json=args.json).code


def _train_all(args: argparse.Namespace, job: "Job", tracking: "Registry", context: Context) -> tuple[int, int]:
    """Do the full run; return its exit code and the generation that is published afterwards.

    Args:
        args: The options of the command.
        job: The full job.
        tracking: The registry.
        context: Store, settings and output.
    """
    from training.commands.finish_run import select_and_publish
    from training.commands.job_from_args import run_tasks
    from training.console import Stages

    _say(context, [f"Now training all models: {', '.join(job.families)}."])
    stages = Stages(context.progress)
    results = run_tasks(args, job, context, stages)
    later = replace(context, now=datetime.now(UTC))
    code, _, published = select_and_publish(job, results, tracking, later, stages, as_json=args.json)
    return code, published.superseded_by or published.generation


def _print_response(args: argparse.Namespace, context: Context, response: Mapping[str, Any]) -> None:
    from training.commands.forecast import print_forecast

    if args.json:
        print_json(response)
    else:
        print_forecast(context, response)


def _say(context: Context, sentences: list[str]) -> None:
    for sentence in sentences:
        context.progress.print(sentence, style="bold", highlight=False, soft_wrap=True)


def _describe_old_prices(
    args: argparse.Namespace, table: "PriceTable", response: Mapping[str, Any], today: date
) -> list[str]:
    """Return a note when current rates were requested and the embedded ones were used, otherwise nothing.

    Args:
        args: The options of the command.
        table: The prices of the job.
        response: A response of /api/predict.
        today: The date of the run.
    """
    from training.prices.table import EMBEDDED

    day = response["forecast"][0]["date"]
    first_day = f"{day}, which is past" if date.fromisoformat(day) < today else day
    if args.fresh is None or not table.origin.startswith(EMBEDDED):
        return []
    return [
        f"The ECB's current file could not be used. The forecast is based on the embedded rates, which end "
        f"{response['as_of']}: its first day is {first_day}."
    ]


def _describe_served(server: "Server", response: Mapping[str, Any], seconds: float) -> str:
    champion = response["champion"]
    return (
        f"Generation {champion['generation']} ({champion['family']}) is served on http://127.0.0.1:{server.port} after "
        f"{seconds:.0f} s; try curl -s 'http://127.0.0.1:{server.port}/api/predict?horizon=1'"
    )


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
        return f"Generation {missing} is published, but not active; python -m training status says why."
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


def _serve_until_interrupt(server: "Server", context: Context) -> None:
    _say(context, [f"Serving on http://127.0.0.1:{server.port} until Ctrl-C."])
    try:
        server.process.wait()
    except KeyboardInterrupt:
        _say(context, ["Stopped; `make serve` serves the same again."])


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


COMMAND = Command("serve a forecast within seconds, then train all models while it is served", work, add_options)
