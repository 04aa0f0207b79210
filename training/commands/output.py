"""Output that several commands share: the announcement of a new champion, and drawings of its forecast and skill."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training import charts
from training.commands.context import Context, print_json

if TYPE_CHECKING:
    from training.publishing.promotion import Published


def announce(published: "Published", context: Context, *, as_json: bool = False, quiet: bool = False) -> int:
    """Say what became of it; 1 when it was refused."""
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
            [f"{model} is generation {published.generation} already, with this file and these scores: no new one"]
        )
    elif not quiet:
        outcome = f"{activation.outcome}: {activation.reason}" if activation else "the refresh function activates it"
        context.out.print(f"published {model} as generation {published.generation}; {outcome}", highlight=False)
    return 1 if activation and activation.outcome == "refused" else 0


LEVELS = ("95", "80", "50")  # the intervals of the fan, the widest first
BASELINES = ("garch", "ewma")


def print_fan(context: Context, days: Sequence[Mapping[str, Any]]) -> None:
    """The days of an answer of /api/predict, of the intervals that the champion has."""
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
        _print(context, charts.fan(rows, levels, context.out.width, charts.select_shapes(context.out.encoding)))


def print_skill(context: Context, family: str, scores: Sequence[Mapping[str, Any]]) -> None:
    """What the champion's family gains over GARCH(1,1)-t and EWMA, by horizon; nothing where `scores` are silent."""
    values = {
        f"{row['horizon']:>2} d vs {baseline}": row[f"skill_{baseline}"]
        for baseline in BASELINES
        for row in scores
        if f"skill_{baseline}" in row
    }
    if values:
        lines = charts.bars(values, context.out.width, charts.select_shapes(context.out.encoding))
        _print(context, [f"Skill of {family}: how much less it loses than each baseline", *lines])


def _print(context: Context, lines: Sequence[str]) -> None:
    from rich.text import Text

    context.out.print(Text("\n".join(("", *lines))), no_wrap=True)
