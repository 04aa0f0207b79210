"""Logs and metrics of the API in Lambda: the lines that Powertools' Logger and Metrics write, key for key.

Importing those two is a quarter of a cold start. What only an error needs, its stack, is left to Powertools, which is
imported then.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

TRACE = "_X_AMZN_TRACE_ID"  # Lambda sets it anew for each invocation
NAMESPACE = "EurUsdForecast"
LEVELS = ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL")
# What the dashboard shows pair by pair. Every metric of every pair costs by the month; the rest is summed over them.
BY_PAIR = frozenset(
    ("ChampionGeneration", "ChampionAgeDays", "PriceAgeDays", "ForecastMade", "RecordCoverage80", "RecordSkill")
)
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Metric(NamedTuple):
    """One value; `unit` as CloudWatch names it, such as Count."""

    name: str
    unit: str
    value: float


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON. `keys` are in every line until they are changed."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service
        self.keys: dict[str, Any] = {}

    def format(self, record: logging.LogRecord) -> str:
        """As Powertools' formatter does."""
        if record.exc_info or record.stack_info:
            return self._with_stack(record)
        line = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": _rfc3339(record.created),
            "service": self.service,
            **self.keys,
            **{name: value for name, value in vars(record).items() if name not in _KNOWN},
            **({"xray_trace_id": trace} if (trace := _trace()) else {}),
        }
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=str)
        return text.encode("utf-8", "backslashreplace").decode()  # half of a character could not be written

    def _with_stack(self, record: logging.LogRecord) -> str:
        from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter  # when something went wrong

        formatter = LambdaPowertoolsFormatter(service=self.service, use_rfc3339=True)
        formatter.append_keys(**self.keys)
        return formatter.format(record)


def log_as_json(name: str, service: str, environ: Mapping[str, str]) -> JsonFormatter:
    """Makes the logger `name`, a package's, write JSON to standard output; what it returns takes the keys of lines."""
    formatter = JsonFormatter(service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.propagate = False  # Lambda's own handler would write each line again
    logger.setLevel(next((environ[level] for level in LEVELS if environ.get(level)), "INFO").upper())
    return formatter


def write_metrics(service: str, stack: str, pair: str, metrics: list[Metric]) -> None:
    """One line to standard output, which CloudWatch takes the metrics from (embedded metric format, EMF).

    Each value counts for the whole stack, those of BY_PAIR also for the pair. An alarm watches the stack's, of which
    the maximum is that of the worst pair, so that more pairs need no more alarms. The pair is in every line, where the
    log can be asked for it. The service is in the line and no dimension: refresh and ingest both count forecasts.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    own = [metric for metric in metrics if metric.name in BY_PAIR]
    summed = [metric for metric in metrics if metric.name not in BY_PAIR]
    about = [_directive(own, [["pair", "stack"], ["stack"]])] if own else []
    about += [_directive(summed, [["stack"]])] if summed else []
    line = {
        "_aws": {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": about},
        "pair": pair,
        "stack": stack,
        "service": service,
        **{metric.name: [float(metric.value)] for metric in metrics},
    }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


def _directive(metrics: list[Metric], dimensions: list[list[str]]) -> dict[str, Any]:
    named = [{"Name": metric.name, "Unit": metric.unit} for metric in metrics]
    return {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": named}


def _rfc3339(seconds: float) -> str:
    """In the form that Lambda reads: with another it would take every line for one of the level INFO."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _trace() -> str:
    return os.environ.get(TRACE, "").partition(";")[0].removeprefix("Root=")
