"""`make promote-ui`: MLflow's page on the registry of this folder, and the server, which promotes what is chosen there.

The webhook goes from one to the other on this machine, so MLflow's check of its address is switched off.
"""

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra import hook
from infra.hook import HookError, MlflowWebhooks, Webhook
from infra.mlflow_server import ENCRYPTION_KEY, encryption_key
from lambda_fn.registry.mlflow_access import Access
from lambda_fn.registry.webhook import PATH
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.command_line import read_dotenv
from lambda_fn.store.object_store import Unavailable

START_S = 120.0  # of both servers, on a busy machine
LOOPBACK = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
SECRET_FILE = "mlflow-webhook.secret"  # beside the database, whose webhooks its content encrypts


def read_secret(folder: Path) -> str:
    """Return the secret of this folder, which the first call makes, readable for its owner only."""
    path = folder / SECRET_FILE
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run both servers until one ends or Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser("make promote-ui", description="Promote a version on MLflow's page.")
    parser.add_argument("--port", default="8080", help="port of the server (default: %(default)s)")
    parser.add_argument("--mlflow-port", default="5000", help="port of MLflow's page (default: %(default)s)")
    args = parser.parse_args(arguments)
    variables = read_dotenv(Path(".env"), environ)
    uri = variables.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith("sqlite:///"):
        sys.stderr.write("MLFLOW_TRACKING_URI: is not a SQLite database; use python -m infra.hook for a server\n")
        return 2
    secret, page = read_secret(Path.cwd()), f"http://127.0.0.1:{args.mlflow_port}"
    key = encryption_key({"MLFLOW_WEBHOOK_KEY_SECRET": secret}) or ""
    own = {"MLFLOW_TRACKING_URI": page, "MLFLOW_HOOK_SECRET": secret}
    mlflow = [sys.executable, "-m", "mlflow", "server", f"--port={args.mlflow_port}", "--workers=1"]
    commands = [
        ([*mlflow, f"--backend-store-uri={uri}"], {**variables, **LOOPBACK, ENCRYPTION_KEY: key}),
        ([sys.executable, "-m", "lambda_fn.server", "--port", args.port], {**variables, **own}),
    ]
    processes = [subprocess.Popen(command, env=environment) for command, environment in commands]
    try:
        settings = Settings.from_env(own)
        wanted = Webhook(f"promotion-{settings.stack}", f"http://127.0.0.1:{args.port}{PATH}", secret)
        register(wanted, MlflowWebhooks(Access(page, None, None)), processes)
        sys.stderr.write(f"Give a version the alias champion on {page}/#/models\n")
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 130
    except (HookError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    return 1


def register(wanted: Webhook, webhooks: MlflowWebhooks, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Register the webhook as soon as both servers answer. Raises HookError."""
    deadline = datetime.now(UTC).timestamp() + START_S
    is_registered = False
    while not is_registered:
        try:
            is_registered = bool(hook.run(wanted, webhooks, check=False))
        except (Unavailable, HookError) as error:
            is_over = any(process.poll() is not None for process in processes)
            if is_over or datetime.now(UTC).timestamp() > deadline:
                raise HookError(f"the webhook cannot be registered: {error}") from error
            time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main())
