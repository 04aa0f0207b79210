"""Inputs of an MLflow run besides its scores: parameters, dataset, report with plots, and input examples."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.types import ColSpec, Schema

from lambda_fn.champion.runtime import Champion
from lambda_fn.store.keys import price_key
from training.commands.context import Context
from training.commands.report_html import draw_plots, render_report
from training.evaluation.walk_forward import champion_inputs
from training.export.candidate import Candidate
from training.prices.windows import complete_origins
from training.publishing.mlflow_runs import RunInputs
from training.runs.jobs import Job
from training.runs.pipeline import Evaluation


@contextmanager
def make_run_inputs(
    job: Job, evaluation: Evaluation, candidates: Mapping[str, Candidate], context: Context
) -> Iterator[RunInputs]:
    """Make the inputs of a run; their files exist while the block runs.

    Args:
        job: The job.
        evaluation: Its evaluation.
        candidates: The final model of each family.
        context: The time of the run, and its settings.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        params = {name: candidate.params for name, candidate in candidates.items()}
        plots = draw_plots(job, evaluation)
        (folder / "report.html").write_text(render_report(job, evaluation, params, plots), encoding="utf-8")
        (folder / "plots").mkdir()
        for name, png in plots.items():
            (folder / "plots" / f"{name}.png").write_bytes(png)
        last = complete_origins(job.prices)[-1:]
        yield RunInputs(
            name=f"{context.now:%Y-%m-%d}",
            params=_job_params(job),
            files=folder,
            dataset=_describe_dataset(job, context),
            breakdown=evaluation.breakdown,
            examples={
                name: champion_inputs(Champion.load(candidate.model), job.prices, last)
                for name, candidate in candidates.items()
            },
        )


def _job_params(job: Job) -> dict[str, str]:
    """Return the options of the job, and what its prices are."""
    days = job.prices.index
    return {
        "pair": job.pair,
        "families": ", ".join(job.families),
        "first_year": str(job.first_year),
        "seed": str(job.seed),
        "seeds": str(job.seeds),
        "prices": job.table.origin,
        "prices_from": f"{days[0]:%Y-%m-%d}",
        "prices_through": f"{days[-1]:%Y-%m-%d}",
        "code": job.code,
    }


def _describe_dataset(job: Job, context: Context) -> DatasetInput:
    """Describe the price file of the store as `mlflow.log_input` would."""
    settings, key = context.settings, price_key(job.pair, job.table.source)
    folder = Path(settings.store_dir).resolve()
    address = f"s3://{settings.s3_bucket}/{key}" if settings.use_s3 else str(folder / key)
    schema = Schema([ColSpec("double", str(name)) for name in job.prices.columns])
    dataset = Dataset(
        name=f"{job.pair}-{job.table.source}",
        digest=job.table.sha256[:16],
        source_type="s3" if settings.use_s3 else "local",
        source=json.dumps({"uri": address}),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps({"num_rows": len(job.prices), "num_elements": int(job.prices.size)}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
