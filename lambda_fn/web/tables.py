"""Responses as CSV for pandas and spreadsheets, one row for each day."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.response import Text

CSV = "text/csv; charset=utf-8"
HISTORY = (
    *("as_of", "target_date", "kind", "generation", "family", "close", "outcome", "pinball", "pit"),
    *("inside_50", "inside_80", "inside_95", "note"),
)


def write_forecast(content: JsonObject) -> Text:
    """Write the prices of GET /api/predict.

    q0.05 is a quantile; lo-80 and hi-80 bound a central interval, with the names that Nixtla's forecasts use.
    """
    days = content["forecast"]
    levels, coverages = list(days[0]["quantiles"]), list(days[0]["intervals"])
    bounds = [name for coverage in coverages for name in (f"lo-{coverage}", f"hi-{coverage}")]
    header = ["date", "horizon", "mean", *(f"q{level}" for level in levels), *bounds, "as_of"]
    rows = [
        [
            *(day["date"], day["horizon"], day["mean"]),
            *(day["quantiles"][level] for level in levels),
            *(day["intervals"][coverage][bound] for coverage in coverages for bound in ("lower", "upper")),
            content["as_of"],
        ]
        for day in days
    ]
    return _write(f"{content['pair']}-{content['as_of']}.csv", header, rows)


def write_history(content: JsonObject) -> Text:
    """Write the days of GET /api/history; the header alone if there are none.

    Coverage is 1 or 0, as in record/<PAIR>.csv.
    """
    cells = [[day.get(name) for name in HISTORY] for day in content["days"]]
    rows = [[int(cell) if isinstance(cell, bool) else cell for cell in row] for row in cells]
    return _write(f"{content['pair']}-history.csv", HISTORY, rows)


def _write(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Text:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return Text(CSV, text.getvalue(), {"Content-Disposition": f'inline; filename="{name}"'})
