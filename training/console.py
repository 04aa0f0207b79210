"""Terminal output: stages with progress and run times on standard error, tables and sentences on standard output."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

Step = Callable[[str], None]  # called after each unit of a stage, with a description of the unit


def format_time(time: datetime) -> str:
    """Format a time as 2026-11-27 14:05 UTC, the only format in which users see one."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def print_table(
    console: Console,
    rows: Sequence[Mapping[str, str]],
    title: str,
    *,
    left_aligned: Collection[str],
    least_needed: Sequence[str] = (),
    caption: str | None = None,
    styles: Sequence[str] = (),
    has_edges: bool = True,
) -> None:
    """Print a table, dropping columns until it fits the width of the console.

    Args:
        console: Where to print.
        rows: The cells of each row, at least one, by column.
        title: The line above the table.
        left_aligned: The columns that are aligned to the left.
        least_needed: The columns that may be dropped, in this order. Without them, long cells are wrapped.
        caption: The line below the table.
        styles: The style of each row.
        has_edges: Draw the border.
    """
    remaining = list(rows[0])
    unbounded = console.options.update(max_width=1000)
    for dropped in (None, *least_needed):
        remaining = [name for name in remaining if name != dropped]
        table = Table(title=title, caption=caption, show_edge=has_edges, pad_edge=has_edges)
        for name in remaining:
            table.add_column(name, justify="left" if name in left_aligned else "right", no_wrap=bool(least_needed))
        for row, style in zip_longest(rows, styles):
            table.add_row(*(row[name] for name in remaining), style=style)
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
    console.print(table, highlight=False)
    if missing := [name for name in least_needed if name in rows[0] and name not in remaining]:
        console.print(f"Left out at this width: {', '.join(missing)}; --wide prints all.", style="dim", highlight=False)


class TimeLeft(ProgressColumn):
    """The time that the rest takes at the average pace since the stage began.

    Rich's own estimate looks at the last seconds only, which jumps when a worker reports a task of many refits at once.
    """

    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None or task.remaining is None:
            return Text("")
        time_left = timedelta(seconds=round(task.elapsed / task.completed * task.remaining))
        return Text(f"{time_left} left", style="progress.remaining")


@dataclass
class Stages:
    """Runs stages one after the other, shows the current one and records how long each took.

    Attributes:
        console: Where progress goes.
        prefix: Text before the name of each stage, such as a pair.
        clock: Returns seconds; only differences are used.
        seconds: Run time of each finished stage, by name.
    """

    console: Console
    prefix: str = ""
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Show `name` with a bar of `total` units while the block runs, and its run time afterwards."""
        started = self.clock()
        name = f"{self.prefix} {name}".lstrip()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        shown_columns = (*columns, TimeLeft()) if total else columns[:2]
        is_live = self.console.is_terminal  # in a log file a bar would only leave blank lines
        with Progress(
            *shown_columns, TimeElapsedColumn(), console=self.console, transient=True, disable=not is_live
        ) as progress:
            task = progress.add_task(name, total=total)
            yield lambda unit: progress.update(task, advance=1, description=f"{name} [dim]{unit}[/dim]")
        self.seconds[name] = self.clock() - started
        self.console.print(f"[green]done[/green] {name:<32} {self.seconds[name]:6.1f} s", highlight=False)

    def total(self) -> float:
        """Return the run time of all stages so far in seconds."""
        return sum(self.seconds.values())
