"""What a run found: medians over its rounds, as ratios to the constant handler or server, as a table and as JSON."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

BASE = "constant"


class Metric(NamedTuple):
    """A row of the table; `most` is the target for the ratio or the value, None when there is none."""

    name: str
    title: str
    digits: int
    most_ratio: float | None = None
    most: float | None = None


METRICS = (
    Metric("cold_start_ms", "cold start, ms", 0, most_ratio=8),
    Metric("warm_p50_ms", "warm p50, ms", 2),
    Metric("warm_p99_ms", "warm p99, ms", 2),
    Metric("peak_rss_mb", "peak RSS, MB", 1, most=90),
    Metric("requests_per_s", "requests/s", 0),
)
Rounds = Mapping[str, Sequence[Mapping[str, float]]]
"""By subject, what each round measured by metric."""


def result(places: Mapping[str, Rounds], about: Mapping[str, Any]) -> dict[str, Any]:
    """The run as JSON: by place, metric and subject the median, its ratio to the constant one's, and every round."""
    machine = {"python": platform.python_version(), "platform": platform.platform(), "cores": os.cpu_count()}
    return {**about, **machine, "places": {place: _metrics(rounds) for place, rounds in places.items()}}


def tables(found: Mapping[str, Any]) -> list[Table]:
    """The same for people, a table a place, and whether each target is met by every subject."""
    title = f"medians of {found['rounds']} rounds, {found['connections']} connections"
    return [_table(f"{place}: {title}", metrics) for place, metrics in found["places"].items()]


def _metrics(rounds: Rounds) -> dict[str, Any]:
    measured = rounds[BASE][0]
    return {metric.name: _subjects(metric.name, rounds) for metric in METRICS if metric.name in measured}


def _subjects(metric: str, rounds: Rounds) -> dict[str, Any]:
    values = {subject: [measured[metric] for measured in each] for subject, each in rounds.items()}
    medians = {subject: statistics.median(each) for subject, each in values.items()}
    return {
        subject: {"median": medians[subject], "ratio": medians[subject] / medians[BASE], "rounds": each}
        for subject, each in values.items()
    }


def _table(title: str, metrics: Mapping[str, Any]) -> Table:
    shown = Table(title=title)
    shown.add_column("")
    for subject in metrics[METRICS[0].name]:
        shown.add_column(subject, justify="right")
        if subject != BASE:
            shown.add_column("ratio", justify="right")
    shown.add_column("target")
    for metric in METRICS:
        if metric.name in metrics:
            values = metrics[metric.name]
            cells = [cell for subject, value in values.items() for cell in _cells(metric, subject, value)]
            shown.add_row(metric.title, *cells, _target(metric, values))
    return shown


def _cells(metric: Metric, subject: str, value: Mapping[str, float]) -> list[str]:
    median = f"{value['median']:,.{metric.digits}f}"
    return [median] if subject == BASE else [median, f"{value['ratio']:.2f}"]


def _target(metric: Metric, values: Mapping[str, Mapping[str, float]]) -> str:
    if metric.most_ratio is not None:
        met = all(value["ratio"] <= metric.most_ratio for value in values.values())
        return f"<= {metric.most_ratio:g} x, {'met' if met else 'missed'}"
    if metric.most is not None:
        met = all(value["median"] <= metric.most for value in values.values())
        return f"<= {metric.most:g}, {'met' if met else 'missed'}"
    return ""
