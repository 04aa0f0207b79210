"""The model card of a version, in Markdown: what it is, what it was worth, how to use it, what it cannot do."""

from collections.abc import Mapping

import pandas as pd

from training.evaluation.selection import SUMMARY_HORIZONS
from training.export.candidate import Candidate

_COLUMNS = {  # of the card's table: the score table's column and how a cell is written
    "pinball loss": ("pinball", "{:.5f}", 1),
    "skill vs GARCH(1,1)-t": ("skill_garch", "{:+.2f} %", 100),
    "skill vs EWMA(0.94)": ("skill_ewma", "{:+.2f} %", 100),
    "80 % covers": ("coverage_80", "{:.1f} %", 100),
    "95 % covers": ("coverage_95", "{:.1f} %", 100),
}


def model_card(candidate: Candidate, scores: pd.DataFrame) -> str:
    """The card of a candidate with its rows of the score table."""
    meta = candidate.metadata
    pair = f"{meta.pair[:3]}/{meta.pair[3:]}"
    lines = [
        f"# {pair}, {candidate.family}",
        f"The next {meta.horizon} daily closes of {pair} as distributions: {len(meta.levels)} quantiles and the mean, "
        f"as prices, from the last {meta.window} closes. It is fitted on prices through {meta.trained_through}.",
        *_table(scores[scores["family"] == candidate.family]),
        "## Use",
        f'`mlflow.pyfunc.load_model("models:/{candidate.name}/<version>").predict(example)`; the input example '
        f"has the form. `python -m training publish models:/{candidate.name}/<version>` serves it.",
        "## Limits",
        "It tells how far the rate may move and not where: no family here forecasts the direction. Past coverage is no "
        "promise.",
        "## Where it is from",
        *_facts(
            {
                "prices": f"{meta.prices}, sha256 `{meta.prices_sha256}`",
                "features": ", ".join(meta.features) or "none",
                "file": f"sha256 `{candidate.sha256}`",
                "contract": meta.contract_version,
                "code": meta.code_version,
                **({"prices were trusted although": meta.prices_trusted} if meta.prices_trusted else {}),
            }
        ),
    ]
    return "\n\n".join(lines)


def _table(own: pd.DataFrame) -> list[str]:
    """Out-of-sample scores at a day, a week and a month, as far as there are any."""
    rows = [row for row in own.to_dict("records") if row["horizon"] in SUMMARY_HORIZONS]
    columns = [name for name, (column, _, _) in _COLUMNS.items() if column in own.columns]
    if not rows:
        return []
    head = f"| days | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    cells = [
        " | ".join(_COLUMNS[name][1].format(_COLUMNS[name][2] * row[_COLUMNS[name][0]]) for name in columns)
        for row in rows
    ]
    body = "\n".join(f"| {row['horizon']} | {own} |" for row, own in zip(rows, cells, strict=True))
    return [f"## What it was worth, on {int(rows[0]['n']):,} days that its refits did not know", f"{head}\n{body}"]


def _facts(facts: Mapping[str, str]) -> list[str]:
    return ["\n".join(f"- {name}: {value}" for name, value in facts.items())]
