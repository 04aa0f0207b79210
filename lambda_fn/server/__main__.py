"""The same API without AWS: `python -m lambda_fn.server --port 8080` turns HTTP into events for Lambda's handler."""

import argparse
import logging
import logging.config
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from lambda_fn.server.refresher import STOP_S, Refresher
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store.s3 import open_store

WORKING_FOLDER = "/"  # of all processes, not the one in which .env may lie: no champion works beside secrets
BACKLOG = 512  # connections that the kernel keeps until a process takes them
_log = logging.getLogger("lambda_fn.server")  # also when this module is __main__


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns 2 after one sentence on standard error when it cannot start."""
    asked = _parser().parse_args(arguments)
    environ = read_dotenv(Path(".env"), os.environ)
    logging.config.dictConfig(LOGGING)
    try:
        settings = Settings.from_env(environ)
        os.environ.update(environ)  # credentials, too, may be in .env
        store = open_store(settings)
        listening = _listen(asked.host, asked.port)
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # with a bucket another function refreshes, which alone may write there
    default_every = 0.0 if settings.use_s3 else max(settings.champion_max_age_s, 1.0)
    every = default_every if asked.refresh_every is None else asked.refresh_every
    refresher = Refresher(store, settings, every, environ)
    # for the handler, here and in the server's other processes, which start in this one's folder
    os.environ["STORE_DIR"] = str(Path(settings.store_dir).absolute())
    os.chdir(WORKING_FOLDER)
    if every:
        refresher.start()
    # uvicorn stops gracefully and then raises the signal again: so that this is no failure
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        _serve(asked.processes, listening)
    finally:
        refresher.stop()
    return 0


def _serve(processes: int, listening: socket.socket) -> None:
    # Uvicorn's own variable. Without it uvicorn believes this machine, so any process here could write the access log.
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "")
    config = uvicorn.Config(
        "lambda_fn.server.asgi:application",
        factory=True,
        http="lambda_fn.server.http_limits:Protocol",
        ws="none",
        lifespan="off",
        workers=processes,
        log_config=LOGGING,
        server_header=False,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted or None,
        timeout_graceful_shutdown=STOP_S,
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Serving on http://{shown}:{port} (stop with Ctrl-C)\n")
    sys.stderr.flush()
    if processes > 1:
        Multiprocess(config, sockets=[listening]).run()
        return
    uvicorn.Server(config).run(sockets=[listening])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m lambda_fn.server", description="Serve the API over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--processes", type=_count, default=1, help="one a core is best (default: %(default)s)")
    parser.add_argument(
        "--refresh-every",
        type=_seconds,
        metavar="S",
        help="activate what was published every S seconds, 0: never (default: CHAMPION_MAX_AGE_S, with USE_S3 never)",
    )
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give 1 to 65535, or 0 for a free one")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes; give 1 to 256")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from error
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds that can be waited")
    return seconds


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError whose text names the address, the reason and the cure."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        cure = "choose another with --port or --host"
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}; {cure}") from error
    listening.set_inheritable(True)
    return listening


# Everything to standard error, one line each, so that standard output stays free.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(message)s"},
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": '%(asctime)s %(client_addr)s "%(request_line)s" %(status_code)s',
            "use_colors": False,
        },
    },
    "filters": {"without_query": {"()": "lambda_fn.server.asgi.WithoutQuery"}},
    "handlers": {
        "line": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "access",
            "filters": ["without_query"],
            "stream": "ext://sys.stderr",
        },
    },
    "loggers": {
        "lambda_fn": {"handlers": ["line"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"handlers": ["line"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}


if __name__ == "__main__":
    sys.exit(main())
