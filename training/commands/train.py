"""The commands that train in this process: `prices`, `run`, `evaluate` and `report`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.commands.all_pairs import available_cores, print_serving_command, run_pairs, select_pairs
from training.commands.command import command
from training.commands.context import Context, UsageError, print_json
from training.commands.options import (
    JobOptions,
    PriceOptions,
    job_options,
    pair_option,
    pairs_option,
    price_options,
    replace_option,
    workers_option,
)

if TYPE_CHECKING:
    from training.commands.scores import RunResult
    from training.runs.jobs import Job, Result


@command("prices", "check prices and describe them; with --save write them to the store")
@pair_option
@price_options
@click.option("--save", is_flag=True, help="write the prices to the store; new rows are appended")
@replace_option
def describe_prices(context: Context, prices: PriceOptions, save: bool, replace: bool) -> None:
    """Check and describe the prices; with --save write them to the store."""
    if replace and not save:
        raise UsageError("--replace: it requires --save; add --save to overwrite the prices in the store")
    if save:
        context.check_store()

    from training.commands.job import load_prices
    from training.models.families import DEFAULT_FAMILIES
    from training.prices.table import store_prices

    table, pair = load_prices(prices, context, DEFAULT_FAMILIES), context.settings.pair
    facts: dict[str, Any] = {
        "pair": pair,
        "source": table.source,
        "origin": table.origin,
        "rows": len(table.frame),
        "first": str(table.frame.index[0].date()),
        "last": str(table.frame.index[-1].date()),
        "last_close": float(table.frame["close"].iloc[-1]),
        "columns": list(table.frame.columns),
        "sha256": table.sha256,
        "notes": list(table.notes),
    }
    if save:
        facts["stored"] = store_prices(context.store, pair, table, append=True, replace=replace)
    if context.as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        text = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.print(f"[bold]{name:<12}[/bold] {text}")


@command("run", "load prices, train and backtest all models, select the champion and publish it")
@job_options(pairs_option, replace_option, workers_option)
def run(context: Context, options: JobOptions) -> int:
    """Train and publish each pair."""
    pairs = select_pairs(options, context)
    context.check_store()
    is_single = len(pairs) == 1
    if not is_single:
        connect_registry(context)  # once for all pairs

    if is_single:
        code = train_pair(options, True, context.for_pair(pairs[0])).code
    else:
        code = run_pairs(pairs, context, partial(train_pair, options, False), options.workers or available_cores())
    if options.pairs and not code:
        print_serving_command(pairs, context)
    return code


def train_pair(options: JobOptions, with_scores: bool, context: Context, workers: int | None = None) -> "RunResult":
    """Train, evaluate and publish one pair.

    Args:
        options: The job.
        with_scores: Print the evaluation.
        context: The context of the pair.
        workers: The number of processes, instead of that of the options.
    """
    job = prepare(options, context)

    from training.commands.finish_run import finish_run  # only now: MLflow and matplotlib take seconds
    from training.commands.job import run_tasks

    results = run_tasks(job, workers or options.workers, context)
    return finish_run(job, results, context, with_scores=with_scores)


def prepare(options: JobOptions, context: Context) -> "Job":
    """Make the job, store its prices and connect to the registry.

    This raises errors before the training that would stop publishing after it: a price file that differs from the
    stored one, and a registry that cannot be used. The caller has checked the store.
    """
    job = prepare_job(options, context)
    connect_registry(context)
    return job


def connect_registry(context: Context) -> None:
    """Connect to the registry, whose import and migrations take seconds, as a stage."""
    with context.stages.stage("registry: connect"):
        _ = context.tracking


def prepare_job(options: JobOptions, context: Context) -> "Job":
    """Make the job and store its prices, without the registry."""
    from training.commands.job import make_job
    from training.prices.table import store_prices

    with context.stages.stage("prices"):
        job = make_job(options, context)
        append = not context.settings.use_s3
        store_note = store_prices(context.store, job.pair, job.table, append=append, replace=options.replace)
    context.note(job.table.origin, *job.table.notes, store_note)
    return job


@command("evaluate", "backtest the models and print the score table; write nothing")
@pair_option
@job_options(workers_option)
def evaluate(context: Context, options: JobOptions) -> None:
    """Print the score table without writing anything."""
    from training.commands.job import evaluate_results, make_job, run_tasks
    from training.commands.scores import print_evaluation

    with context.stages.stage("prices"):
        job = make_job(options, context)
    context.note(job.table.origin, *job.table.notes)
    results = run_tasks(job, options.workers, context)
    print_evaluation(evaluate_results(job, results, context)[1], context)


@command("report", "write the evaluation as an HTML file with tables and plots, and log it to MLflow")
@pair_option
@job_options(workers_option)
@click.option("--out", type=Path, default="report.html", metavar="FILE", help="output file (default: report.html)")
@click.option("--protocol", is_flag=True, help="add the benchmark protocol: eight pairs over two spans of years")
@click.option("--books", is_flag=True, help="add the backtest of 300 random books of 18 currencies")
@click.option("--no-log", is_flag=True, help="do not log the report to MLflow")
def report(context: Context, options: JobOptions, out: Path, protocol: bool, books: bool, no_log: bool) -> None:
    """Write the report. Errors of the output file and of the registry come before the training.

    Args:
        context: Store, settings and output.
        options: The job.
        out: The file to write.
        protocol: Add the benchmark protocol.
        books: Add the backtest of books of currencies.
        no_log: Do not log the report to MLflow.
    """
    from training.commands.job import default_workers, evaluate_results, make_job, run_tasks
    from training.commands.report_html import render_report
    from training.commands.report_plots import draw_plots
    from training.prices.table import load
    from training.runs import benchmark_protocol, pipeline
    from training.runs.jobs import tasks
    from training.runs.task_runner import run_here, run_workers

    try:
        out.touch()
    except OSError as error:
        raise UsageError(f"--out: {out} cannot be written ({error.strerror}); choose another file") from error
    tracking = None if no_log else context.tracking
    with context.stages.stage("prices"):
        job = make_job(options, context)
    members, evaluation = evaluate_results(job, run_tasks(job, options.workers, context), context)
    params = {name: candidate.params for name, candidate in pipeline.candidates(job, members).items()}

    def run_job(job: "Job") -> "list[Result]":
        count = options.workers or default_workers(len(tasks(job)))
        if count == 1:
            return run_here(job, tasks(job), lambda description: None)
        return run_workers(job, tasks(job), count)

    table = None
    if protocol:
        table = benchmark_protocol.protocol(
            lambda pair: load("ecb", today=context.now.date(), pair=pair), run_job, context.stages
        )
    scores = None
    if books:
        from training.runs.book_backtest import book_table, make_scene, random_books

        scene = make_scene(context.stages)
        with context.stages.stage("books: scores"):
            scores = book_table(scene, random_books())
    html = render_report(job, evaluation, params, draw_plots(job, evaluation), table, scores)
    out.write_text(html, encoding="utf-8")
    facts = {"file": str(out), "pair": job.pair, "champion": next(iter(evaluation.selection.passed), None)}
    if tracking is not None:
        from training.publishing.mlflow_runs import log_report

        facts["run_id"] = log_report(tracking, job.pair, out, context.now)
    if context.as_json:
        print_json(facts)
    else:
        context.print(*(f"{name}: {value}" for name, value in facts.items()))
