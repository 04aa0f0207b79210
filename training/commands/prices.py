"""`prices`: check prices, describe them, and optionally save them to the store."""

import argparse
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    options.add_prices(parser)
    parser.add_argument("--save", action="store_true", help="write the prices to the store; new rows are appended")
    options.add_replace(parser)


def work(args: argparse.Namespace, context: Context) -> int:
    """Check and describe the prices; with --save write them to the store."""
    if args.replace and not args.save:
        raise UsageError("--replace: it requires --save; add --save to overwrite the prices in the store")
    if args.save:
        context.check_store()

    from training.commands.job_from_args import load_prices
    from training.models.families import DEFAULT_FAMILIES
    from training.prices.table import store_prices

    table, pair = load_prices(args, context, DEFAULT_FAMILIES), context.settings.pair
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
    if args.save:
        facts["stored"] = store_prices(context.store, pair, table, append=True, replace=args.replace)
    if args.json:
        print_json(facts)
        return 0
    for name, value in facts.items():
        text = ", ".join(str(item) for item in value) if isinstance(value, list) else value
        context.out.print(f"[bold]{name:<12}[/bold] {text}", highlight=False)
    return 0


COMMAND = Command("check prices and describe them; with --save write them to the store", work, add_options)
