"""A Lambda function in a container of the service's image, behind the runtime interface emulator."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.e2e import containers
from tests.support.e2e.containers import Container, free_ports, listens
from tests.support.e2e.steps import PATIENCE_S, until

EMULATOR = "/usr/local/bin/aws-lambda-rie"
BOOTSTRAP = "/var/runtime/bootstrap"
PATH = "/2015-03-31/functions/function/invocations"
API, REFRESH, INGEST = (f"lambda_fn.{name}.handler" for name in ("api", "refresh", "ingest"))


class Invocation(NamedTuple):
    """What a function returned or, when `error` is its class, raised."""

    payload: Any

    @property
    def error(self) -> str | None:
        """The name of the exception's class; the emulator answers 200 for a function that failed, as Lambda does."""
        return self.payload.get("errorType") if isinstance(self.payload, dict) else None


class LambdaContainer:
    """One environment of a function: it initialises at the first invocation and handles one at a time."""

    def __init__(self, container: Container, port: int) -> None:
        self.container = container
        self._port = port
        self._free = threading.Lock()

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        """Waits for its turn: Lambda would start another environment instead."""
        with self._free:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            try:
                connection.request("POST", PATH, json.dumps(event))
                data = connection.getresponse().read()
            finally:
                connection.close()
        return Invocation(json.loads(data))

    def log(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines of the log."""
        return objects(self.container.log())

    def counted(self, metric: str) -> float:
        """The sum of a metric over the lines of the embedded metric format, as CloudWatch would make it."""
        found = 0.0
        for line in self.log():
            defined = [each for part in line.get("_aws", {}).get("CloudWatchMetrics", []) for each in part["Metrics"]]
            if metric in [each["Name"] for each in defined]:
                values = line[metric]
                found += sum(values) if isinstance(values, list) else values
        return found


def objects(log: str) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects: structured logs and metrics."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]


@contextmanager
def running(image: str, handler: str, environ: Mapping[str, str]) -> Iterator[LambdaContainer]:
    """A function with this handler and these variables, and those that Lambda sets."""
    port, runtime_port = free_ports(2)
    variables = {
        "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[1],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        **environ,
    }
    addresses = [f"--runtime-interface-emulator-address=127.0.0.1:{port}"]
    addresses += [f"--runtime-api-address=127.0.0.1:{runtime_port}"]
    with containers.running(image, EMULATOR, [*addresses, BOOTSTRAP], variables) as container:
        until(lambda: listens(port) or not container.is_running(), f"the emulator of {handler}")
        assert container.is_running(), container.log()
        yield LambdaContainer(container, port)
