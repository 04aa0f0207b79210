"""The commands that show the state of the service: `status`, `history` and `forecast`. They import nothing heavy."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_fn.store.command_line import TEMPORARY_FAILURE
from training.commands.command import INSTALL_TRAINING, command
from training.commands.context import Context, UsageError, print_json
from training.commands.options import pair_option
from training.conventions import HEADLINE_HORIZONS

if TYPE_CHECKING:
    from training.publishing.mlflow_access import AliasHolders
    from training.publishing.status import Status

SHOWN_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")  # quantiles in the table, if the champion has them


def _check_store(context: Context) -> None:
    """Raise SettingsError unless the folder of the store exists."""
    from lambda_fn.store.local import check_folder

    check_folder(context.settings)


@command("status", "print what is active, its scores, the age of the prices, and what does not match")
@pair_option
def show_status(context: Context) -> None:
    """Print what is served, and mismatches between pointer, registry and prices."""
    _check_store(context)

    from training.publishing import mlflow_access
    from training.publishing.status import collect_status

    def read_aliases() -> "AliasHolders":
        pair = context.settings.pair
        if holders := mlflow_access.read_aliases(context.tracking_uri, pair, os.environ):
            return holders
        try:  # MLflow's client (its import takes seconds) only if necessary
            from training.publishing import mlflow_registry
        except ModuleNotFoundError as error:
            reason = f"the registry cannot be read without MLflow; {INSTALL_TRAINING}"
            raise mlflow_access.RegistryError(reason) from error
        return mlflow_access.AliasHolders(mlflow_registry.alias_holders(context.tracking, pair), context.tracking.note)

    current = collect_status(context.store, context.settings, context.now, read_aliases)
    if not context.as_json:
        _print_status(current, context)
        return
    facts = asdict(current)
    for pointer in (facts["active"] and facts["active"]["pointer"], facts["published"]["pointer"]):
        if pointer:
            del pointer["golden"], pointer["scores"]
    del facts["official"]
    facts["forecast"] = current.forecast and current.forecast._asdict()
    print_json({**facts, "scores": list(current.scores)})


def _print_status(current: "Status", context: Context) -> None:
    """Print what is active, its scores, the age of the prices, charts, and what does not match."""
    from rich.table import Table

    from lambda_fn.web.endpoints.forecast import select_days
    from lambda_fn.web.forecast import age_json
    from training.commands.scores import print_fan, print_skill
    from training.console import format_time, print_table
    from training.models.economic_calendar import TITLES
    from training.publishing.promotion import champion_scores

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
    for kind, last in current.events.items():
        facts.add_row("events", f"{TITLES.get(kind, kind)} through {last}")
    if current.forecast:
        next_day = current.forecast.next_day
        facts.add_row("forecast", current.forecast.state + (f", for {next_day} and later days" if next_day else ""))
    for alias, (name, version) in current.tracking.aliases.items():
        facts.add_row(f"@{alias}", f"{name} version {version}")
    context.out.print(facts)
    if scored := [row for row in current.scores if {"family", "horizon", "pinball"} <= row.keys()]:
        horizons = sorted({row["horizon"] for row in scored})
        losses: dict[str, dict[int, str]] = {}
        for row in scored:
            losses.setdefault(row["family"], {})[row["horizon"]] = f"{row['pinball']:.5f}"
        rows = [
            {"family": family, **{f"{days} d": by_horizon.get(days, "") for days in horizons}}
            for family, by_horizon in losses.items()
        ]
        title = "Pinball loss in percent of log return, from the champion's run"
        print_table(context.out, rows, title, left_aligned=("family",))
    if current.official and (timeliness := current.forecast):
        days = [dict(day) for day in select_days(current.official, {}, timeliness)]
        print_fan(days, context, age_json(timeliness)["next_day"])
    if scores := current.active and champion_scores(current.active.pointer):
        print_skill(scores[0]["family"], scores, context)
    context.print(*(f"- {note}" for note in (current.published.reason, current.tracking.note) if note))
    outdated = (
        [f"{current.forecast.sentence}; {current.forecast.fix}"] if current.forecast and current.forecast.fix else []
    )
    context.print(*(f"[yellow]![/yellow] {warning}" for warning in (*outdated, *current.differences)))


@command("history", "list every generation: its scores, when it was active, and why it was published and replaced")
@pair_option
def show_history(context: Context) -> None:
    """List every generation, when it was active and why."""
    _check_store(context)

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
        context.print("nothing was ever published; run eurusd run")
    else:
        title, least_needed = f"Champions of {context.settings.pair}", [f"{days} d" for days in HEADLINE_HORIZONS[::-1]]
        left_aligned = ("champion", "since", "until")
        print_table(context.out, rows, title, left_aligned=left_aligned, least_needed=least_needed, has_edges=False)
        context.print(*reasons)


@command("events", "list the scheduled events in training/models/events.csv, and the dates to add for the next year")
def list_events(context: Context) -> None:
    """List how far each kind of event is known, and what the current and the next year lack."""
    from training.console import print_table
    from training.models.economic_calendar import SOURCES, TITLES, days_left, list_years, load_events

    events, today = load_events(), context.now.date()
    known_through, counted = events.known_through(), list_years(events, (today.year, today.year + 1))
    remaining = days_left(known_through, today)
    if context.as_json:
        facts = [
            {
                "event": kind,
                "known_through": last,
                "days_left": remaining[kind],
                "years": {
                    str(row.year): {"dates": row.dates, "missing": row.missing} for row in counted if row.kind == kind
                },
                "source": SOURCES[kind],
            }
            for kind, last in known_through.items()
        ]
        print_json({"events": facts})
        return
    rows = [
        {
            "event": TITLES[kind],
            "known through": str(last),
            "days left": str(remaining[kind]),
            **{f"dates of {row.year}": str(row.dates) for row in counted if row.kind == kind},
        }
        for kind, last in known_through.items()
    ]
    caption = "US payrolls follow a rule"
    print_table(
        context.out, rows, "Scheduled events", left_aligned=("event", "known through"), caption=caption, has_edges=False
    )
    for row in counted:
        if row.missing:
            context.print(
                f"[yellow]![/yellow] {TITLES[row.kind]}: {row.missing} dates of {row.year} are missing; add a line "
                f"{row.year}-MM-DD,{row.kind} for each to training/models/events.csv, from {SOURCES[row.kind]}"
            )


@command("forecast", "print the forecast through the Lambda handler; the exit code of an expired one is 75")
@pair_option
@click.option(
    "--horizon",
    type=int,
    help="business days to forecast (default: 5, of a late forecast 5 from today), or until the day of the book",
)
@click.option("--xlsx", type=Path, metavar="FILE", help="also write the forecast as an Excel workbook")
@click.option("--plot", type=Path, metavar="FILE", help="also draw the forecast as a fan chart: .png, .svg or .pdf")
@click.option(
    "--book",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="print the risk of the book in this CSV file (currency, amount) instead",
)
@click.option("--currency", default="EUR", help="reporting currency of the book (default: EUR)")
@click.option("--csv", "as_csv", is_flag=True, help="write the risk of the book as CSV")
def show_forecast(
    context: Context,
    horizon: int | None,
    xlsx: Path | None,
    plot: Path | None,
    book: Path | None,
    currency: str,
    as_csv: bool,
) -> int:
    """Send a request through the API of this process and print its response; return 75 for an expired forecast.

    Args:
        context: Store, settings and output.
        horizon: Business days.
        xlsx: The workbook to write.
        plot: The chart to draw.
        book: A CSV file with the positions of a book.
        currency: The reporting currency of the book.
        as_csv: Write the risk of the book as CSV.
    """
    _check_store(context)

    from lambda_fn.api import App
    from lambda_fn.web.request import Request

    if as_csv and book is None:
        raise UsageError("--csv: only the risk of a book is written as CSV; give --book FILE")
    query = {} if horizon is None else {"horizon": str(horizon)}
    if book is not None:
        if xlsx or plot:
            raise UsageError("--book: its risk is not written by --xlsx or --plot; leave them out, or use --csv")
        from training.commands.book import show_book

        return show_book(book, {"currency": currency, **query}, as_csv, context)
    settings = context.settings._replace(pairs=(context.settings.pair,))
    app = App(context.store, settings, clock=context.now.timestamp)
    response = app.handle(Request("GET", "/api/predict", query))
    body = json.loads(response.body)
    if response.status != 200:
        error = body["error"]
        raise UsageError(f"GET /api/predict answered {response.status}: {error['message']}; {error['cure']}")
    print_forecast(body, context)
    if xlsx or plot:
        from training.commands import forecast_files

        for option, path, write in (
            ("--xlsx", xlsx, forecast_files.write_workbook),
            ("--plot", plot, forecast_files.write_fan),
        ):
            if path is not None:
                forecast_files.write_file(option, path, partial(write, body))
    return TEMPORARY_FAILURE if body["age"]["state"] == "expired" else 0


def print_forecast(response: Mapping[str, Any], context: Context) -> None:
    """Print a response of /api/predict: its age, a row for each day, and charts of the forecast and its skill."""
    from lambda_fn.currency_pairs import price_digits
    from training.commands.scores import label_day, print_fan, print_skill
    from training.console import print_table

    if context.as_json:
        print_json(response)
        return
    champion, days, age = response["champion"], response["forecast"], response["age"]
    sentence = f"{age['sentence'][:1].upper()}{age['sentence'][1:]}."
    context.print(sentence if age["state"] == "fresh" else f"[yellow]![/yellow] {sentence}")
    levels = [level for level in SHOWN_LEVELS if level in days[0]["quantiles"]]
    names = {level: "median" if level == "0.5" else f"{float(level):.0%}" for level in levels}
    digits = price_digits(response["last_close"])
    rows = [
        {
            "day": label_day(day["date"], age["next_day"]),
            **{names[level]: f"{day['quantiles'][level]:.{digits}f}" for level in levels},
        }
        for day in days
    ]
    print_table(
        context.out,
        rows,
        f"{response['pair']} after {response['last_close']:.{digits}f} on {response['as_of']}",
        left_aligned=("day",),
        caption=f"{champion['name']}, generation {champion['generation']}, trained through "
        f"{champion['trained_through']}",
    )
    print_fan(days, context, age["next_day"])
    print_skill(champion["family"], champion["scores"], context)
