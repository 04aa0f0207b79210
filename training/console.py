"""What a person sees: stages with progress and their times on standard error, tables and sentences on standard out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Step = Callable[[str], None]  # one unit of the stage is done; the words say which


@dataclass
class Stages:
    """Runs stages one after the other, shows the one at work and keeps the seconds each took."""

    console: Console
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Show `name` with a bar of `total` units while the block runs, and its time when it is done."""
        started = self.clock()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        counted = columns if total else columns[:2]
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
