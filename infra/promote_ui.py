"""`make promote-ui`: MLflow's page on the registry of this folder, and the server, which promotes what is chosen there.

The webhook goes from one to the other on this machine, so MLflow's check of its address is switched off.
"""

import argparse
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra import hook
from infra.hook import HookError, MlflowWebhooks, Webhook
from infra.mlflow_server import ENCRYPTION_KEY, KEY_SECRET, ServerError, check_webhooks, encryption_key
from lambda_fn.registry.mlflow_access import Access
from lambda_fn.registry.webhook import PATH
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.command_line import read_dotenv
from lambda_fn.store.object_store import Unavailable

START_S = 300.0  # of each server, on a busy machine
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
    parser.add_argument("--port", type=int, default=8080, help="port of the server (default: %(default)s)")
    parser.add_argument("--mlflow-port", type=int, default=5000, help="port of MLflow's page (default: %(default)s)")
    args = parser.parse_args(arguments)
    variables = read_dotenv(Path(".env"), environ)
    page = f"http://127.0.0.1:{args.mlflow_port}"
    try:
        uri, secret, key = check_start(variables, (args.port, args.mlflow_port))
        server_variables = {"MLFLOW_TRACKING_URI": page, "MLFLOW_HOOK_SECRET": secret}
        settings = Settings.from_env({**variables, **server_variables})
    except (HookError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    wanted = Webhook(f"promotion-{settings.stack}", f"http://127.0.0.1:{args.port}{PATH}", secret)
    webhooks = MlflowWebhooks(Access(page, None, None))
    options = [f"--port={args.mlflow_port}", "--workers=1", f"--backend-store-uri={uri}"]
    mlflow = [sys.executable, "-m", "mlflow", "server", *options]
    server = [sys.executable, "-m", "lambda_fn.server", f"--port={args.port}"]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(subprocess.Popen(mlflow, env={**variables, **LOOPBACK, ENCRYPTION_KEY: key}))
        repeat(lambda: webhooks.find(wanted.name), processes)
        # the server looks for a choice that was not delivered when it starts, so MLflow must answer before
        processes.append(subprocess.Popen(server, env={**variables, **server_variables}))
        repeat(lambda: hook.run(wanted, webhooks, check=False), processes)
        sys.stderr.write(f"Give a version the alias champion on {page}/#/models\n")
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 130
    except HookError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    return 1


def check_start(variables: Mapping[str, str], ports: Sequence[int]) -> tuple[str, str, str]:
    """Return the address of the database, the secret of the webhook and the key that encrypts it.

    Raises HookError if the servers could not start, or could not work together.
    """
    uri = variables.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith("sqlite:///"):
        raise HookError("MLFLOW_TRACKING_URI: not a SQLite database; for a server use python -m infra.hook")
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        raise HookError(f"MLFLOW_TRACKING_URI: there is no {database}; run make train first")
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except (OSError, OverflowError) as error:
            cure = "choose others: make promote-ui PORT=8081 ARGS='--mlflow-port 5001'"
            raise HookError(f"port {port} cannot be used ({error}); {cure}") from error
    secret = read_secret(Path.cwd())
    key = encryption_key({KEY_SECRET: secret}) or ""
    try:
        check_webhooks(database, key)
    except ServerError as error:
        cure = f"restore it, or delete them: sqlite3 {database} 'DELETE FROM webhooks'"
        raise HookError(f"{SECRET_FILE}: not the secret with which the webhooks were made; {cure}") from error
    except sqlite3.Error as error:
        cure = "move the file away, and run make train"
        raise HookError(f"MLFLOW_TRACKING_URI: {database} is not of this MLflow ({error}); {cure}") from error
    return uri, secret, key


def repeat(step: Callable[[], object], processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Repeat a step until the servers answer. Raises HookError if they do not, or if one has ended."""
    deadline = time.monotonic() + START_S
    while True:
        if any(process.poll() is not None for process in processes):
            raise HookError("a server has ended; its reason is above")
        try:
            step()
        except (Unavailable, HookError) as error:
            if time.monotonic() > deadline:
                raise HookError(f"the webhook cannot be registered: {error}") from error
            time.sleep(1.0)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
