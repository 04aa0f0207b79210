"""The forecast and its worth as pictures of text, which `forecast` and `status` both end with."""

from collections.abc import Mapping, Sequence
from typing import Any

from training import charts
from training.commands.context import Context

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
        _print(context, charts.fan(rows, levels, context.out.width, charts.shapes(context.out.encoding)))


def print_skill(context: Context, family: str, scores: Sequence[Mapping[str, Any]]) -> None:
    """What the champion's family gains over GARCH(1,1)-t and EWMA, by horizon; nothing where `scores` are silent."""
    values = {
        f"{row['horizon']:>2} d vs {baseline}": row[f"skill_{baseline}"]
        for baseline in BASELINES
        for row in scores
        if f"skill_{baseline}" in row
    }
    if values:
        lines = charts.bars(values, context.out.width, charts.shapes(context.out.encoding))
        _print(context, [f"Skill of {family}: how much less it loses than each baseline", *lines])


def _print(context: Context, lines: Sequence[str]) -> None:
    from rich.text import Text

    context.out.print(Text("\n".join(("", *lines))), no_wrap=True)
