"""What a run found: medians over its rounds, as ratios to the constant handler or server, as tables and as JSON."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from tests.benchmarks.measure import CONNECTIONS, Measured

BASE = "constant"
IN_PROCESS = "no child"


class Metric(NamedTuple):
    """A row of the table; `must` bounds the ratio of this service to `of`: at most, or with `least` at least. In MB it
    bounds the value."""

    name: str
    title: str
    digits: int
    must: float | None = None
    least: bool = False
    of: str = BASE


METRICS = (
    Metric("GET cold_ms", "cold GET, ms", 0, must=2.2),
    Metric("GET warm_ms", "warm GET, ms", 2, must=1.6),
    Metric("GET peak_mb", "peak memory of a GET, MB", 0, must=32),
    Metric("POST cold_ms", "cold POST, ms", 0, must=6),
    Metric("POST warm_ms", "warm POST, ms", 2, must=1.2, of=IN_PROCESS),
    Metric("POST peak_mb", "peak memory of a POST, MB", 0),
    *(
        Metric(f"{n} connections", f"requests/s, {n} connections", 0, 0.6 if n == 16 else None, True)
        for n in CONNECTIONS
    ),
)
IN_CONTAINER = {"GET cold_ms": 3.0}
Rounds = Mapping[str, Sequence[Measured]]
"""By subject, what each round measured by metric."""


def result(places: Mapping[str, Rounds], operations: Sequence[Measured], about: Mapping[str, Any]) -> dict[str, Any]:
    """The run as JSON: by place, metric and subject the median, its ratio to the constant one's, and every round; and
    the same of what only this service does."""
    machine = {"python": platform.python_version(), "platform": platform.platform(), "cores": os.cpu_count()}
    own = {name: _values([measured[name] for measured in operations]) for name in (operations[0] if operations else ())}
    return {**about, **machine, "places": {place: _metrics(rounds) for place, rounds in places.items()}, "own": own}


def tables(found: Mapping[str, Any]) -> list[Table]:
    """The same for people: a table a place, and one of what only this service does."""
    title = f"medians of {found['rounds']} rounds, in brackets multiples of the constant one"
    shown = [_table(place, f"{place}: {title}", metrics) for place, metrics in found["places"].items()]
    return [*shown, _own(found["own"])] if found["own"] else shown


def _metrics(rounds: Rounds) -> dict[str, Any]:
    return {metric.name: _subjects(metric.name, rounds) for metric in METRICS if metric.name in rounds[BASE][0]}


def _subjects(metric: str, rounds: Rounds) -> dict[str, Any]:
    values = {subject: [each[metric] for each in found if metric in each] for subject, found in rounds.items()}
    base = statistics.median(values[BASE])
    return {
        subject: {**_values(found), "ratio": statistics.median(found) / base}
        for subject, found in values.items()
        if found
    }


def _values(found: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(found), "rounds": found}


def _table(place: str, title: str, metrics: Mapping[str, Any]) -> Table:
    subjects = list(dict.fromkeys(subject for values in metrics.values() for subject in values))
    shown = Table(title=title)
    shown.add_column("")
    for subject in subjects:
        shown.add_column(subject, justify="right", no_wrap=True)
    shown.add_column("must")
    for metric in METRICS:
        if metric.name in metrics:
            values = metrics[metric.name]
            cells = [_cell(metric, values[subject]) if subject in values else "" for subject in subjects]
            shown.add_row(metric.title, *cells, _must(place, metric, values))
    return shown


def _cell(metric: Metric, value: Mapping[str, float]) -> str:
    return f"{value['median']:,.{metric.digits}f} ({value['ratio']:.2g})"


def _must(place: str, metric: Metric, values: Mapping[str, Mapping[str, float]]) -> str:
    bound = IN_CONTAINER.get(metric.name, metric.must) if place == "container" else metric.must
    if bound is None or metric.of not in values:
        return ""
    base = 1 if metric.name.endswith("_mb") else values[metric.of]["median"]
    found = [values[subject]["median"] / base for subject in ("folder", "bucket") if subject in values]
    met = min(found) >= bound if metric.least else max(found) <= bound
    of = "" if metric.of == BASE else f" of {metric.of}"
    return f"{'>=' if metric.least else '<='} {bound:g}{of}, {'met' if met else 'missed'}"


def _own(own: Mapping[str, Any]) -> Table:
    shown = Table(title="what only this service does: medians")
    shown.add_column("")
    shown.add_column("median", justify="right")
    for name, value in own.items():
        shown.add_row(name, f"{value['median']:,.1f}")
    return shown
