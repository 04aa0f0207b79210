"""`forecast`: what the API answers, asked of its own handler and shown day by day."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from training.commands import options
from training.commands.context import Command, Context, UsageError, print_json

SHOWN_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")  # those of them that the champion has


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    command.add_argument("--horizon", type=int, help="business days; 5 unless told")


def work(asked: argparse.Namespace, context: Context) -> int:
    """Send a request through the API of this process and print its response."""
    from lambda_fn.api import App
    from lambda_fn.web.request import Request

    query = {} if asked.horizon is None else {"horizon": str(asked.horizon)}
    app = App(context.store, context.settings._replace(pairs=(context.settings.pair,)))
    answer = app.handle(Request("GET", "/api/predict", query))
    body = json.loads(answer.body)
    if answer.status != 200:
        error = body["error"]
        raise UsageError(f"GET /api/predict answered {answer.status}: {error['message']}; {error['cure']}")
    if asked.json:
        print_json(body)
    else:
        print_forecast(context, body)
    return 0


def print_forecast(context: Context, answer: Mapping[str, Any]) -> None:
    """An answer of /api/predict, day by day."""
    from rich.table import Table

    from training.commands.output import print_fan, print_skill

    champion, days = answer["champion"], answer["forecast"]
    levels = [level for level in SHOWN_LEVELS if level in days[0]["quantiles"]]
    table = Table(title=f"{answer['pair']} after {answer['last_close']} on {answer['as_of']}")
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


COMMAND = Command("ask the Lambda handler for the forecast, as API Gateway would, and print it", work, add_options)
