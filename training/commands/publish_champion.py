"""Publish the champion of an evaluation. It imports no MLflow, so that a first champion is served before that."""

from collections.abc import Mapping, Sequence

from lambda_fn.champion.runtime import Champion
from training.commands.context import Context
from training.evaluation.selection import selection_sentence
from training.export.candidate import Candidate, Registered
from training.publishing import backtest
from training.publishing.promotion import MoveAliases, Published
from training.publishing.publish import golden_windows, keep_aliases, publish
from training.runs.jobs import Job
from training.runs.pipeline import Evaluation

GARCH = "random_walk"  # this model is GARCH(1,1)-t, the benchmark of official forecasts


def publish_champion(
    job: Job,
    candidates: Mapping[str, Candidate],
    evaluation: Evaluation,
    context: Context,
    registered: Sequence[Registered] = (),
    move: MoveAliases = keep_aliases,
) -> Published:
    """Publish the selected champion with its scores, backtest and benchmark.

    Args:
        job: The job.
        candidates: The final model of each family.
        evaluation: Its evaluation.
        context: Store and settings.
        registered: The versions of the registry; without that of the champion, it is published as unregistered.
        move: Moves the aliases of the registry.
    """
    champion = candidates[evaluation.selection.champion]
    versions = {version.name: version for version in registered}
    return publish(
        context.store,
        context.settings,
        champion,
        versions.get(champion.name) or Registered.nowhere(champion),
        evaluation.scores,
        golden_windows(context.store, Champion.load(champion.model)),
        context.now,
        move,
        benchmarks(candidates),
        backtest.save(
            context.store,
            job.pair,
            champion.family,
            evaluation.forecasts[champion.family],
            evaluation.baselines,
            job.prices,
            evaluation.breakdown,
            evaluation.scores,
        ),
        selection_sentence(evaluation.selection),
        look=evaluation.look,
        once=True,
    )


def benchmarks(candidates: Mapping[str, Candidate]) -> dict[str, bytes]:
    """Return the files of the benchmarks of official forecasts that are among the candidates, by name."""
    return {"garch": candidates[GARCH].model} if GARCH in candidates else {}
