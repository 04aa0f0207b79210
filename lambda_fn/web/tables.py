"""Answers as CSV: flat rows, one a day, for a spreadsheet and for pandas."""

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


def of_forecast(answer: JsonObject) -> Text:
    """The answer of GET /api/predict in prices: q0.05 is a quantile, lo-80 and hi-80 bound a central interval, as
    Nixtla's forecasts name them."""
    days = answer["forecast"]
    levels, coverages = list(days[0]["quantiles"]), list(days[0]["intervals"])
    bounds = [name for coverage in coverages for name in (f"lo-{coverage}", f"hi-{coverage}")]
    header = ["date", "horizon", "mean", *(f"q{level}" for level in levels), *bounds, "as_of"]
    rows = [
        [
            *(day["date"], day["horizon"], day["mean"]),
            *(day["quantiles"][level] for level in levels),
            *(day["intervals"][coverage][bound] for coverage in coverages for bound in ("lower", "upper")),
            answer["as_of"],
        ]
        for day in days
    ]
    return _table(f"{answer['pair']}-{answer['as_of']}.csv", header, rows)


def of_history(answer: JsonObject) -> Text:
    """The answer of GET /api/history: a row a day, also when there is none."""
    rows = [[_cell(day.get(name)) for name in HISTORY] for day in answer["days"]]
    return _table(f"{answer['pair']}-history.csv", HISTORY, rows)


def _table(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Text:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return Text(CSV, text.getvalue(), {"Content-Disposition": f'inline; filename="{name}"'})


def _cell(value: Any) -> Any:
    """Whether an interval held as 1 and 0, as in record/<PAIR>.csv."""
    return int(value) if isinstance(value, bool) else value
