"""The risk of a book of currencies, read from a CSV file, as a table, JSON or CSV."""

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambda_fn.store.command_line import TEMPORARY_FAILURE
from training.commands.context import Context, UsageError, print_json

HEADER = ["currency", "amount"]


def read_book(path: Path) -> str:
    """Return the positions of a CSV file with the columns currency and amount, as the query of GET /api/book has them.

    Raises UsageError naming the line.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--book: {path} is not a CSV file in UTF-8 ({error}); save it as CSV") from error
    cells = [[cell.strip() for cell in row] for row in rows]
    if not cells or [name.lower() for name in cells[0]] != HEADER:
        raise UsageError(f"--book: {path} does not begin with the line currency,amount; add it")
    for number, row in enumerate(cells[1:], 2):
        if row and (len(row) != len(HEADER) or not all(row) or any(":" in cell or "," in cell for cell in row)):
            raise UsageError(f"--book: line {number} of {path} is not a currency and an amount; write USD,1000000")
    return ",".join(f"{row[0]}:{row[1]}" for row in cells[1:] if row)


def show_book(path: Path, query: Mapping[str, str], as_csv: bool, context: Context) -> int:
    """Print the answer of GET /api/book for the positions in a file; return 75 for an expired forecast.

    Args:
        path: The CSV file.
        query: The other parameters.
        as_csv: Write CSV instead of a table.
        context: Store, settings and output.
    """
    from lambda_fn.api import App
    from lambda_fn.web.request import Request

    app = App(context.store, context.settings, clock=context.now.timestamp)
    parameters = {**query, "position": read_book(path)}

    def ask(**more: str) -> str:
        response = app.handle(Request("GET", "/api/book", {**parameters, **more}))
        if response.status != 200:
            error = json.loads(response.body)["error"]
            raise UsageError(f"GET /api/book answered {response.status}: {error['message']}; {error['cure']}")
        return str(response.body)

    answer = json.loads(ask())
    if as_csv:
        sys.stdout.write(ask(format="csv"))
    else:
        print_book(answer, context)
    return TEMPORARY_FAILURE if answer["age"]["state"] == "expired" else 0


def print_book(answer: Mapping[str, Any], context: Context) -> None:
    """Print a response of /api/book: a row for each position with its contributions, the total, and the sentence."""
    from training.console import print_table

    if context.as_json:
        print_json(answer)
        return
    if answer["age"]["state"] != "fresh":
        sentence = answer["age"]["sentence"]
        context.print(f"[yellow]![/yellow] {sentence[:1].upper()}{sentence[1:]}.")
    names = {name: f"VaR {name} %" for name in answer["risk"]}

    def cells(losses: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
        return {title: f"{losses[name]['value_at_risk']:,.2f}" for name, title in names.items()}

    rows = [
        {
            "currency": row["currency"],
            "amount": f"{row['amount']:,.2f}",
            f"in {answer['currency']}": f"{row['value']:,.2f}",
            **cells(row["contribution"]),
        }
        for row in answer["positions"]
    ]
    rows.append({"currency": "total", f"in {answer['currency']}": f"{answer['value']:,.2f}", **cells(answer["risk"])})
    print_table(
        context.out,
        [{"currency": "", "amount": "", **row} for row in rows],
        f"Risk in {answer['currency']} from {answer['as_of']} to {answer['date']}",
        left_aligned=("currency",),
        caption="VaR: value at risk; that of a position is its contribution",
    )
    context.print(f"{answer['sentence']}.")
