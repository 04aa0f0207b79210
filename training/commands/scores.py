"""Scores, forecasts and published champions as tables, text charts, JSON and HTML, without a heavy import."""

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from training import charts
from training.commands.context import Context, print_json
from training.console import print_table
from training.conventions import BASELINE_NAMES, HEADLINE_HORIZONS

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from training.evaluation.selection import Selection
    from training.publishing.promotion import Published
    from training.runs.pipeline import Evaluation

LEAST_NEEDED = ("Theil's U", "vs constant", "vs ewma", "95 %", "80 %", "vs garch")  # dropped first in a narrow terminal
INTERVALS = ("95", "80", "50")  # levels of the fan chart, the widest first


class RunResult(NamedTuple):
    """The result of a run: its exit code, the evaluation and what was published."""

    code: int
    evaluation: "Evaluation"
    published: "Published"


def print_evaluation(evaluation: "Evaluation", context: Context) -> None:
    """Print the score table and sentences that summarise it, or the table as JSON."""
    from training.evaluation.selection import summary_sentences

    scores, selection, spread = evaluation.scores, evaluation.selection, evaluation.spread
    if context.as_json:
        print_json(evaluation_as_json(evaluation))
        return
    print_scores(context.out, scores, selection)
    losses = scores[scores["horizon"] == 1].set_index("family")["pinball"]
    spread_sentences = [
        f"{row['family']}: each of {row['seeds']} seeds alone has a pinball loss of {row['low']:.5f} to "
        f"{row['high']:.5f} (standard deviation {row['sd']:.1g}); their average has {float(losses[row['family']]):.5f}."
        for row in spread[spread["horizon"] == 1].to_dict("records")
    ]
    sentences = (*summary_sentences(scores, selection), *gain_sentences(scores, selection), *spread_sentences)
    context.print(*(f"- {sentence}" for sentence in sentences))


def gain_sentences(scores: "pd.DataFrame", selection: "Selection") -> list[str]:
    """Name the champion's gain over GARCH-t at one day with its t, and whether it was examined with hindsight."""
    from training.models.families import FAMILIES

    if not selection.passed:
        return []
    champion = selection.champion
    row = scores[(scores["family"] == champion) & (scores["horizon"] == 1)].to_dict("records")[0]
    if math.isnan(row["t_garch"]):
        return []  # it is GARCH-t
    gain = (
        f"Gain: {champion} has a skill of {row['skill_garch']:+.2%} against GARCH(1,1)-t at 1 day (t "
        f"{row['t_garch']:.1f}, 90 % interval {row['skill_garch_low']:+.2%} to {row['skill_garch_high']:+.2%})."
    )
    return [" ".join(filter(None, (gain, FAMILIES[champion].hindsight)))]


def evaluation_as_json(evaluation: "Evaluation") -> dict[str, Any]:
    """Return the score table, and the spread of single seeds, as JSON types; undefined numbers are None."""
    tables = (evaluation.scores, evaluation.spread)
    rows, seeds = (json.loads(table.to_json(orient="records", double_precision=15)) for table in tables)
    selection = evaluation.selection
    champion = selection.champion if selection.passed else None
    return {"champion": champion, "failed": selection.failed, "scores": rows, "seeds": seeds}


def print_scores(console: "Console", scores: "pd.DataFrame", selection: "Selection") -> None:
    """Print families by rank, then the baselines, at a day, a week and a month, in the columns that fit `console`."""
    scores_at = {(row["family"], row["horizon"]): row for row in scores.to_dict("records")}
    aliases = {family: alias for alias, family in selection.aliases.items()}
    rows, styles = [], []
    for family in (*selection.ranking, *BASELINE_NAMES):
        one_day = scores_at[family, 1]
        row = {"": aliases.get(family, "fails" if family in selection.failed else ""), "family": family}
        row |= {f"{days} d": f"{scores_at[family, days]['pinball']:.5f}" for days in HEADLINE_HORIZONS}
        for baseline in ("constant", "ewma", "garch"):
            skill = one_day[f"skill_{baseline}"]
            row[f"vs {baseline}"] = "" if math.isnan(skill) else f"{100 * skill:+.2f} %"
        row |= {f"{level} %": f"{one_day[f'coverage_{level}'] * 100:.1f}" for level in (80, 95)}
        rows.append(row | {"Theil's U": f"{one_day['theil_u']:.4f}"})
        is_champion = selection.aliases.get("champion") == family
        styles.append("bold" if is_champion else "dim" if family in BASELINE_NAMES else "")
    print_table(
        console,
        rows,
        f"Pinball loss in percent of log return, {int(scores['n'].max()):,} days",
        left_aligned=("", "family"),
        least_needed=LEAST_NEEDED,
        caption="skill and coverage at one day; lower loss and higher skill are better",
        styles=styles,
        has_edges=False,
    )


