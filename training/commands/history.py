"""`history`: list every generation, when it was active and why."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import SHOWN_HORIZONS, Command, Context, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from training.publishing.history import Generation

LOSSES = tuple(f"{days} d" for days in SHOWN_HORIZONS)


def work(args: argparse.Namespace, context: Context) -> int:
    from training.publishing.history import list_generations

    generations = list_generations(context.store, context.settings.pair)
    if args.json:
        rows = [_generation_as_json(generation) for generation in generations]
        print_json({"pair": context.settings.pair, "generations": rows})
    else:
        _print_generations(context, generations)
    return 0


def _generation_as_json(generation: "Generation") -> dict[str, Any]:
    return {
        "generation": generation.generation,
        "name": generation.pointer.model_name,
        "version": generation.pointer.model_version,
        "sha256": generation.pointer.champion and generation.pointer.champion.sha256,
        "since": generation.since,
        "until": generation.until,
        "pinball": generation.losses(),
        "came": generation.reason,
        "went": generation.end_reason,
    }


def _print_generations(context: Context, generations: "list[Generation]") -> None:
    from training.console import print_narrowed

    if not generations:
        context.out.print("nothing was ever published; run python -m training run")
        return
    rows = [_make_cells(generation) for generation in generations]

    def make_table(columns: Sequence[str]) -> "Table":
        from rich.table import Table

        table = Table(title=f"Champions of {context.settings.pair}", show_edge=False, pad_edge=False)
        for name in columns:
            table.add_column(name, justify="right" if name in ("", *LOSSES) else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(row[name] for name in columns))
        return table

    print_narrowed(context.out, list(rows[0]), LOSSES[::-1], make_table)
    for generation in generations:
        for reason in filter(None, (generation.reason, generation.end_reason)):
            context.out.print(f"- {generation.generation}: {reason}", highlight=False)


def _make_cells(generation: "Generation") -> dict[str, str]:
    from training.console import format_time

    losses, pointer = generation.losses(), generation.pointer
    times = {"since": generation.since, "until": generation.until}
    return {
        "": str(generation.generation),
        "champion": f"{pointer.model_type} v{pointer.model_version}",
        **{name: format_time(time) if time else "" for name, time in times.items()},
        **{
            name: f"{losses[days]:.5f}" if days in losses else ""
            for name, days in zip(LOSSES, SHOWN_HORIZONS, strict=True)
        },
    }


COMMAND = Command(
    "list every generation: its scores, when it was active, and why it was published and replaced",
    work,
    options.add_pair,
)
