"""`demo`: a forecast is served after seconds, and what a whole run then chooses takes its place while it is served."""

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

FIRST_FAMILY = "random_walk"  # fitted in seconds, and the one that the others have to beat
FIRST_YEARS = 2  # of its scores: the whole run replaces them


def add_options(command: argparse.ArgumentParser) -> None:
    options.job(command)
    options.replace(command)
    options.workers(command)
    command.add_argument("--port", type=int, default=8080, help="of the server, 0 for a free one (8080)")
    command.add_argument("--stop", action="store_true", help="stop when both forecasts are printed")


def work(asked: argparse.Namespace, context: Context) -> int:
    """Publish and serve the first champion, run the whole job beside the server, and show what is served then."""
    context.check_store()

    from training.commands.local_server import serving
    from training.commands.run import prepare
    from training.console import Stages

    started = time.monotonic()
    job, tracking = prepare(asked, context, Stages(context.progress))
    if code := _first(asked, job, tracking, context):
        return code
    with _ended_in_order(), serving(asked.port, context.progress) as server:
        before = server.get("/api/predict")
        _show(asked, context, before)
        _say(context, [*_age(asked, job.table, before, context.now.date()), _served(server, before, started)])
        code, generation = _challenge(asked, job, tracking, context)
        reached = server.reaches(generation)
        after = server.get("/api/predict")
        _show(asked, context, after)
        _say(context, [_what_happened(before, after, server.process.pid, generation if not reached else None)])
        if not asked.stop:
            _serve_on(server, context)
    return code


def _first(asked: argparse.Namespace, job: "Job", tracking: "Registry", context: Context) -> int:
    """Publish the first family alone where nothing is active yet, for what is served already is no worse; the exit
    code."""
    from training.commands import job_from_args as jobs
    from training.commands.finish_run import finish
    from training.console import Stages
    from training.publishing.promotion import read_active

    if active := read_active(context.store, job.pair):
        _say(context, [f"Generation {active.generation} is active already, so it is served first."])
        return 0
    first_year = max(job.first_year, job.table.frame.index[-1].year - FIRST_YEARS + 1)
    alone = replace(job, families=(FIRST_FAMILY,), first_year=first_year)
    _say(context, [f"First {FIRST_FAMILY} alone, scored from {first_year} on, so that there is something to serve:"])
    stages = Stages(context.progress)
    return finish(alone, jobs.results(asked, alone, context, stages), tracking, context, stages, as_json=asked.json)[0]


def _challenge(asked: argparse.Namespace, job: "Job", tracking: "Registry", context: Context) -> tuple[int, int]:
    """The whole run; the exit code, and the generation that it published."""
    from training.commands import job_from_args as jobs
    from training.commands.finish_run import finish
    from training.console import Stages

    _say(context, [f"Now the whole run challenges it, with {', '.join(job.families)}:"])
    stages = Stages(context.progress)
    results = jobs.results(asked, job, context, stages)
    later = replace(context, now=datetime.now(UTC))
    code, published = finish(job, results, tracking, later, stages, as_json=asked.json)
    return code, published.superseded_by or published.generation


def _show(asked: argparse.Namespace, context: Context, answer: Mapping[str, Any]) -> None:
    from training.commands.forecast import print_forecast

    if asked.json:
        print_json(answer)
    else:
        print_forecast(context, answer)


def _say(context: Context, sentences: list[str]) -> None:
    for sentence in sentences:
        context.progress.print(sentence, style="bold", highlight=False, soft_wrap=True)


def _age(asked: argparse.Namespace, table: "PriceTable", answer: Mapping[str, Any], today: date) -> list[str]:
    """What a reader must know of a forecast that is not of the ECB's current rates."""
    from training.prices.table import EMBEDDED

    day = answer["forecast"][0]["date"]
    past = f"{day}, which is past" if date.fromisoformat(day) < today else day
    if asked.fresh is None or not table.origin.startswith(EMBEDDED):
        return []
    return [
        f"The ECB's current file could not be used, so these are the embedded rates, which end "
        f"{answer['as_of']}: the first day of this forecast is {past}."
    ]


def _served(server: "Server", answer: Mapping[str, Any], started: float) -> str:
    champion = answer["champion"]
    return (
        f"Generation {champion['generation']} ({champion['family']}) is served on http://127.0.0.1:{server.port} after "
        f"{time.monotonic() - started:.0f} s; try curl -s 'http://127.0.0.1:{server.port}/api/predict?horizon=1'"
    )


def _what_happened(before: Mapping[str, Any], after: Mapping[str, Any], pid: int, missing: int | None) -> str:
    """From which champion to which the server went; `missing` is the generation that it should serve and does not."""
    old, new = before["champion"], after["champion"]
    if missing is not None:
        return f"Generation {missing} is published, but not active; python -m training status says why."
    if new["generation"] == old["generation"]:
        return f"The server, process {pid}, still serves generation {old['generation']}: nothing newer was published."
    swapped = f"The server, process {pid}, took up generation {new['generation']} in place of {old['generation']} by "
    if new["sha256"] == old["sha256"]:
        return f"{swapped}itself: {new['family']} again, the same file with the scores of the whole run."
    if new["family"] == old["family"]:
        return f"{swapped}itself: {new['family']} again, in a new file."
    return f"{swapped}itself: {new['family']} in place of {old['family']}."


def _serve_on(server: "Server", context: Context) -> None:
    """Until Ctrl-C, or until the server ends."""
    _say(context, [f"Serving on http://127.0.0.1:{server.port} until Ctrl-C."])
    try:
        server.process.wait()
    except KeyboardInterrupt:
        _say(context, ["Stopped; `make serve` serves the same again."])


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A signal that would end this process at once ends the block instead, and with it the server."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, _: sys.exit(128 + got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMAND = Command(
    "serve a forecast after seconds, then let the whole run challenge it before your eyes", work, add_options
)
