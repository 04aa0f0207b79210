"""Output of an evaluation: the score table, sentences that summarise it, and a plot of skill by year."""

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from training.commands.context import SHOWN_HORIZONS, Context
from training.console import print_narrowed
from training.evaluation.names import BASELINE_NAMES
from training.evaluation.selection import Selection, summary_sentences
from training.models.families import FAMILIES
from training.publishing.promotion import read_active
from training.runs.pipeline import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_NEEDED = ("Theil's U", "vs constant", "vs ewma", "95 %", "80 %", "vs garch")  # dropped first in a narrow terminal
FIRST_INCUMBENT = "random_walk"  # while nothing is active; others have to be significantly better


def find_incumbent(context: Context) -> str:
    """Return the family of the active champion, which stays champion unless another one is significantly better."""
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    return types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT


def print_evaluation(evaluation: Evaluation, context: Context, *, as_json: bool) -> None:
    """Print the score table and sentences that summarise it, or the table as JSON."""
    scores, selection, spread = evaluation.scores, evaluation.selection, evaluation.spread
    if as_json:
        sys.stdout.write(json.dumps(scores_as_json(scores, selection, spread), indent=2) + "\n")
        return
    print_scores(context.out, scores, selection)
    for sentence in (*summary_sentences(scores, selection), *spread_sentences(spread, scores)):
        context.out.print(f"- {sentence}", highlight=False)


def scores_as_json(scores: pd.DataFrame, selection: Selection, spread: pd.DataFrame) -> dict[str, Any]:
    """Return the score table, and the spread of single seeds, as JSON types; undefined numbers are None."""
    rows, seeds = (json.loads(table.to_json(orient="records", double_precision=15)) for table in (scores, spread))
    champion = selection.champion if selection.passed else None
    return {"champion": champion, "failed": selection.failed, "scores": rows, "seeds": seeds}


def spread_sentences(spread: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Compare the losses of single seeds with that of their average at one day, for each family of several seeds."""
    losses = scores[scores["horizon"] == 1].set_index("family")["pinball"]
    return [
        f"{row['family']}: each of {row['seeds']} seeds alone has a pinball loss of {row['low']:.5f} to "
        f"{row['high']:.5f} (standard deviation {row['sd']:.1g}); their average has {float(losses[row['family']]):.5f}."
        for row in spread[spread["horizon"] == 1].to_dict("records")
    ]


def print_scores(console: Console, scores: pd.DataFrame, selection: Selection) -> None:
    """Print families by rank, then the baselines, at a day, a week and a month, in the columns that fit `console`."""
    rows = _make_rows(scores, selection)
    print_narrowed(console, list(rows[0]), LEAST_NEEDED, lambda columns: _make_table(rows, columns, scores, selection))


def _make_rows(scores: pd.DataFrame, selection: Selection) -> list[dict[str, str]]:
    """Return the cells of each family and baseline by column."""
    scores_at = {(row["family"], row["horizon"]): row for row in scores.to_dict("records")}
    names = {family: alias for alias, family in selection.aliases.items()}
    rows = []
    for family in (*selection.ranking, *BASELINE_NAMES):
        one_day = scores_at[family, 1]
        row = {"": names.get(family, "fails" if family in selection.failed else ""), "family": family}
        row |= {f"{days} d": f"{scores_at[family, days]['pinball']:.5f}" for days in SHOWN_HORIZONS}
        row |= {f"vs {baseline}": _percent(one_day[f"skill_{baseline}"]) for baseline in ("constant", "ewma", "garch")}
        row |= {f"{level} %": f"{one_day[f'coverage_{level}'] * 100:.1f}" for level in (80, 95)}
        rows.append(row | {"Theil's U": f"{one_day['theil_u']:.4f}"})
    return rows


def _make_table(
    rows: list[dict[str, str]], columns: Sequence[str], scores: pd.DataFrame, selection: Selection
) -> Table:
    """Make the table.

    Args:
        rows: The cells of each row by column.
        columns: The columns that it has.
        scores: The score table.
        selection: Decides which row is bold.
    """
    table = Table(
        title=f"Pinball loss in percent of log return, {int(scores['n'].max()):,} days",
        caption="skill and coverage at one day; lower loss and higher skill are better",
        show_edge=False,
        pad_edge=False,
    )
    for name in columns:
        table.add_column(name, justify="left" if name in ("", "family") else "right", no_wrap=True)
    for row in rows:
        family = row["family"]
        style = "bold" if selection.aliases.get("champion") == family else "dim" if family in BASELINE_NAMES else ""
        table.add_row(*(row[name] for name in columns), style=style)
    return table


def plot_skill(skill: pd.DataFrame, family: str) -> "Figure":
    """Plot a family's pinball skill against EWMA by year as bars, with GARCH-t as a line.

    It shows whether the skill is steady or comes from a single year.
    """
    from matplotlib.figure import Figure  # needed only by commands that log to MLflow

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    years = [str(year) for year in skill.columns]
    values = (100 * skill.loc[family]).to_numpy(float)
    colors = np.where(values >= 0, "#2a6f97", "#c1443c").tolist()
    axes.bar(years, values, color=colors, label=family)
    axes.plot(years, 100 * skill.loc["garch"], color="#333333", marker="o", markersize=3, linewidth=1, label="garch")
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel("skill vs EWMA, %")
    axes.set_title(f"{family}: pinball skill by year, one day ahead", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", rotation=45)
    axes.legend(frameon=False)
    return figure


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:+.2f} %"
