"""The forecast as a file: a workbook for spreadsheets, and a fan chart."""

import textwrap
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_fn.client import forecast_rows
from training.commands.context import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BANDS = (("95", "#dbe8f3"), ("80", "#b5d1e8"), ("50", "#84b2d8"))  # coverage and colour, as on the page
FIGURE_INCHES = (8.0, 4.5)
DPI = 150
TITLE_CHARACTERS = 90


def write_file(option: str, path: Path, write: Callable[[Path], None]) -> None:
    """Write a file by `write`. Raises UsageError naming the option if that fails.

    Args:
        option: The option that names the file.
        path: The file.
        write: Writes it; a ValueError means that its ending is unknown.
    """
    try:
        write(path)
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be written ({error.strerror}); choose another file") from error
    except ValueError as error:
        raise UsageError(f"{option}: {path}: {error}; choose a file such as forecast{path.suffix or '.png'}") from error


def write_workbook(response: Mapping[str, Any], path: Path) -> None:
    """Write a response of /api/predict as an Excel workbook: a row for each day, with dates and numbers."""
    from openpyxl import Workbook

    workbook = Workbook()
    sheet = workbook.active
    sheet.title = response["pair"]
    rows = list(forecast_rows(response))
    sheet.append(list(rows[0]))
    for row in rows:
        days = {name: date.fromisoformat(row[name]) for name in ("date", "as_of")}
        sheet.append(list({**row, **days}.values()))
    sheet.freeze_panes = "B2"
    for column in ("date", "as_of"):
        sheet.column_dimensions[sheet.cell(1, list(rows[0]).index(column) + 1).column_letter].width = 12
    workbook.save(path)


def write_fan(response: Mapping[str, Any], path: Path) -> None:
    """Write a response of /api/predict as a fan chart, in the format of the file's ending.

    Raises ValueError for an ending that matplotlib does not know.
    """
    draw_fan(response).savefig(path)


def draw_fan(response: Mapping[str, Any]) -> "Figure":
    """Draw a response of /api/predict as a fan chart.

    The title has the age of the forecast unless it is fresh, and days that have begun are hatched.
    """
    import numpy as np
    from matplotlib.figure import Figure

    days = response["forecast"]
    dates = np.array([response["as_of"], *(day["date"] for day in days)], "datetime64[D]")
    last, pair = response["last_close"], response["pair"]
    figure = Figure(figsize=FIGURE_INCHES, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for coverage, colour in BANDS:
        if coverage in days[0]["intervals"]:
            bounds = [day["intervals"][coverage] for day in days]
            lower, upper = ([last, *(bound[side] for bound in bounds)] for side in ("lower", "upper"))
            axes.fill_between(dates, lower, upper, color=colour, linewidth=0, label=f"{coverage} %")
    axes.plot(dates, [last, *(day["median"] for day in days)], color="#1c5d99", linestyle="--", label="median")
    title, age = f"{pair[:3]}/{pair[3:]}: forecast from {response['as_of']}, last rate {last:g}", response["age"]
    if age["state"] != "fresh":
        sentence = f"{age['sentence'][:1].upper()}{age['sentence'][1:]}."
        title = f"{title}\n{textwrap.fill(sentence, TITLE_CHARACTERS)}"
        begun = sum(age["next_day"] is None or day["date"] < age["next_day"] for day in days)
        axes.axvspan(dates[0], dates[begun], fill=False, hatch="//", edgecolor="#999999", linewidth=0)
    axes.set_title(title)
    axes.set_ylabel(f"{pair[3:]} per {pair[:3]}")
    axes.set_xlabel("day")
    axes.legend(loc="upper left", frameon=False)
    axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    return figure
