"""The descriptions on MLflow's page, in Markdown: of a run, and of a version (its model card)."""

from collections.abc import Sequence

import pandas as pd

from training.conventions import HEADLINE_HORIZONS
from training.evaluation.selection import Look, Selection
from training.export.candidate import Candidate

_COLUMNS = {  # title -> column of the score table, format and factor of its cells
    "pinball loss": ("pinball", "{:.5f}", 1),
    "skill vs GARCH(1,1)-t": ("skill_garch", "{:+.2f} %", 100),
    "skill vs EWMA(0.94)": ("skill_ewma", "{:+.2f} %", 100),
    "80 % covers": ("coverage_80", "{:.1f} %", 100),
    "95 % covers": ("coverage_95", "{:.1f} %", 100),
}


def describe_run(
    candidates: Sequence[Candidate], scores: pd.DataFrame, selection: Selection, look: Look | None = None
) -> str:
    """Return the description of the parent run: what ran, which model won, and the main scores.

    Args:
        candidates: The final model of each family.
        scores: The score table.
        selection: The champion and the ranking.
        look: The comparison of the families; None for a single one.
    """
    meta = candidates[0].metadata
    families = ", ".join(candidate.family for candidate in candidates)
    lines = [
        f"# {meta.pair[:3]}/{meta.pair[3:]}: {selection.champion} is the champion",
        f"{len(candidates)} families were trained on prices through {meta.trained_through} and backtested out of "
        f"sample: {families}. By rank: {', '.join(selection.ranking)}.",
        *([look.describe()] if look else []),
    ]
    summary = scores[scores["horizon"].isin(HEADLINE_HORIZONS)]
    if summary["pinball"].notna().any():
        wide = summary.pivot_table("pinball", "family", "horizon", sort=False)
        titles = ["family", *(f"{days} day{'s' if days > 1 else ''}" for days in map(int, wide.columns))]
        rows = [
            [f"**{name}**" if name == selection.champion else str(name), *(f"{loss:.5f}" for loss in losses)]
            for name, losses in zip(wide.index, wide.to_numpy(), strict=True)
        ]
        lines += [_make_table(titles, rows)]
    lines += [
        "Mean pinball loss in percent of log return (lower is better). The artifact `comparison.csv` has all scores."
    ]
    return "\n\n".join(lines)


def render_model_card(candidate: Candidate, scores: pd.DataFrame) -> str:
    """Return the model card of a candidate: what it is, its scores, how to use it, and its limits."""
    meta = candidate.metadata
    pair = f"{meta.pair[:3]}/{meta.pair[3:]}"
    facts = {
        "prices": f"{meta.prices}, sha256 `{meta.prices_sha256}`",
        "features": ", ".join(meta.features) or "none",
        "file": f"sha256 `{candidate.sha256}`",
        "contract": meta.contract_version,
        "code": meta.code_version,
    }
    if meta.prices_trusted:
        facts["prices were trusted although"] = meta.prices_trusted
    summary = scores[(scores["family"] == candidate.family) & scores["horizon"].isin(HEADLINE_HORIZONS)]
    columns = {title: column for title, column in _COLUMNS.items() if column[0] in scores.columns}
    rows = [
        [str(row["horizon"]), *(shape.format(factor * row[name]) for name, shape, factor in columns.values())]
        for row in summary.to_dict("records")
    ]
    lines = [
        f"# {pair}, {candidate.family}",
        f"Forecasts the distributions of the next {meta.horizon} daily closes of {pair}, as {len(meta.levels)} "
        f"quantiles and the mean, in prices, from the last {meta.window} closes. Fitted on prices through "
        f"{meta.trained_through}.",
        *([f"## Scores on {int(summary['n'].iloc[0]):,} days out of sample"] if rows else []),
        *([_make_table(["days", *columns], rows)] if rows else []),
        "## Use",
        f'`mlflow.pyfunc.load_model("models:/{candidate.name}/<version>").predict(example)`; the input example '
        f"shows the format. To serve it, run `eurusd publish models:/{candidate.name}/<version>`.",
        "## Limits",
        "It forecasts the size of moves, not their direction, as all families here. Past coverage does not guarantee "
        "future coverage.",
        "## Provenance",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n\n".join(lines)


def _make_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *(f"| {' | '.join(row)} |" for row in rows)]
    )
