"""What a person sees: stages with progress and their times on standard error, tables and sentences on standard out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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

Step = Callable[[str], None]  # one unit of the stage is done; the words say which


def moment(time: datetime) -> str:
    """The one form in which a person reads a time: 2026-11-27 14:05 UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def print_narrowed(
    console: Console, columns: Sequence[str], least_needed: Sequence[str], table: Callable[[Sequence[str]], Table]
) -> None:
    """Print the table of these columns, without as many of the least needed, in their order, as have no room."""
    shown = list(columns)
    unbounded = console.options.update(max_width=1000)
    for dropped in (None, *least_needed):
        shown = [name for name in shown if name != dropped]
        made = table(shown)
        if console.measure(made, options=unbounded).maximum <= console.width:
            break
    console.print(made, highlight=False)
    if missing := [name for name in least_needed if name in columns and name not in shown]:
        console.print(f"Left out at this width: {', '.join(missing)}; --wide has all.", style="dim", highlight=False)


class TimeLeft(ProgressColumn):
    """The time that the rest takes at the pace since the stage began.

    Rich's own goes by the last seconds, in which a worker that brings a whole task of refits at once is all or nothing.
    """

    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None or task.remaining is None:
            return Text("")
        left = timedelta(seconds=round(task.elapsed / task.completed * task.remaining))
        return Text(f"{left} left", style="progress.remaining")


@dataclass
class Stages:
    """Runs stages one after the other, shows the one at work and keeps the seconds each took."""

    console: Console
    about: str = ""  # such as a pair, before the name of each stage
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Show `name` with a bar of `total` units while the block runs, and its time when it is done."""
        started = self.clock()
        name = f"{self.about} {name}".lstrip()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        counted = (*columns, TimeLeft()) if total else columns[:2]
        shown = self.console.is_terminal  # elsewhere a bar would only leave blank lines in a log
        with Progress(
            *counted, TimeElapsedColumn(), console=self.console, transient=True, disable=not shown
        ) as progress:
            task = progress.add_task(name, total=total)
            yield lambda words: progress.update(task, advance=1, description=f"{name} [dim]{words}[/dim]")
        self.seconds[name] = self.clock() - started
        self.console.print(f"[green]done[/green] {name:<32} {self.seconds[name]:6.1f} s", highlight=False)

    def total(self) -> float:
        """Seconds of all stages so far."""
        return sum(self.seconds.values())
