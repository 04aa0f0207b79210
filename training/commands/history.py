"""`history`: who was champion when."""

import argparse
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import SHOWN_HORIZONS, Command, Context, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.publishing.history import Generation


LOSSES = tuple(f"{days} d" for days in SHOWN_HORIZONS)


def work(asked: argparse.Namespace, context: Context) -> int:
    from training.publishing.history import generations

    found = generations(context.store, context.settings.pair)
    if asked.json:
        print_json({"pair": context.settings.pair, "generations": [_facts(one) for one in found]})
    else:
        _print(context, found)
    return 0


def _facts(one: "Generation") -> dict[str, Any]:
    return {
        "generation": one.generation,
        "name": one.pointer.model_name,
        "version": one.pointer.model_version,
        "sha256": one.pointer.champion and one.pointer.champion.sha256,
        "since": one.since,
        "until": one.until,
        "pinball": one.losses(),
        "came": one.came,
        "went": one.went,
    }


def _print(context: Context, found: "list[Generation]") -> None:
    from rich.table import Table

    from training.console import print_narrowed

    if not found:
        context.out.print("nothing was ever published; run python -m training run")
        return
    rows = [_cells(one) for one in found]

    def table(columns: "Sequence[str]") -> Table:
        made = Table(title=f"Champions of {context.settings.pair}", show_edge=False, pad_edge=False)
        for name in columns:
            made.add_column(name, justify="right" if name in ("", *LOSSES) else "left", no_wrap=True)
        for row in rows:
            made.add_row(*(row[name] for name in columns))
        return made

    print_narrowed(context.out, list(rows[0]), LOSSES[::-1], table)
    for one in found:
        for words in filter(None, (one.came, one.went)):
            context.out.print(f"- {one.generation}: {words}", highlight=False)


def _cells(one: "Generation") -> dict[str, str]:
    from training.console import moment

    losses, pointer = one.losses(), one.pointer
    times = {"since": one.since, "until": one.until}
    return {
        "": str(one.generation),
        "champion": f"{pointer.model_type} v{pointer.model_version}",
        **{name: moment(time) if time else "" for name, time in times.items()},
        **{
            name: f"{losses[days]:.5f}" if days in losses else ""
            for name, days in zip(LOSSES, SHOWN_HORIZONS, strict=True)
        },
    }


COMMAND = Command(
    "who was champion when: every generation, its scores, why it came and why it went", work, options.pair
)
