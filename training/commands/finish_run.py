"""The end of every run, wherever its tasks ran: gather, score, choose, log, publish, and say so."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lambda_fn.champion.runtime import Champion
from training.commands.context import Context
from training.commands.mlflow_inputs import recorded
from training.commands.output import announce
from training.commands.score_table import incumbent, plot_skill, print_evaluation
from training.console import Stages
from training.evaluation.selection import selection_sentence
from training.export.candidate import Candidate
from training.publishing import backtest
from training.publishing.mlflow_registry import Registry
from training.publishing.mlflow_runs import log_run
from training.publishing.promotion import Published
from training.publishing.publish import golden_windows, move_aliases, publish
from training.runs import pipeline
from training.runs.jobs import Job, Result
from training.runs.pipeline import Evaluation

GARCH = "random_walk"  # the family that is GARCH(1,1)-t: what official forecasts are compared with


class Ended(NamedTuple):
    """How a run ended: the exit code, what was found, and what was published."""

    code: int
    found: Evaluation
    published: Published


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

    Raises IncompleteError when no family is complete, and NoFamilyPassesError when none passes every gate; a family
    that lost a task is named and left out.
    """

    def show(found: Evaluation) -> None:
        print_evaluation(found, context, as_json=as_json)

    ended = end(job, results, tracking, context, stages, show, quiet=as_json)
    return ended.code, ended.published


def end(
    job: Job,
    results: Iterable[Result],
    tracking: Registry,
    context: Context,
    stages: Stages,
    show: Callable[[Evaluation], None],
    *,
    quiet: bool,
) -> Ended:
    """The same, where `show` shows what was found; `quiet` says nothing of what was published."""
    members, missing = pipeline.gather(job, results)
    context.note(pipeline.describe_missing(job, members, missing))
    found = pipeline.evaluate(job, members, incumbent(context), stages)
    if not found.selection.passed:
        show(found)
        _ = found.selection.champion  # raises, naming why: nothing is registered or published
    published = _register_and_publish(job, found, pipeline.candidates(job, members), tracking, context, stages)
    context.progress.print(f"in all {stages.total():.1f} s", highlight=False)
    show(found)
    return Ended(announce(published, context, quiet=quiet), found, published)


def _register_and_publish(
    job: Job,
    found: Evaluation,
    candidates: Mapping[str, Candidate],
    tracking: Registry,
    context: Context,
    stages: Stages,
) -> Published:
    ranking = found.selection.ranking
    with (
        stages.stage("registry: runs and models", len(candidates)) as step,
        recorded(job, found, candidates, context) as record,
    ):
        registered = log_run(
            tracking,
            [candidates[name] for name in ranking],
            found.scores,
            found.selection,
            {name: plot_skill(found.skill, name) for name in candidates},
            {"prices_table_sha256": job.table.sha256, "seed": str(job.seed), "source": job.table.source},
            progress=step,
            record=record,
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
            move_aliases(tracking, [registered[name] for name in found.selection.passed]),
            {"garch": candidates[GARCH].model} if GARCH in candidates else {},
            backtest.keep(
                context.store,
                job.pair,
                champion.family,
                found.forecasts[champion.family],
                found.baselines,
                job.prices,
            ),
            selection_sentence(found.selection),
            once=True,
        )
