"""The check of a release: CodeDeploy invokes it before the new version of the API gets the first request.

It runs in Lambda's own Python, which brings boto3. The new version must answer as well as the live one: a fault that
the live version has too, such as a forecast that has expired, does not stop the release that may cure it.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config

PATHS = ("/health", "/api/predict")
JOBS = ("REFRESH", "INGEST")  # the variables that name the functions
TIMEOUT_S = 310  # of an invocation, a little more than the functions have


def handler(event: Mapping[str, str], context: object) -> None:
    """Check the release, and report the result to CodeDeploy, which continues or takes the release back."""
    client = boto3.client("lambda", config=Config(read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1}))
    try:
        failures = list(find_failures(client, os.environ))
    except Exception as error:  # noqa: BLE001  # CodeDeploy waits an hour for a result that is not reported
        failures = [f"{type(error).__name__}: {error}"]
    for failure in failures:
        sys.stdout.write(f"{json.dumps({'level': 'ERROR', 'message': failure})}\n")
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if failures else "Succeeded",
    )


def find_failures(client: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each request that only the new version fails, and for each job that fails.

    Args:
        client: Lambda's client.
        environ: NEW_VERSION and LIVE_VERSION of the API, BASE_PATH, and the names of the jobs' functions.
    """
    for path in PATHS:
        status, answer = _get(client, environ["NEW_VERSION"], f"{environ.get('BASE_PATH', '')}{path}")
        if status >= 400 and _get(client, environ["LIVE_VERSION"], f"{environ.get('BASE_PATH', '')}{path}")[0] < 400:
            yield f"GET {path}: {status} of the new version, and not of the live one: {answer}"
    for job in JOBS:
        error, answer = _invoke(client, environ[job], {"dry_run": True})
        if error:
            yield f"dry run of {job.lower()}: {error}: {answer}"


def _get(client: Any, function: str, path: str) -> tuple[int, str]:
    """Return the status and the body of a request as API Gateway sends it; 500 if the function fails."""
    http = {
        "method": "GET",
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "release-check",
    }
    error, answer = _invoke(
        client,
        function,
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"accept": "application/json"},
            "requestContext": {"http": http, "stage": "$default", "requestId": "release-check"},
            "isBase64Encoded": False,
        },
    )
    if error:
        return 500, f"{error}: {answer}"
    response = json.loads(answer)
    return int(response["statusCode"]), str(response.get("body", ""))


def _invoke(client: Any, function: str, event: object) -> tuple[str, str]:
    """Return the kind of error ("" without one) and the answer."""
    response = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    return response.get("FunctionError", ""), response["Payload"].read().decode()
