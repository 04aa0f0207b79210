"""Output that several commands share: the published champion, and charts of its forecast and skill."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training import charts
from training.commands.context import Context, print_json

if TYPE_CHECKING:
    from training.publishing.promotion import Published

LEVELS = ("95", "80", "50")  # intervals of the fan chart, the widest first
BASELINES = ("garch", "ewma")


def print_published(published: "Published", context: Context, *, as_json: bool = False, quiet: bool = False) -> int:
    """Print the result of publishing; return 1 when refresh rejected the champion, otherwise 0.

    Args:
        published: The result.
        context: Where to print.
        as_json: Print JSON.
        quiet: Print notes only.
    """
    pointer, activation = published.pointer, published.activation
    model = f"{pointer.model_name}/{pointer.model_version}"
    context.note(published.notes)
    if as_json:
        print_json(
            {
                "generation": published.generation,
                "model": model,
                "sha256": pointer.champion.sha256 if pointer.champion else None,
                "superseded_by": published.superseded_by,
                "already": published.already,
                "activation": activation._asdict() if activation else None,
            }
        )
    elif published.already:
        context.note(
            [
                f"{model} is generation {published.generation} already, with an identical file and scores; "
                "no new generation was published"
            ]
        )
    elif not quiet:
        outcome = (
            f"{activation.outcome}: {activation.reason}" if activation else "the refresh function will activate it"
        )
        context.out.print(f"published {model} as generation {published.generation}; {outcome}", highlight=False)
    return 1 if activation and activation.outcome == "refused" else 0


def print_fan(context: Context, days: Sequence[Mapping[str, Any]]) -> None:
    """Print a fan chart of the days of a response of /api/predict, with the intervals that the champion has."""
    levels = [level for level in LEVELS if level in days[0]["intervals"]]
    rows = [
        charts.Day(
            day["date"],
            [(day["intervals"][level]["lower"], day["intervals"][level]["upper"]) for level in levels],
            day["median"],
        )
        for day in days
    ]
    if levels:
        _print_lines(context, charts.fan(rows, levels, context.out.width, charts.select_shapes(context.out.encoding)))


def print_skill(context: Context, family: str, scores: Sequence[Mapping[str, Any]]) -> None:
    """Print the skill of the champion's model against GARCH(1,1)-t and EWMA by horizon, if `scores` have it."""
    values = {
        f"{row['horizon']:>2} d vs {baseline}": row[f"skill_{baseline}"]
        for baseline in BASELINES
        for row in scores
        if f"skill_{baseline}" in row
    }
    if values:
        lines = charts.bars(values, context.out.width, charts.select_shapes(context.out.encoding))
        _print_lines(context, [f"Skill of {family}: reduction of its loss against each baseline", *lines])


def _print_lines(context: Context, lines: Sequence[str]) -> None:
    from rich.text import Text

    context.out.print(Text("\n".join(("", *lines))), no_wrap=True)
