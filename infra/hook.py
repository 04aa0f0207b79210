"""`python -m infra.hook STACK`: register MLflow's webhook for a stack, or renew it, and test it. It can be repeated.

MLflow is reached as by training, with MLFLOW_TRACKING_URI and an administrator's login. With --url the webhook goes to
another server than that of a stack, and its secret is MLFLOW_HOOK_SECRET.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from urllib.request import Request

from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import OutputsError, read_outputs
from infra.session import SessionError, open_session
from lambda_fn.registry import webhook
from lambda_fn.registry.mlflow_access import Access, access, find_uri_fault
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Unavailable

EVENT = {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}
TIMEOUT_S = 60.0  # MLflow's test waits for the answer to its delivery
MAX_BYTES = 2**20
MAX_NAME = 62  # characters; MLflow allows letters, digits, hyphens, underscores and dots
ROUTE = "/api/2.0/mlflow/webhooks"


class HookError(RuntimeError):
    """The webhook cannot be registered, or would not deliver; the message says why and what to do."""


class Webhook(NamedTuple):
    """The webhook as it should be."""

    name: str
    url: str
    secret: str


def wanted_webhook(stack: str | None, url: str | None, settings: Settings, environ: Mapping[str, str]) -> Webhook:
    """Return the webhook of a stack, or that of a URL.

    Args:
        stack: Name of the service's stack.
        url: Address of another server, instead of a stack.
        settings: With MLFLOW_HOOK_SECRET, for a URL.
        environ: The AWS variables, for a stack.

    Raises:
        HookError: The stack has no webhook, or the secret is weak.
        OutputsError: The stack cannot be read.
        SessionError: There is no region, or the profile cannot be used.
    """
    text = settings.mlflow_hook_secret or ""
    if url is None:
        session = open_session(environ)
        outputs = read_outputs(stack or "", session)
        if "HookSecretArn" not in outputs:
            raise HookError(f"{stack}: has no webhook; deploy it with MlflowHookSecretArn=<HookSecretArn of MLflow's>")
        url = outputs["HookUrl"]
        secret_id = outputs["HookSecretArn"]
        text = session.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    try:
        secret, *_ = webhook.parse_secrets(text)  # the first of several is the new one
    except ValueError as error:
        raise HookError(f"the secret of the webhook is {error}; change it") from error
    name = f"promotion-{stack or settings.stack}"[:MAX_NAME]
    return Webhook(name.rstrip("-._"), url, secret)


class MlflowWebhooks(NamedTuple):
    """The webhooks of an MLflow server."""

    server: Access

    def find(self, name: str) -> dict[str, Any] | None:
        """Return the webhook of this name."""
        token = ""
        while True:
            page = self._send("GET", f"?max_results=100&page_token={quote(token)}")
            for registered in page.get("webhooks", ()):
                if registered["name"] == name:
                    return dict(registered)
            token = page.get("next_page_token", "")
            if not token:
                return None

    def save(self, wanted: Webhook) -> str:
        """Register the webhook, or renew the one of its name; return its id."""
        registered = self.find(wanted.name)
        body = {**wanted._asdict(), "events": [EVENT], "status": "ACTIVE"}
        if registered is None:
            return str(self._send("POST", "", body)["webhook"]["webhook_id"])
        self._send("PATCH", f"/{registered['webhook_id']}", body)
        return str(registered["webhook_id"])

    def test(self, webhook_id: str) -> str:
        """Let MLflow deliver its test event; return what is wrong, or an empty text."""
        result = self._send("POST", f"/{webhook_id}/test", {"event": EVENT})["result"]
        status = result.get("response_status")
        if status == 204:  # the test's alias is not champion
            return ""
        cures = {
            None: f"no answer ({result.get('error_message', '')}); check the address and MLflow's way out",
            401: "401, so the secrets differ; run this command without --check",
            404: "404, so nothing is deployed there; deploy with MlflowHookSecretArn",
        }
        return str(cures.get(status, f"{status}; check the log of the hook function"))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self.server.authorization:
            headers["Authorization"] = self.server.authorization
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.server.address}{ROUTE}{path}", data, headers, method=method)
        response = send_request(request, TIMEOUT_S, MAX_BYTES, tls=self.server.tls)
        if response.status == 500:
            raise HookError(
                f"{self.server.address} answers 500: it cannot decrypt its webhooks; start it with the "
                "MLFLOW_WEBHOOK_KEY_SECRET with which they were made"
            )
        if response.status != 200:
            answer = response.body[:200].decode(errors="replace")
            cure = "log in as an administrator" if response.status in (401, 403) else "check MLFLOW_TRACKING_URI"
            raise HookError(f"{self.server.address} answers {response.status} ({answer}); {cure}")
        registered: dict[str, Any] = json.loads(response.body or b"{}")
        return registered


def run(wanted: Webhook, webhooks: MlflowWebhooks, check: bool) -> str:
    """Register and test the webhook or, with `check`, only test it. Return the result; raises HookError."""
    if check:
        registered = webhooks.find(wanted.name)
        cure = "run this command without --check"
        if registered is None:
            raise HookError(f"{wanted.name}: not registered; {cure}")
        if (registered["url"], registered.get("status", "ACTIVE")) != (wanted.url, "ACTIVE") or EVENT not in registered[
            "events"
        ]:
            raise HookError(f"{wanted.name}: goes to {registered['url']}, or is not active for the alias; {cure}")
        webhook_id = str(registered["webhook_id"])
    else:
        webhook_id = webhooks.save(wanted)
    if fault := webhooks.test(webhook_id):
        raise HookError(f"{wanted.url}: MLflow's test delivery got {fault}")
    wait = "" if check else "; MLflow delivers from about a minute after this on"
    return f"{wanted.name}: deliveries to {wanted.url} arrive{wait}"


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Return 1 after one line on standard error when a delivery would not arrive."""
    parser = argparse.ArgumentParser("python -m infra.hook", description="Register and test MLflow's webhook.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("stack", nargs="?", help="name of the service's stack, e.g. eurusd-forecast")
    target.add_argument("--url", help="address of another server, e.g. http://127.0.0.1:8080/hooks/mlflow")
    parser.add_argument("--check", action="store_true", help="only say whether a delivery would arrive")
    args = parser.parse_args(arguments)
    try:
        settings = Settings.from_env(environ)
        if fault := find_uri_fault(settings.mlflow_tracking_uri):
            raise HookError(f"MLFLOW_TRACKING_URI: {fault}")
        wanted = wanted_webhook(args.stack, args.url, settings, environ)
        webhooks = MlflowWebhooks(access(settings, environ, datetime.now(UTC)))
        message = run(wanted, webhooks, args.check)
    except (HookError, OutputsError, SessionError, SettingsError, Unavailable, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{message}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
