"""What MLflow's page shows on top of a run: what ran, who won and why, and the scores, in Markdown."""

from collections.abc import Sequence

import pandas as pd

from training.evaluation.selection import SHOWN, Selection
from training.export.candidate import Candidate

NOTE = "mlflow.note.content"  # the tag that MLflow's page shows as the description


def run_note(candidates: Sequence[Candidate], scores: pd.DataFrame, selection: Selection) -> str:
    """Of the parent run; the score table's rows of a day, a week and a month, as far as there are any."""
    meta = candidates[0].metadata
    pair = f"{meta.pair[:3]}/{meta.pair[3:]}"
    families = ", ".join(candidate.family for candidate in candidates)
    lines = [
        f"# {pair}: {selection.champion} is the champion",
        f"{len(candidates)} families were trained on prices through {meta.trained_through} and judged on days that "
        f"their refits did not know: {families}. By rank: {', '.join(selection.ranking)}.",
        _table(scores, selection.champion),
        "Mean pinball loss in percent of log return, smaller is better; the artifact `comparison.csv` has the rest.",
    ]
    return "\n\n".join(line for line in lines if line)


def _table(scores: pd.DataFrame, champion: str) -> str:
    """A row a family and baseline, a column a horizon."""
    shown = scores[scores["horizon"].isin(SHOWN)]
    wide = shown.pivot_table("pinball", "family", "horizon", sort=False) if len(shown) else shown
    if wide.empty:
        return ""
    days = [f"{horizon} day{'s' if horizon > 1 else ''}" for horizon in map(int, wide.columns)]
    head = f"| family | {' | '.join(days)} |\n|{'---|' * (len(days) + 1)}"
    rows = [
        f"| {f'**{name}**' if name == champion else name} | {' | '.join(f'{loss:.5f}' for loss in losses)} |"
        for name, losses in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return "\n".join([head, *rows])
