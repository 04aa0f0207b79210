"""The commands that work on prices: check them, evaluate families on them, and the whole job."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from lambda_fn.champion import Champion
from training import pipeline, publishing, report
from training.candidate import Candidate
from training.console import Stages
from training.context import Context, UsageError, print_json
from training.evaluation import walk_forward
from training.experiment import log_run
from training.models import FAMILIES
from training.pipeline import Evaluation, Job
from training.prices import PriceTable, load, store_prices
from training.promotion import Published, read_active
from training.registry import Registry
from training.selection import honesty

FIRST_INCUMBENT = "random_walk"  # where nothing is active: a family has to beat it by more than a tie


def run(asked: argparse.Namespace, context: Context) -> int:
    """The whole job. The prices are stored first, as a price file that differs must be known before the training."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = _job(asked, context)
        stored = store_prices(context.store, job.pair, job.table, append=not context.settings.use_s3)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes, stored])
    with stages.stage("registry: connect"):
        tracking = context.tracking  # now, as a registry that cannot be used must be known before the training too
    found = pipeline.evaluate(job, _incumbent(context), stages)
    candidates = pipeline.candidates(job, stages)
    published = _register_and_publish(job, found, candidates, tracking, context, stages)
    context.progress.print(f"in all {stages.total():.1f} s", highlight=False)
    _print_evaluation(asked, context, found)
    return announce(published, context, quiet=asked.json)


def _register_and_publish(
    job: Job,
    found: Evaluation,
    candidates: Mapping[str, Candidate],
    tracking: Registry,
    context: Context,
    stages: Stages,
) -> Published:
    ranking = found.selection.ranking
    with stages.stage("registry: runs and models", len(candidates)) as step:
        registered = log_run(
            tracking,
            [candidates[name] for name in ranking],
            found.scores,
            found.selection,
            {name: report.plot_skill(found.skill, name) for name in candidates},
            {"prices_table_sha256": job.table.sha256, "seed": str(job.seed), "source": job.table.source},
            progress=step,
        )
    with stages.stage("publish"):
        champion = candidates[found.selection.champion]
        return publishing.publish(
            context.store,
            context.settings,
            champion,
            registered[champion.family],
            found.scores,
            publishing.golden_windows(context.store, Champion.load(champion.model)),
            context.now,
            publishing.move_aliases(tracking, [registered[name] for name in ranking]),
        )


def evaluate(asked: argparse.Namespace, context: Context) -> int:
    """The score table, and nothing is written."""
    stages = Stages(context.progress)
    with stages.stage("prices"):
        job = _job(asked, context)
    report.print_notes(context.progress, [job.table.origin, *job.table.notes])
    _print_evaluation(asked, context, pipeline.evaluate(job, _incumbent(context), stages))
    return 0


def prices(asked: argparse.Namespace, context: Context) -> int:
    """Check the prices; with --save put them into the store."""
    if asked.replace and not asked.save:
        raise UsageError("--replace goes with --save; it replaces the price file in the store")
    table, pair = _table(asked, context, pipeline.columns(tuple(FAMILIES))), context.settings.pair
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
    if asked.save:
        facts["stored"] = store_prices(context.store, pair, table, append=True, replace=asked.replace)
    _print_facts(asked, context, facts)
    return 0


def announce(published: Published, context: Context, *, as_json: bool = False, quiet: bool = False) -> int:
    """Say what became of it; 1 when it was refused."""
    pointer, activation = published.pointer, published.activation
    model = f"{pointer.model_name}/{pointer.model_version}"
    report.print_notes(context.progress, published.notes)
    if as_json:
        print_json(
            {
                "generation": published.generation,
                "model": model,
                "sha256": pointer.champion.sha256 if pointer.champion else None,
                "superseded_by": published.superseded_by,
                "activation": activation._asdict() if activation else None,
            }
        )
    elif not quiet:
        outcome = f"{activation.outcome}: {activation.reason}" if activation else "the refresh function activates it"
        context.out.print(f"published {model} as generation {published.generation}; {outcome}", highlight=False)
    return 1 if activation and activation.outcome == "refused" else 0


def _job(asked: argparse.Namespace, context: Context) -> Job:
    names = tuple(FAMILIES) if asked.families is None else tuple(dict.fromkeys(asked.families.split(",")))
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"--families: {unknown[0]!r} is no family; choose among {', '.join(FAMILIES)}")
    if not 0 <= asked.seed < 2**32:
        raise UsageError(f"--seed: {asked.seed} is out of range; choose 0 to {2**32 - 1}")
    table = _table(asked, context, pipeline.columns(names))
    try:
        splits = list(walk_forward(table.frame, asked.first_year))
    except ValueError as error:
        raise UsageError(f"--first-year: {error}") from error
    if not splits:
        raise UsageError(f"--first-year: no day is left to forecast from {asked.first_year} on; choose an earlier one")
    return Job(table, context.settings.pair, names, asked.first_year, asked.seed)


def _table(asked: argparse.Namespace, context: Context, columns: list[str]) -> PriceTable:
    return load(
        "csv" if asked.csv else "ecb",
        today=context.now.date(),
        path=asked.csv,
        pair=context.settings.pair,
        fresh=asked.fresh,
        columns=columns,
        ecb_url=context.settings.ecb_url,
    )


def _incumbent(context: Context) -> str:
    """The family that is active: it keeps its place in a tie."""
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    return types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT


def _print_evaluation(asked: argparse.Namespace, context: Context, found: Evaluation) -> None:
    if asked.json:
        sys.stdout.write(report.scores_json(found.scores, found.selection) + "\n")
        return
    report.print_scores(context.out, found.scores, found.selection)
    for sentence in honesty(found.scores, found.selection):
        context.out.print(f"- {sentence}", highlight=False)


def _print_facts(asked: argparse.Namespace, context: Context, facts: dict[str, Any]) -> None:
    if asked.json:
        print_json(facts)
        return
    for name, value in facts.items():
        words = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.out.print(f"[bold]{name:<12}[/bold] {words}", highlight=False)
