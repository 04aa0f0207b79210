"""The last steps of every run, wherever its tasks ran: gather, score, select, log, publish and print."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.types import ColSpec, Schema

from lambda_fn.champion.candidate import write_candidate
from lambda_fn.champion.runtime import Champion
from lambda_fn.store.keys import price_key
from training.commands.context import Context
from training.commands.job import evaluate_results
from training.commands.publish_champion import benchmarks, publish_champion
from training.commands.report_html import render_report
from training.commands.report_plots import draw_plots, plot_skill
from training.commands.scores import RunResult, print_evaluation, print_published
from training.evaluation.walk_forward import origin_inputs
from training.export.candidate import Candidate, Registered
from training.prices.windows import complete_origins
from training.publishing import backtest
from training.publishing.mlflow_registry import log_candidate
from training.publishing.mlflow_runs import RunInputs, list_looks, log_run
from training.publishing.promotion import Published, PublishError
from training.publishing.publish import golden_windows, make_checked_pointer, move_aliases
from training.publishing.signing import make_signer
from training.runs import pipeline
from training.runs.jobs import Job, Result
from training.runs.pipeline import Evaluation, Members


def finish_run(job: Job, results: Iterable[Result], context: Context, *, with_scores: bool = True) -> RunResult:
    """Select the champion among the results of the tasks, log the run to MLflow and publish the champion.

    A model whose tasks are incomplete is reported and left out.

    Args:
        job: The job.
        results: The results of its tasks.
        context: Store, registry, settings and output.
        with_scores: Print the evaluation. With --json it is printed as JSON, and of publishing nothing but notes.

    Raises:
        IncompleteError: No model is complete.
        NoFamilyPassesError: No model passes every gate; the evaluation is printed, nothing is logged or published.
    """
    members, evaluation = evaluate_results(job, results, context)
    evaluation = evaluation.as_look(list_looks(context.tracking, job.pair))
    if evaluation.look is not None:
        context.note(evaluation.look.describe())
    if not evaluation.selection.passed:
        if with_scores:
            print_evaluation(evaluation, context)
        _ = evaluation.selection.champion  # raises NoFamilyPassesError
    published = _log_and_publish(job, members, evaluation, context)
    context.progress.print(f"total {context.stages.total():.1f} s")
    if with_scores:
        print_evaluation(evaluation, context)
    return RunResult(print_published(published, context), evaluation, published)


def _log_and_publish(job: Job, members: Members, evaluation: Evaluation, context: Context) -> Published:
    """Log the run and its models to MLflow, then publish the champion.

    Args:
        job: The job.
        members: Its complete members.
        evaluation: Its evaluation.
        context: Store, registry and settings.
    """
    selection, candidates = evaluation.selection, pipeline.candidates(job, members)
    with (
        context.stages.stage("registry: runs and models", len(candidates)) as step,
        make_run_inputs(job, evaluation, candidates, context) as inputs,
    ):
        registered = log_run(
            context.tracking,
            [candidates[name] for name in selection.ranking],
            evaluation.scores,
            selection,
            {name: plot_skill(evaluation.skill, name) for name in candidates},
            {"prices_table_sha256": job.table.sha256, "seed": str(job.seed), "source": job.table.source},
            progress=step,
            inputs=inputs,
        )
        _log_candidates(job, candidates, registered, evaluation, context)
    with context.stages.stage("publish"):
        versions = [registered[name] for name in selection.passed]
        move = move_aliases(context.tracking, versions)
        return publish_champion(job, candidates, evaluation, context, versions, move)


def _log_candidates(
    job: Job,
    candidates: Mapping[str, Candidate],
    registered: Mapping[str, Registered],
    evaluation: Evaluation,
    context: Context,
) -> None:
    """Log the signed candidate of every model beside it, so that serving accepts a version that is chosen in MLflow.

    Args:
        job: The job.
        candidates: The final model of each family.
        registered: The version of each family.
        evaluation: Its evaluation.
        context: Store, registry and settings.
    """
    sign = make_signer(context.settings, is_candidate=True)
    for family, candidate in candidates.items():
        forecasts = evaluation.forecasts[family]
        try:
            pointer = make_checked_pointer(
                context.store,
                context.settings,
                candidate,
                registered[family],
                evaluation.scores,
                golden_windows(context.store, Champion.load(candidate.model)),
                context.now,
                benchmarks(candidates),
                backtest.summarise_family(
                    family, forecasts, evaluation.baselines, job.prices, evaluation.breakdown, evaluation.scores
                ),
            )
        except PublishError as error:
            context.note(f"it cannot be chosen in MLflow: {error}")
            continue
        log_candidate(context.tracking, registered[family], write_candidate(sign(pointer)))


@contextmanager
def make_run_inputs(
    job: Job, evaluation: Evaluation, candidates: Mapping[str, Candidate], context: Context
) -> Iterator[RunInputs]:
    """Make the inputs of an MLflow run besides its scores: parameters, dataset, report with plots, input examples.

    The files exist while the block runs.

    Args:
        job: The job.
        evaluation: Its evaluation.
        candidates: The final model of each family.
        context: The time of the run, and its settings.
    """
    settings, days, key = context.settings, job.prices.index, price_key(job.pair, job.table.source)
    address = f"s3://{settings.s3_bucket}/{key}" if settings.use_s3 else str(Path(settings.store_dir).resolve() / key)
    schema = Schema([ColSpec("double", str(name)) for name in job.prices.columns])
    dataset = Dataset(  # as `mlflow.log_input` would describe the price file of the store
        name=f"{job.pair}-{job.table.source}",
        digest=job.table.sha256[:16],
        source_type="s3" if settings.use_s3 else "local",
        source=json.dumps({"uri": address}),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps({"num_rows": len(job.prices), "num_elements": int(job.prices.size)}),
    )
    last = complete_origins(job.prices)[-1:]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plots = draw_plots(job, evaluation)
        params = {name: candidate.params for name, candidate in candidates.items()}
        (folder / "report.html").write_text(render_report(job, evaluation, params, plots), encoding="utf-8")
        (folder / "plots").mkdir()
        for name, png in plots.items():
            (folder / "plots" / f"{name}.png").write_bytes(png)
        yield RunInputs(
            name=f"{context.now:%Y-%m-%d}",
            params={
                "pair": job.pair,
                "families": ", ".join(job.families),
                "first_year": str(job.first_year),
                "seed": str(job.seed),
                "seeds": str(job.seeds),
                "prices": job.table.origin,
                "prices_from": f"{days[0]:%Y-%m-%d}",
                "prices_through": f"{days[-1]:%Y-%m-%d}",
                "code": job.code,
            },
            files=folder,
            dataset=DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]),
            breakdown=evaluation.breakdown,
            look=evaluation.look,
            examples={
                name: origin_inputs(Champion.load(candidate.model), job.prices, last)
                for name, candidate in candidates.items()
            },
        )
