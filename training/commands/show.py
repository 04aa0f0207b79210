"""The commands that show the state of the service: `status`, `history` and `forecast`. They import nothing heavy."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.commands.command import command
from training.commands.context import Context, UsageError, print_json
from training.commands.options import pair_option
from training.conventions import HEADLINE_HORIZONS

if TYPE_CHECKING:
    from training.publishing.mlflow_access import AliasHolders
    from training.publishing.status import Status

SHOWN_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")  # quantiles in the table, if the champion has them


@command("status", "print what is active, its scores, the age of the prices, and what does not match")
@pair_option
def show_status(context: Context) -> None:
    """Print what is served, and mismatches between pointer, registry and prices."""
    from training.publishing import mlflow_access
    from training.publishing.status import collect_status

    def read_aliases() -> "AliasHolders":
        pair = context.settings.pair
        if holders := mlflow_access.read_aliases(context.tracking_uri, pair, os.environ):
            return holders
        from training.publishing import mlflow_registry  # MLflow's client (its import takes seconds) only if necessary

        return mlflow_access.AliasHolders(mlflow_registry.alias_holders(context.tracking, pair), context.tracking.note)

    current = collect_status(context.store, context.settings, context.now, read_aliases)
    if not context.as_json:
        _print_status(current, context)
        return
    facts = asdict(current)
    for pointer in (facts["active"] and facts["active"]["pointer"], facts["published"]["pointer"]):
        if pointer:
            del pointer["golden"], pointer["scores"]
    print_json({**facts, "scores": list(current.scores)})


def _print_status(current: "Status", context: Context) -> None:
    """Print what is active, its scores, the age of the prices, charts, and what does not match."""
    from rich.table import Table

    from lambda_fn.fields import ContractError
    from lambda_fn.record.official_forecast import Official
    from lambda_fn.store.keys import forecast_key
    from lambda_fn.store.object_store import Missing
    from lambda_fn.web.endpoints.forecast import select_days
    from training.commands.scores import print_fan, print_skill
    from training.console import format_time, print_table
    from training.conventions import BASELINE_NAMES

    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    if active := current.active:
        facts.add_row("active", f"{active.pointer.model_name} version {active.pointer.model_version}")
        facts.add_row("generation", f"{active.generation}, since {format_time(active.activated_at)}")
        facts.add_row("sha256", active.champion.sha256)
        facts.add_row("trained", f"through {active.pointer.trained_through}")
    else:
        facts.add_row("active", "nothing")
    facts.add_row("published", current.published.state)
    for age in current.prices:
        facts.add_row("prices", f"{age.key} through {age.last_date}, {age.business_days} business days ago")
    for alias, (name, version) in current.tracking.aliases.items():
        facts.add_row(f"@{alias}", f"{name} version {version}")
    context.out.print(facts)
    if current.scores:
        horizons = sorted({row["horizon"] for row in current.scores})
        losses: dict[str, dict[int, str]] = {}
        for row in current.scores:
            losses.setdefault(row["family"], {})[row["horizon"]] = f"{row['pinball']:.5f}"
        rows = [
            {"family": family, **{f"{days} d": by_horizon.get(days, "") for days in horizons}}
            for family, by_horizon in losses.items()
        ]
        title = "Pinball loss in percent of log return, from the champion's run"
        print_table(context.out, rows, title, left_aligned=("family",))
    try:
        data = context.store.read(forecast_key(context.settings.pair)).data
        print_fan([dict(day) for day in select_days(Official.parse(data, context.settings.pair), {})], context)
    except (Missing, ContractError):
        pass  # there is no official forecast that can be read
    if scores := [row for row in current.scores if row["family"] not in BASELINE_NAMES]:
        print_skill(scores[0]["family"], scores, context)
    context.print(*(f"- {note}" for note in (current.published.reason, current.tracking.note) if note))
    context.print(*(f"[yellow]![/yellow] {difference}" for difference in current.differences))


@command("history", "list every generation: its scores, when it was active, and why it was published and replaced")
@pair_option
def show_history(context: Context) -> None:
    """List every generation, when it was active and why."""
    from training.console import format_time, print_table
    from training.publishing.history import list_generations

    json_rows, rows, reasons = [], [], []
    for generation in list_generations(context.store, context.settings.pair):
        pointer, losses = generation.pointer, generation.losses()
        json_rows.append(
            {
                "generation": generation.generation,
                "name": pointer.model_name,
                "version": pointer.model_version,
                "sha256": pointer.champion and pointer.champion.sha256,
                "since": generation.since,
                "until": generation.until,
                "pinball": losses,
                "came": generation.reason,
                "went": generation.end_reason,
            }
        )
        rows.append(
            {
                "": str(generation.generation),
                "champion": f"{pointer.model_type} v{pointer.model_version}",
                "since": format_time(generation.since) if generation.since else "",
                "until": format_time(generation.until) if generation.until else "",
                **{f"{days} d": f"{losses[days]:.5f}" if days in losses else "" for days in HEADLINE_HORIZONS},
            }
        )
        for reason in filter(None, (generation.reason, generation.end_reason)):
            reasons.append(f"- {generation.generation}: {reason}")
    if context.as_json:
        print_json({"pair": context.settings.pair, "generations": json_rows})
    elif not rows:
        context.print("nothing was ever published; run python -m training run")
    else:
        title, least_needed = f"Champions of {context.settings.pair}", [f"{days} d" for days in HEADLINE_HORIZONS[::-1]]
        left_aligned = ("champion", "since", "until")
        print_table(context.out, rows, title, left_aligned=left_aligned, least_needed=least_needed, has_edges=False)
        context.print(*reasons)


@command("forecast", "print the forecast through the Lambda handler, as API Gateway calls it")
@pair_option
@click.option("--horizon", type=int, help="business days to forecast (default: 5), or until the day of the book")
@click.option(
    "--book",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="print the risk of the book in this CSV file (currency, amount) instead",
)
@click.option("--currency", default="EUR", help="reporting currency of the book (default: EUR)")
@click.option("--csv", "as_csv", is_flag=True, help="write the risk of the book as CSV")
def show_forecast(context: Context, horizon: int | None, book: Path | None, currency: str, as_csv: bool) -> None:
    """Send a request through the API of this process and print its response.

    Args:
        context: Store, settings and output.
        horizon: Business days.
        book: A CSV file with the positions of a book.
        currency: The reporting currency of the book.
        as_csv: Write the risk of the book as CSV.
    """
    from lambda_fn.api import App
    from lambda_fn.web.request import Request

    if as_csv and book is None:
        raise UsageError("--csv: only the risk of a book is written as CSV; give --book FILE")
    query = {} if horizon is None else {"horizon": str(horizon)}
    if book is not None:
        from training.commands.book import show_book

        show_book(book, {"currency": currency, **query}, as_csv, context)
        return
    app = App(context.store, context.settings._replace(pairs=(context.settings.pair,)))
    response = app.handle(Request("GET", "/api/predict", query))
    body = json.loads(response.body)
    if response.status != 200:
        error = body["error"]
        raise UsageError(f"GET /api/predict answered {response.status}: {error['message']}; {error['cure']}")
    print_forecast(body, context)


def print_forecast(response: Mapping[str, Any], context: Context) -> None:
    """Print a response of /api/predict: a table with a row for each day, and charts of the forecast and its skill."""
    from training.commands.scores import print_fan, print_skill
    from training.console import print_table

    if context.as_json:
        print_json(response)
        return
    champion, days = response["champion"], response["forecast"]
    levels = [level for level in SHOWN_LEVELS if level in days[0]["quantiles"]]
    names = {level: "median" if level == "0.5" else f"{float(level):.0%}" for level in levels}
    print_table(
        context.out,
        [{"day": day["date"], **{names[level]: f"{day['quantiles'][level]:.4f}" for level in levels}} for day in days],
        f"{response['pair']} after {response['last_close']} on {response['as_of']}",
        left_aligned=("day",),
        caption=f"{champion['name']}, generation {champion['generation']}, trained through "
        f"{champion['trained_through']}",
    )
    print_fan(days, context)
    print_skill(champion["family"], champion["scores"], context)
