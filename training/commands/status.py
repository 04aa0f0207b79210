"""`status`: print what is served, and mismatches between pointer, registry and prices."""

import argparse
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import Command, Context, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from training.publishing.aliases import AliasHolders
    from training.publishing.status import Status

BASELINES = ("constant", "ewma", "garch")


def work(args: argparse.Namespace, context: Context) -> int:
    from training.publishing.status import collect_status

    current = collect_status(context.store, context.settings, context.now, lambda: _read_aliases(context))
    if args.json:
        print_json(_status_as_json(current))
    else:
        _print_status(context, current)
    return 0


def _read_aliases(context: Context) -> "AliasHolders":
    """Read the aliases of the registry, with MLflow's client (its import takes seconds) only where it is necessary."""
    from training.publishing import aliases

    pair = context.settings.pair
    if holders := aliases.read(context.tracking_uri, pair, os.environ):
        return holders
    from training.publishing import mlflow_registry

    return aliases.AliasHolders(mlflow_registry.alias_holders(context.tracking, pair), context.tracking.note)


def _status_as_json(current: "Status") -> dict[str, Any]:
    """Return the status without golden forecasts, and with the scores once."""
    facts = asdict(current)
    for pointer in (facts["active"] and facts["active"]["pointer"], facts["published"]["pointer"]):
        if pointer:
            del pointer["golden"], pointer["scores"]
    return {**facts, "scores": list(current.scores)}


def _print_status(context: Context, current: "Status") -> None:
    """Print what is active, its scores, the age of the prices, charts, and what does not match."""
    from training.commands.output import print_fan, print_skill

    context.out.print(_make_facts_table(current), highlight=False)
    if current.scores:
        context.out.print(_make_score_table(current), highlight=False)
    if days := _read_forecast_days(context):
        print_fan(context, days)
    if rows := [row for row in current.scores if row["family"] not in BASELINES]:
        print_skill(context, rows[0]["family"], rows)
    for note in filter(None, (current.published.reason, current.tracking.note)):
        context.out.print(f"- {note}", highlight=False)
    for difference in current.differences:
        context.out.print(f"[yellow]![/yellow] {difference}", highlight=False)


def _make_facts_table(current: "Status") -> "Table":
    from rich.table import Table

    from training.console import format_time

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    active = current.active
    if active:
        table.add_row("active", f"{active.pointer.model_name} version {active.pointer.model_version}")
        table.add_row("generation", f"{active.generation}, since {format_time(active.activated_at)}")
        table.add_row("sha256", active.champion.sha256)
        table.add_row("trained", f"through {active.pointer.trained_through}")
    else:
        table.add_row("active", "nothing")
    table.add_row("published", current.published.state)
    for age in current.prices:
        table.add_row("prices", f"{age.key} through {age.last_date}, {age.business_days} business days ago")
    for alias, (name, version) in current.tracking.aliases.items():
        table.add_row(f"@{alias}", f"{name} version {version}")
    return table


def _make_score_table(current: "Status") -> "Table":
    from rich.table import Table

    table = Table(title="Pinball loss in percent of log return, from the champion's run")
    horizons = sorted({row["horizon"] for row in current.scores})
    for name in ("family", *(f"{horizon} d" for horizon in horizons)):
        table.add_column(name, justify="left" if name == "family" else "right")
    for family in dict.fromkeys(row["family"] for row in current.scores):
        losses = {row["horizon"]: row["pinball"] for row in current.scores if row["family"] == family}
        table.add_row(family, *(f"{losses[horizon]:.5f}" if horizon in losses else "" for horizon in horizons))
    return table


def _read_forecast_days(context: Context) -> list[dict[str, Any]]:
    """Return the days of the official forecast as the API does; empty if there is none that can be read."""
    from lambda_fn.fields import ContractError
    from lambda_fn.record.official_forecast import Official
    from lambda_fn.store.keys import forecast_key
    from lambda_fn.store.object_store import Missing
    from lambda_fn.web.endpoints.forecast import select_days

    try:
        official = Official.parse(context.store.read(forecast_key(context.settings.pair)).data, context.settings.pair)
    except (Missing, ContractError):
        return []
    return [dict(day) for day in select_days(official, {})]


COMMAND = Command(
    "print what is active, its scores, the age of the prices, and what does not match", work, options.add_pair
)
