"""`history`: who was champion when."""

import argparse
from typing import TYPE_CHECKING, Any

from training.commands.context import SHOWN_HORIZONS, Command, Context, print_json

if TYPE_CHECKING:
    from training.publishing.history import Generation


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

    if not found:
        context.out.print("nothing was ever published; run python -m training run")
        return
    table = Table(title=f"Champions of {context.settings.pair}, times in UTC", show_edge=False, pad_edge=False)
    for name in ("", "champion", "since", "until", *(f"{days} d" for days in SHOWN_HORIZONS)):
        table.add_column(name, justify="right" if name in ("", "1 d", "5 d", "21 d") else "left", no_wrap=True)
    for one in found:
        losses = one.losses()
        shown = [f"{losses[days]:.5f}" if days in losses else "" for days in SHOWN_HORIZONS]
        short = f"{one.pointer.model_type} v{one.pointer.model_version}"
        times = [f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in (one.since, one.until)]
        table.add_row(str(one.generation), short, *times, *shown)
    context.out.print(table, highlight=False)
    for one in found:
        for words in filter(None, (one.came, one.went)):
            context.out.print(f"- {one.generation}: {words}", highlight=False)


COMMAND = Command("who was champion when: every generation, its scores, why it came and why it went", work)
