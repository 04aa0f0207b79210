"""`status`: what is served, and what does not fit together."""

import argparse
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from training.commands import options
from training.commands.context import Command, Context, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from training.publishing.aliases import Held
    from training.publishing.status import Status

BASELINES = ("constant", "ewma", "garch")


def work(asked: argparse.Namespace, context: Context) -> int:
    from training.publishing.status import status

    found = status(context.store, context.settings, context.now, lambda: _held(context))
    if asked.json:
        print_json(_json(found))
    else:
        _print(context, found)
    return 0


def _held(context: Context) -> "Held":
    """The registry's aliases, by MLflow's client only where nothing else can read them: its import takes seconds."""
    from training.publishing import aliases

    pair = context.settings.pair
    if held := aliases.read(context.tracking_uri, pair, os.environ):
        return held
    from training.publishing import mlflow_registry

    return aliases.Held(mlflow_registry.held(context.tracking, pair), context.tracking.note)


def _json(found: "Status") -> dict[str, Any]:
    """Dates as text, without the golden forecasts."""
    facts = asdict(found)
    for pointer in (facts["active"] and facts["active"]["pointer"], facts["published"]["pointer"]):
        if pointer:
            del pointer["golden"], pointer["scores"]
    return {**facts, "scores": list(found.scores)}


def _print(context: Context, found: "Status") -> None:
    """What is active, what it was worth, how old the prices are, and what does not fit together."""
    context.out.print(_facts(found), highlight=False)
    if found.scores:
        context.out.print(_scores(found), highlight=False)
    _print_charts(context, found)
    for note in filter(None, (found.published.reason, found.tracking.note)):
        context.out.print(f"- {note}", highlight=False)
    for difference in found.differences:
        context.out.print(f"[yellow]![/yellow] {difference}", highlight=False)


def _facts(found: "Status") -> "Table":
    from rich.table import Table

    from training.console import moment

    rows = Table(show_header=False, box=None, pad_edge=False)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    active = found.active
    if active:
        rows.add_row("active", f"{active.pointer.model_name} version {active.pointer.model_version}")
        rows.add_row("generation", f"{active.generation}, since {moment(active.activated_at)}")
        rows.add_row("sha256", active.champion.sha256)
        rows.add_row("trained", f"through {active.pointer.trained_through}")
    else:
        rows.add_row("active", "nothing")
    rows.add_row("published", found.published.state)
    for age in found.prices:
        rows.add_row("prices", f"{age.key} through {age.last_date}, {age.business_days} business days ago")
    for alias, (name, version) in found.tracking.aliases.items():
        rows.add_row(f"@{alias}", f"{name} version {version}")
    return rows


def _scores(found: "Status") -> "Table":
    from rich.table import Table

    table = Table(title="Pinball loss in percent of log return, from the champion's run")
    horizons = sorted({row["horizon"] for row in found.scores})
    for name in ("family", *(f"{horizon} d" for horizon in horizons)):
        table.add_column(name, justify="left" if name == "family" else "right")
    for family in dict.fromkeys(row["family"] for row in found.scores):
        own = {row["horizon"]: row["pinball"] for row in found.scores if row["family"] == family}
        table.add_row(family, *(f"{own[horizon]:.5f}" if horizon in own else "" for horizon in horizons))
    return table


def _print_charts(context: Context, found: "Status") -> None:
    """The official forecast, where there is one that can be read, and what its family gains."""
    from training.commands.output import print_fan, print_skill

    if days := _days(context):
        print_fan(context, days)
    if own := [row for row in found.scores if row["family"] not in BASELINES]:
        print_skill(context, own[0]["family"], own)


def _days(context: Context) -> list[dict[str, Any]]:
    """As the API shows them."""
    from lambda_fn.fields import ContractError
    from lambda_fn.record.official_forecast import Official
    from lambda_fn.store.keys import forecast_key
    from lambda_fn.store.object_store import Missing
    from lambda_fn.web.endpoints.forecast import select_days

    try:
        official = Official.parse(context.store.read(forecast_key(context.settings.pair)).data, context.settings.pair)
    except (Missing, ContractError):
        return []
    return select_days(official, {})


COMMAND = Command(
    "what is active, since when, its scores, the age of the prices, and what does not fit together", work, options.pair
)
