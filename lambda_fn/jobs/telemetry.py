"""Logs and metrics in Lambda: the same lines as Powertools' Logger and Metrics write, key for key.

Importing those two takes a quarter of a cold start. Only stack traces are left to Powertools, which is imported for
them.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lambda_fn import __version__

TRACE = "_X_AMZN_TRACE_ID"  # Lambda sets it anew for each invocation
NAMESPACE = "EurUsdForecast"
LEVELS = ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL")
# The metrics that the dashboard shows by pair. Each metric of each pair costs per month; others are summed over pairs.
BY_PAIR = frozenset(
    ("ChampionGeneration", "ChampionAgeDays", "PriceAgeDays", "ForecastMade", "RecordCoverage80", "RecordSkill")
)
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Metric(NamedTuple):
    """A value with a unit of CloudWatch, such as Count."""

    name: str
    unit: str
    value: float


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON, with `keys` in every line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service
        self.keys: dict[str, Any] = {}

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as Powertools' formatter does."""
        if record.exc_info or record.stack_info:
            from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter  # only for stack traces

            formatter = LambdaPowertoolsFormatter(service=self.service, use_rfc3339=True)
            formatter.append_keys(**self.keys)
            return formatter.format(record)
        trace = os.environ.get(TRACE, "").partition(";")[0].removeprefix("Root=")
        line = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            # RFC 3339, which Lambda parses: it takes lines with another form for lines of the level INFO.
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": self.service,
            **self.keys,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES},
            **({"xray_trace_id": trace} if trace else {}),
        }
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=str)
        return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate cannot be encoded


def log_as_json(name: str, service: str, environ: Mapping[str, str]) -> JsonFormatter:
    """Let the logger `name` of a package write JSON to standard output, with the version of the project in each line.

    Returns the formatter, which has the keys.
    """
    formatter = JsonFormatter(service)
    formatter.keys["version"] = __version__
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.propagate = False  # otherwise Lambda's own handler writes each line again
    levels = [*filter(None, map(environ.get, LEVELS)), "INFO"]
    logger.setLevel(levels[0].upper())
    return formatter


def write_metrics(service: str, stack: str, pair: str, metrics: list[Metric]) -> None:
    """Write one line to standard output, from which CloudWatch extracts the metrics (embedded metric format, EMF).

    Each value has the dimension stack; those of BY_PAIR also have pair and stack. Alarms watch the maximum over the
    stack, which is that of the worst pair, so that more pairs need no more alarms. The pair is in every line, so that
    the log can be searched for it. The service is in the line but is not a dimension, because refresh and ingest both
    count forecasts.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

    Args:
        service: the job, in the line.
        stack: name of the deployment.
        pair: the currency pair.
        metrics: the values.
    """
    directives = []
    for is_by_pair, dimensions in ((True, [["pair", "stack"], ["stack"]]), (False, [["stack"]])):
        units = {metric.name: metric.unit for metric in metrics if (metric.name in BY_PAIR) is is_by_pair}
        if units:
            definitions = [{"Name": name, "Unit": unit} for name, unit in units.items()]
            directives.append({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions})
    line = {
        "_aws": {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": directives},
        "pair": pair,
        "stack": stack,
        "service": service,
        **{metric.name: [float(metric.value)] for metric in metrics},
    }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
