"""`prices`: what the prices are, checked, and how they get into the store."""

import argparse
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    options.prices(command)
    command.add_argument("--save", action="store_true", help="write them to the store; new rows are appended")
    options.replace(command)


def work(asked: argparse.Namespace, context: Context) -> int:
    """Check the prices; with --save put them into the store."""
    if asked.replace and not asked.save:
        raise UsageError("--replace goes with --save; it replaces the price file in the store")
    if asked.save:
        context.check_store()

    from training.commands.job_from_args import ask_table
    from training.models.families import DEFAULT_FAMILIES
    from training.prices.table import store_prices

    table, pair = ask_table(asked, context, DEFAULT_FAMILIES), context.settings.pair
    facts: dict[str, Any] = {
        "pair": pair,
        "source": table.source,
        "origin": table.origin,
        "rows": len(table.frame),
        "first": str(table.frame.index[0].date()),
        "last": str(table.frame.index[-1].date()),
        "last_close": float(table.frame["close"].iloc[-1]),
        "columns": list(table.frame.columns),
        "sha256": table.sha256,
        "notes": list(table.notes),
    }
    if asked.save:
        facts["stored"] = store_prices(context.store, pair, table, append=True, replace=asked.replace)
    _print(asked, context, facts)
    return 0


def _print(asked: argparse.Namespace, context: Context, facts: dict[str, Any]) -> None:
    if asked.json:
        print_json(facts)
        return
    for name, value in facts.items():
        words = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.out.print(f"[bold]{name:<12}[/bold] {words}", highlight=False)


COMMAND = Command("check the prices and say what they are", work, add_options)