def score_table_html(scores: "pd.DataFrame") -> str:
    """Return the score table of the report, with the interval of the skill."""
    rows = [
        {
            "family": row["family"],
            "days": row["horizon"],
            "pinball": f"{row['pinball']:.5f}",
            "vs EWMA, %": f"{100 * row['skill_ewma']:+.2f}",
            "vs GARCH, %": f"{100 * row['skill_garch']:+.2f}",
            "90 % interval": f"{100 * row['skill_garch_low']:+.2f} to {100 * row['skill_garch_high']:+.2f}",
            "80 % covers": f"{100 * row['coverage_80']:.1f}",
            "95 % covers": f"{100 * row['coverage_95']:.1f}",
            "Theil's U": f"{row['theil_u']:.4f}",
        }
        for row in scores[scores["horizon"].isin(HEADLINE_HORIZONS)].to_dict("records")
    ]
    return html_table(rows, f"{int(scores['n'].max()):,} days; lower loss and higher skill are better")


def html_table(rows: Sequence[Mapping[Any, Any]], caption: str) -> str:
    """Return an HTML table of rows by column."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in (rows[0] if rows else ()))
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def print_results(results: Mapping[str, RunResult | str], context: Context) -> None:
    """Print the champion of each pair, with its skill, or `failed` where there is an error message instead."""
    if context.as_json:
        as_json: dict[str, Any] = {}
        for pair, result in results.items():
            if isinstance(result, str):
                as_json[pair] = {"error": result}
            else:
                published = published_as_json(result.published)
                names = ("generation", "model", "already", "activation")
                as_json[pair] = {**evaluation_as_json(result.evaluation), **{name: published[name] for name in names}}
        print_json(as_json)
        return
    days_names = dict(zip(("1 day", "5 days", "21 days"), HEADLINE_HORIZONS, strict=True))
    rows = []
    for pair, result in results.items():
        row = {"pair": pair, "champion": "failed", "generation": "", **dict.fromkeys(days_names, "")}
        if not isinstance(result, str):
            row |= {"champion": "refused", "generation": str(result.published.generation)}
            if not result.code:
                champion, scores = result.evaluation.selection.champion, result.evaluation.scores
                skill = scores[scores["family"] == champion].set_index("horizon")["skill_garch"]
                row["champion"] = champion
                row |= {name: f"{100 * skill[days]:+.2f} %" for name, days in days_names.items()}
        rows.append(row)
    caption = "skill against GARCH(1,1)-t"
    print_table(context.out, rows, "Champions", left_aligned=("pair", "champion"), caption=caption, has_edges=False)


def print_published(published: "Published", context: Context, *, with_json: bool = False) -> int:
    """Print the result of publishing; return 1 if refresh rejected the champion, otherwise 0.

    With --json nothing but notes is printed, unless `with_json`.
    """
    facts, activation = published_as_json(published), published.activation
    context.note(*published.notes)
    if context.as_json and with_json:
        print_json(facts)
    elif published.already:
        context.note(
            f"{facts['model']} is generation {published.generation} already, with an identical file and scores; "
            "no new generation was published"
        )
    elif not context.as_json:
        outcome = (
            f"{activation.outcome}: {activation.reason}" if activation else "the refresh function will activate it"
        )
        context.print(f"published {facts['model']} as generation {published.generation}; {outcome}")
    return 1 if activation and activation.outcome == "refused" else 0


def published_as_json(published: "Published") -> dict[str, Any]:
    """Return the result of publishing as JSON types."""
    pointer, activation = published.pointer, published.activation
    return {
        "generation": published.generation,
        "model": f"{pointer.model_name}/{pointer.model_version}",
        "sha256": pointer.champion.sha256 if pointer.champion else None,
        "superseded_by": published.superseded_by,
        "already": published.already,
        "activation": activation._asdict() if activation else None,
    }


def label_day(day: str, next_day: str | None) -> str:
    """Return a date, marked if it is before `next_day`, the first forecast day that has not begun (None: none)."""
    return f"{day} past" if next_day is None or day < next_day else day


def print_fan(days: Sequence[Mapping[str, Any]], context: Context, next_day: str | None) -> None:
    """Print a fan chart of the days of a response of /api/predict, with the intervals that the champion has.

    Days before `next_day` are marked; None marks all.
    """
    levels = [level for level in INTERVALS if level in days[0]["intervals"]]
    rows = [
        charts.Day(
            label_day(day["date"], next_day),
            [(day["intervals"][level]["lower"], day["intervals"][level]["upper"]) for level in levels],
            day["median"],
        )
        for day in days
    ]
    if levels:
        shapes = charts.select_shapes(context.out.encoding)
        _print_chart(charts.fan(rows, levels, context.out.width, shapes), context)


def print_skill(family: str, scores: Sequence[Mapping[str, Any]], context: Context) -> None:
    """Print the skill of the champion's model against GARCH(1,1)-t and EWMA by horizon, if `scores` have it."""
    values = {
        f"{row['horizon']:>2} d vs {baseline}": row[f"skill_{baseline}"]
        for baseline in ("garch", "ewma")
        for row in scores
        if f"skill_{baseline}" in row
    }
    if values:
        lines = charts.bars(values, context.out.width, charts.select_shapes(context.out.encoding))
        _print_chart([f"Skill of {family}: reduction of its loss against each baseline", *lines], context)


def _print_chart(lines: Sequence[str], context: Context) -> None:
    context.out.print(Text("\n".join(("", *lines))), no_wrap=True)
