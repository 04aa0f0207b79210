"""The model card of a version, in Markdown: what it is, its scores, how to use it, and its limits."""

import pandas as pd

from training.evaluation.selection import SUMMARY_HORIZONS
from training.export.candidate import Candidate

_COLUMNS = {  # title -> column of the score table, format and factor of its cells
    "pinball loss": ("pinball", "{:.5f}", 1),
    "skill vs GARCH(1,1)-t": ("skill_garch", "{:+.2f} %", 100),
    "skill vs EWMA(0.94)": ("skill_ewma", "{:+.2f} %", 100),
    "80 % covers": ("coverage_80", "{:.1f} %", 100),
    "95 % covers": ("coverage_95", "{:.1f} %", 100),
}


def render_model_card(candidate: Candidate, scores: pd.DataFrame) -> str:
    """Return the model card of a candidate, with its rows of the score table."""
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
    lines = [
        f"# {pair}, {candidate.family}",
        f"Forecasts the distributions of the next {meta.horizon} daily closes of {pair}, as {len(meta.levels)} "
        f"quantiles and the mean, in prices, from the last {meta.window} closes. Fitted on prices through "
        f"{meta.trained_through}.",
        *_make_table(scores[scores["family"] == candidate.family]),
        "## Use",
        f'`mlflow.pyfunc.load_model("models:/{candidate.name}/<version>").predict(example)`; the input example '
        f"shows the format. To serve it, run `python -m training publish models:/{candidate.name}/<version>`.",
        "## Limits",
        "It forecasts the size of moves, not their direction, as all families here. Past coverage does not guarantee "
        "future coverage.",
        "## Provenance",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n\n".join(lines)


def _make_table(scores: pd.DataFrame) -> list[str]:
    """Return a heading and a table of the out-of-sample scores at a day, a week and a month; empty without scores."""
    rows = [row for row in scores.to_dict("records") if row["horizon"] in SUMMARY_HORIZONS]
    columns = [name for name, (column, _, _) in _COLUMNS.items() if column in scores.columns]
    if not rows:
        return []
    head = f"| days | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    cells = [
        " | ".join(_COLUMNS[name][1].format(_COLUMNS[name][2] * row[_COLUMNS[name][0]]) for name in columns)
        for row in rows
    ]
    body = "\n".join(f"| {row['horizon']} | {row_cells} |" for row, row_cells in zip(rows, cells, strict=True))
    return [f"## Scores on {int(rows[0]['n']):,} days out of sample", f"{head}\n{body}"]
