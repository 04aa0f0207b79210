"""What an evaluation shows: the score table, what can honestly be said of it, and skill by year as a picture."""

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

LEAST_NEEDED = ("Theil's U", "vs constant", "vs ewma", "95 %", "80 %", "vs garch")  # left out first where it is narrow
FIRST_INCUMBENT = "random_walk"  # where nothing is active: a family has to beat it by a test


def incumbent(context: Context) -> str:
    """The family that is active: it keeps its place unless a test says otherwise."""
    active = read_active(context.store, context.settings.pair)
    types = {family.model_type: name for name, family in FAMILIES.items()}
    return types.get(active.pointer.model_type, FIRST_INCUMBENT) if active else FIRST_INCUMBENT


def print_evaluation(found: Evaluation, context: Context, *, as_json: bool) -> None:
    """The score table, and what can honestly be said of it."""
    if as_json:
        sys.stdout.write(scores_json(found.scores, found.selection, found.spread) + "\n")
        return
    print_scores(context.out, found.scores, found.selection)
    for sentence in (*summary_sentences(found.scores, found.selection), *spread_sentences(found.spread, found.scores)):
        context.out.print(f"- {sentence}", highlight=False)


def scores_json(scores: pd.DataFrame, selection: Selection, spread: pd.DataFrame) -> str:
    """The score table as `--json` prints it."""
    return json.dumps(scores_facts(scores, selection, spread), indent=2)


def scores_facts(scores: pd.DataFrame, selection: Selection, spread: pd.DataFrame) -> dict[str, Any]:
    """The score table, and how far a family's seeds lie apart, as types of JSON; undefined numbers are null."""
    rows, seeds = (json.loads(table.to_json(orient="records", double_precision=15)) for table in (scores, spread))
    champion = selection.champion if selection.passed else None
    return {"champion": champion, "failed": selection.failed, "scores": rows, "seeds": seeds}


def spread_sentences(spread: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """For each family of several seeds, at one day: how far the single seeds lie apart, and what their average does."""
    return [
        f"{row['family']}: {row['seeds']} seeds alone have a pinball loss of {row['low']:.5f} to {row['high']:.5f} "
        f"(standard deviation {row['sd']:.1g}), their average {_pinball(scores, row['family']):.5f}."
        for row in spread[spread["horizon"] == 1].to_dict("records")
    ]


def _pinball(scores: pd.DataFrame, family: str) -> float:
    return float(scores.loc[(scores["family"] == family) & (scores["horizon"] == 1), "pinball"].iloc[0])


def print_scores(console: Console, scores: pd.DataFrame, selection: Selection) -> None:
    """Families by rank, then the baselines, at a day, a week and a month: the columns that `console` has room for."""
    cells = _cells(scores, selection)
    print_narrowed(console, list(cells[0]), LEAST_NEEDED, lambda columns: _table(cells, columns, scores, selection))


def _cells(scores: pd.DataFrame, selection: Selection) -> list[dict[str, str]]:
    """What the table says of each family and baseline, by column."""
    shown = {(row["family"], row["horizon"]): row for row in scores.to_dict("records")}
    names = {family: alias for alias, family in selection.aliases.items()}
    rows = []
    for family in (*selection.ranking, *BASELINE_NAMES):
        one = shown[family, 1]
        row = {"": names.get(family, "fails" if family in selection.failed else ""), "family": family}
        row |= {f"{days} d": f"{shown[family, days]['pinball']:.5f}" for days in SHOWN_HORIZONS}
        row |= {f"vs {baseline}": _percent(one[f"skill_{baseline}"]) for baseline in ("constant", "ewma", "garch")}
        row |= {f"{level} %": f"{one[f'coverage_{level}'] * 100:.1f}" for level in (80, 95)}
        rows.append(row | {"Theil's U": f"{one['theil_u']:.4f}"})
    return rows


def _table(cells: list[dict[str, str]], columns: Sequence[str], scores: pd.DataFrame, selection: Selection) -> Table:
    table = Table(
        title=f"Pinball loss in percent of log return, {int(scores['n'].max()):,} days",
        caption="skill and coverage at one day; less loss is better, more skill is better",
        show_edge=False,
        pad_edge=False,
    )
    for name in columns:
        table.add_column(name, justify="left" if name in ("", "family") else "right", no_wrap=True)
    for row in cells:
        family = row["family"]
        style = "bold" if selection.aliases.get("champion") == family else "dim" if family in BASELINE_NAMES else ""
        table.add_row(*(row[name] for name in columns), style=style)
    return table


def plot_skill(skill: pd.DataFrame, family: str) -> "Figure":
    """Bars of one family's pinball skill against EWMA by year, GARCH-t as a line: is the skill steady or one year's?"""
    from matplotlib.figure import Figure  # which only a command that registers needs

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
