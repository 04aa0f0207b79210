"""`forecast`: print the forecast day by day, as the API returns it."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

SHOWN_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")  # quantiles in the table, if the champion has them


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    parser.add_argument("--horizon", type=int, help="business days to forecast (default: 5)")


def work(args: argparse.Namespace, context: Context) -> int:
    """Send a request through the API of this process and print its response."""
    from lambda_fn.api import App
    from lambda_fn.web.request import Request

    query = {} if args.horizon is None else {"horizon": str(args.horizon)}
    app = App(context.store, context.settings._replace(pairs=(context.settings.pair,)))
    response = app.handle(Request("GET", "/api/predict", query))
    body = json.loads(response.body)
    if response.status != 200:
        error = body["error"]
        raise UsageError(f"GET /api/predict answered {response.status}: {error['message']}; {error['cure']}")
    if args.json:
        print_json(body)
    else:
        print_forecast(context, body)
    return 0


def print_forecast(context: Context, response: Mapping[str, Any]) -> None:
    """Print a response of /api/predict: a table with a row for each day, and charts of the forecast and its skill."""
    from rich.table import Table

    from training.commands.output import print_fan, print_skill

    champion, days = response["champion"], response["forecast"]
    levels = [level for level in SHOWN_LEVELS if level in days[0]["quantiles"]]
    table = Table(title=f"{response['pair']} after {response['last_close']} on {response['as_of']}")
    table.add_column("day")
    for level in levels:
        table.add_column("median" if level == "0.5" else f"{float(level):.0%}", justify="right")
    for day in days:
        table.add_row(day["date"], *(f"{day['quantiles'][level]:.4f}" for level in levels))
    table.caption = f"{champion['name']}, generation {champion['generation']}, trained through " + (
        f"{champion['trained_through']}"
    )
    context.out.print(table)
    print_fan(context, days)
    print_skill(context, champion["family"], champion["scores"])


COMMAND = Command("print the forecast through the Lambda handler, as API Gateway calls it", work, add_options)
