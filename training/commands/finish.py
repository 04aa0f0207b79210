"""The end of every run, wherever its tasks ran: gather, score, choose, log, publish, and say so."""

import sys
from collections.abc import Iterable, Mapping

from lambda_fn.champion.model import Champion
from training.commands import report
from training.commands.context import Context, print_json
from training.console import Stages
from training.evaluation.selection import honesty
from training.export.candidate import Candidate
from training.models.families import FAMILIES
from training.publishing.experiment import log_run
from training.publishing.promotion import Published, read_active
from training.publishing.publish import golden_windows, move_aliases, publish
from training.publishing.registry import Registry
from training.runs import pipeline
from training.runs.pipeline import Evaluation
from training.runs.plan import Job
from training.runs.work import Result

FIRST_INCUMBENT = "random_walk"  # where nothing is active: a family has to beat it by more than a tie


def finish(
    job: Job,
    results: Iterable[Result],
    tracking: Registry,
    context: Context,
    stages: Stages,
    *,
    as_json: bool,
) -> tuple[int, Published]:
    """Choose among what the tasks left and publish it; the exit code, and what was published.

    Raises IncompleteError when no family is complete; one that lost a task is named and left out.
    """
    members, missing = pipeline.gather(job, results)
    report.print_notes(context.progress, pipeline.losses(job, members, missing))
    found = pipeline.evaluate(job, members, incumbent(context), stages)
    published = _register_and_publish(job, found, pipeline.candidates(job, members), tracking, context, stages)
    context.progress.print(f"in all {stages.total():.1f} s", highlight=False)
    print_evaluation(found, context, as_json=as_json)
    return announce(published, context, quiet=as_json), published


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
        return publish(
            context.store,
            context.settings,
            champion,
            registered[champion.family],
            found.scores,
            golden_windows(context.store, Champion.load(champion.model)),
            context.now,
            move_aliases(tracking, [registered[name] for name in ranking]),
        )


def incumbent(context: Context) -> str:
    """The family that is active: it keeps its place in a tie."""
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    return types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT


def print_evaluation(found: Evaluation, context: Context, *, as_json: bool) -> None:
    """The score table, and what can honestly be said of it."""
    if as_json:
        sys.stdout.write(report.scores_json(found.scores, found.selection, found.spread) + "\n")
        return
    report.print_scores(context.out, found.scores, found.selection)
    for sentence in (*honesty(found.scores, found.selection), *report.spread_sentences(found.spread, found.scores)):
        context.out.print(f"- {sentence}", highlight=False)


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
