"""The last steps of every run, wherever its tasks ran: gather, score, select, log, publish and print."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lambda_fn.champion.runtime import Champion
from training.commands.context import Context
from training.commands.mlflow_inputs import make_run_inputs
from training.commands.output import print_published
from training.commands.score_table import find_incumbent, plot_skill, print_evaluation
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

GARCH = "random_walk"  # this model is GARCH(1,1)-t, the benchmark of official forecasts


class RunResult(NamedTuple):
    """The result of a run: its exit code, the evaluation and what was published."""

    code: int
    evaluation: Evaluation
    published: Published


def select_and_publish(
    job: Job,
    results: Iterable[Result],
    tracking: Registry,
    context: Context,
    stages: Stages,
    *,
    as_json: bool,
    with_scores: bool = True,
) -> RunResult:
    """Select the champion among the results of the tasks, log the run to MLflow and publish the champion.

    A model whose tasks are incomplete is reported and left out.

    Args:
        job: The job.
        results: The results of its tasks.
        tracking: The registry to log to.
        context: Store, settings and output.
        stages: Shows the progress.
        as_json: Print the evaluation as JSON, and nothing about publishing but notes.
        with_scores: Print the evaluation.

    Raises:
        IncompleteError: No model is complete.
        NoFamilyPassesError: No model passes every gate; the evaluation is printed, nothing is logged or published.
    """
    members, missing = pipeline.gather(job, results)
    context.note(pipeline.describe_missing(job, members, missing))
    evaluation = pipeline.evaluate(job, members, find_incumbent(context), stages)
    if not evaluation.selection.passed:
        if with_scores:
            print_evaluation(evaluation, context, as_json=as_json)
        _ = evaluation.selection.champion  # raises NoFamilyPassesError
    candidates = pipeline.candidates(job, members)
    published = _log_and_publish(job, evaluation, candidates, tracking, context, stages)
    context.progress.print(f"total {stages.total():.1f} s", highlight=False)
    if with_scores:
        print_evaluation(evaluation, context, as_json=as_json)
    return RunResult(print_published(published, context, quiet=as_json), evaluation, published)


def _log_and_publish(
    job: Job,
    evaluation: Evaluation,
    candidates: Mapping[str, Candidate],
    tracking: Registry,
    context: Context,
    stages: Stages,
) -> Published:
    """Log the run and its models to MLflow, then publish the champion.

    Args:
        job: The job.
        evaluation: Its evaluation.
        candidates: The final model of each family.
        tracking: The registry to log to.
        context: Store and settings.
        stages: Shows the progress.
    """
    ranking = evaluation.selection.ranking
    with (
        stages.stage("registry: runs and models", len(candidates)) as step,
        make_run_inputs(job, evaluation, candidates, context) as inputs,
    ):
        registered = log_run(
            tracking,
            [candidates[name] for name in ranking],
            evaluation.scores,
            evaluation.selection,
            {name: plot_skill(evaluation.skill, name) for name in candidates},
            {"prices_table_sha256": job.table.sha256, "seed": str(job.seed), "source": job.table.source},
            progress=step,
            inputs=inputs,
        )
    with stages.stage("publish"):
        champion = candidates[evaluation.selection.champion]
        return publish(
            context.store,
            context.settings,
            champion,
            registered[champion.family],
            evaluation.scores,
            golden_windows(context.store, Champion.load(champion.model)),
            context.now,
            move_aliases(tracking, [registered[name] for name in evaluation.selection.passed]),
            {"garch": candidates[GARCH].model} if GARCH in candidates else {},
            backtest.save(
                context.store,
                job.pair,
                champion.family,
                evaluation.forecasts[champion.family],
                evaluation.baselines,
                job.prices,
            ),
            selection_sentence(evaluation.selection),
            once=True,
        )
