"""What a run shows: the score table, skill by year as a picture, and a forecast day by day."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from training.evaluation.baselines import BASELINES
from training.evaluation.selection import Selection
from training.publishing.cleaning import Plan
from training.publishing.status import Status

SHOWN_HORIZONS = (1, 5)  # days: the table on the screen; --json has them all
SHOWN_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")


def scores_json(scores: pd.DataFrame, selection: Selection, spread: pd.DataFrame) -> str:
    """The score table as `--json` prints it, and how far a family's seeds lie apart; undefined numbers are null."""
    rows, seeds = (json.loads(table.to_json(orient="records", double_precision=15)) for table in (scores, spread))
    return json.dumps({"champion": selection.champion, "scores": rows, "seeds": seeds}, indent=2)


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
    """Families by rank, then the baselines, at the horizons of one day and of the week."""
    shown = {(row["family"], row["horizon"]): row for row in scores.to_dict("records")}
    first, last = SHOWN_HORIZONS
    table = Table(title=f"Pinball loss in percent of log return, {int(scores['n'].max()):,} days")
    for name in ("", "family", f"{first} day", f"{last} days", "vs constant", "vs ewma", "vs garch"):
        table.add_column(name, justify="left" if name in ("", "family") else "right")
    for name in ("80 %", "95 %", "Theil's U"):
        table.add_column(name, justify="right")
    names = {family: alias for alias, family in selection.aliases.items()}
    for family in (*selection.ranking, *BASELINES):
        one, week = shown[family, first], shown[family, last]
        skills = [_percent(one[f"skill_{baseline}"]) for baseline in ("constant", "ewma", "garch")]
        covered = [f"{one[f'coverage_{level}'] * 100:.1f}" for level in (80, 95)]
        cells = [f"{one['pinball']:.5f}", f"{week['pinball']:.5f}", *skills, *covered, f"{one['theil_u']:.4f}"]
        style = "bold" if family == selection.champion else "dim" if family in BASELINES else ""
        table.add_row(names.get(family, ""), family, *cells, style=style)
    table.caption = "skill, coverage and Theil's U at one day; less loss is better, more skill is better"
    console.print(table)


def print_forecast(console: Console, answer: Mapping[str, Any]) -> None:
    """An answer of /api/predict, day by day."""
    champion = answer["champion"]
    table = Table(title=f"{answer['pair']} after {answer['last_close']} on {answer['as_of']}")
    table.add_column("day")
    for level in SHOWN_LEVELS:
        table.add_column("median" if level == "0.5" else f"{float(level):.0%}", justify="right")
    for day in answer["forecast"]:
        table.add_row(day["date"], *(f"{day['quantiles'][level]:.4f}" for level in SHOWN_LEVELS))
    table.caption = f"{champion['name']}, generation {champion['generation']}, trained through " + (
        f"{champion['trained_through']}"
    )
    console.print(table)


def plot_skill(skill: pd.DataFrame, family: str) -> Figure:
    """Bars of one family's pinball skill against EWMA by year, GARCH-t as a line: is the skill steady or one year's?"""
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


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """What a reader should know, one line each."""
    for note in notes:
        console.print(f"[yellow]note[/yellow] {note}", highlight=False)


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:+.2f} %"


def status_json(found: Status) -> dict[str, Any]:
    """The status as `--json` prints it; dates as text, without the golden forecasts."""
    facts = asdict(found)
    for pointer in (facts["active"] and facts["active"]["pointer"], facts["published"]["pointer"]):
        if pointer:
            del pointer["golden"], pointer["scores"]
    return {**facts, "scores": list(found.scores)}


def print_status(console: Console, found: Status) -> None:
    """What is active, what it was worth, how old the prices are, and what does not fit together."""
    rows = Table(show_header=False, box=None)
    active = found.active
    if active:
        rows.add_row("active", f"{active.pointer.model_name} version {active.pointer.model_version}")
        rows.add_row("generation", f"{active.generation}, since {active.activated_at:%Y-%m-%d %H:%M} UTC")
        rows.add_row("sha256", active.champion.sha256)
        rows.add_row("trained through", f"{active.pointer.trained_through}")
    else:
        rows.add_row("active", "nothing")
    rows.add_row("published", f"{found.published.state} {found.published.reason}".strip())
    for age in found.prices:
        rows.add_row("prices", f"{age.key} through {age.last_date}, {age.business_days} business days ago")
    for alias, (name, version) in found.tracking.aliases.items():
        rows.add_row(f"@{alias}", f"{name} version {version}")
    if found.tracking.note:
        rows.add_row("registry", found.tracking.note)
    console.print(rows, highlight=False)
    if found.scores:
        console.print(_active_scores(found), highlight=False)
    for difference in found.differences:
        console.print(f"[yellow]![/yellow] {difference}", highlight=False)


def print_plan(console: Console, plan: Plan, store: str) -> None:
    """What the clean slate deletes, a line each."""
    if plan.is_empty:
        console.print("nothing to delete")
        return
    lines = [
        *(f"run {run_id} {name}" for run_id, name in plan.runs),
        *(f"registered model {name}, {count} versions" for name, count in plan.models),
        *(f"logged model {model_id}" for model_id in plan.logged_models),
        *([f"experiment {plan.experiment[1]}"] if plan.experiment else []),
        *(f"{key} in {store}" for key in plan.keys),
    ]
    for line in lines:
        console.print(f"delete {line}", highlight=False)


def _active_scores(found: Status) -> Table:
    table = Table(title="pinball loss in percent of log return, from the run that made the champion")
    horizons = sorted({row["horizon"] for row in found.scores})
    for name in ("family", *(f"{horizon} d" for horizon in horizons)):
        table.add_column(name, justify="left" if name == "family" else "right")
    for family in dict.fromkeys(row["family"] for row in found.scores):
        own = {row["horizon"]: row["pinball"] for row in found.scores if row["family"] == family}
        table.add_row(family, *(f"{own[horizon]:.5f}" if horizon in own else "" for horizon in horizons))
    return table
