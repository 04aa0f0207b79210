"""HTTP server of the API without AWS: `python -m lambda_fn.server --port 8080`.

A thread refreshes periodically, because a server gets no S3 events.
"""

import argparse
import logging
import logging.config
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from lambda_fn import __version__
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import refresh
from lambda_fn.server.hooks import Hooks
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.command_line import read_dotenv
from lambda_fn.store.local import check_folder
from lambda_fn.store.object_store import Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store

WORKING_FOLDER = "/"  # of all processes, not the one with .env: champions must not run beside secrets
STOP_S = 10  # for requests and a refresh in progress when the server is stopped
LOOK_S = 3600.0  # between two looks for a new choice in MLflow
REPEAT_S = 3600  # between two warnings of a refresh that fails for the same reason
BACKLOG = 512  # connections that the kernel queues until a process accepts them
_log = logging.getLogger("lambda_fn.server")  # also when this module is __main__


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns 2, with the reason on standard error, if the server cannot start."""
    args = make_parser().parse_args(arguments)
    environ = read_dotenv(Path(".env"), os.environ)
    logging.config.dictConfig(LOGGING)
    try:
        settings = Settings.from_env(environ)
        os.environ.update(environ)  # .env may also contain credentials
        check_folder(settings)
        store = open_store(settings)
        if settings.mlflow_hook_secret:
            Hooks(store, settings, environ)  # only to check the secret: each process makes its own
        listener = _listen(args.host, args.port)
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # with a bucket another function refreshes, and only that may write there
    default_every = 0.0 if settings.use_s3 else max(settings.champion_max_age_s, 1.0)
    every = default_every if args.refresh_every is None else args.refresh_every
    refresher = Refresher(store, settings, every, environ)
    # for the application, here and in the server's other processes, which inherit the working folder
    os.environ["STORE_DIR"] = str(Path(settings.store_dir).absolute())
    os.chdir(WORKING_FOLDER)
    if every:
        refresher.start()
    # uvicorn stops gracefully and then raises the signal again, which must not look like a failure
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        _serve(args.processes, listener)
    finally:
        refresher.stop()
    return 0


def _serve(processes: int, listener: socket.socket) -> None:
    # uvicorn's own variable. Without it uvicorn trusts this machine, and any local process could forge the access log.
    trusted_proxies = os.environ.get("FORWARDED_ALLOW_IPS", "")
    config = uvicorn.Config(
        "lambda_fn.server.asgi:application",
        factory=True,
        http="lambda_fn.server.http_limits:Protocol",
        ws="none",
        lifespan="off",
        workers=processes,
        log_config=LOGGING,
        access_log=False,  # the application writes it, without the query and with the time that a response took
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        timeout_graceful_shutdown=STOP_S,
    )
    host, port = listener.getsockname()[:2]
    url_host = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Serving on http://{url_host}:{port} (version {__version__}, stop with Ctrl-C)\n")
    sys.stderr.flush()
    if processes > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    uvicorn.Server(config).run(sockets=[listener])


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("eurusd serve", description="Serve the API over HTTP.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    port = _whole("port", 0, 65535, "1 to 65535, or 0 for any free one")
    parser.add_argument(
        "--port", type=port, default=8080, help="port to listen on, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--processes",
        type=_whole("number of processes", 1, 256, "1 to 256"),
        default=1,
        help="number of processes; one for each core is best (default: %(default)s)",
    )
    parser.add_argument(
        "--refresh-every",
        type=_parse_seconds,
        metavar="S",
        help="activate published champions every S seconds, 0 for never (default: $CHAMPION_MAX_AGE_S; 0 with USE_S3)",
    )
    return parser


def _whole(noun: str, lowest: int, highest: int, cure: str) -> Callable[[str], int]:
    """Return the parser of an option that is a whole number in a range."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {noun}; give {cure}")
        return int(text)

    return parse


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give 60, for example") from error
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; give 0 to {threading.TIMEOUT_MAX:.0f} seconds")
    return seconds


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError with the address, the reason and what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        cure = "choose another address with --port or --host"
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}; {cure}") from error
    listener.set_inheritable(True)
    return listener


class Refresher(threading.Thread):
    """Activates published champions while the server runs, at once and then periodically.

    A failure is logged as a warning, again every REPEAT_S while it lasts, and retried.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        every: float,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the thread.

        Args:
            store: the store that is refreshed.
            settings: those of the service; all its pairs are refreshed.
            every: seconds between two refreshes.
            environ: the environment, for the registry's credentials.
            clock: returns seconds, for repeated warnings and looks.
        """
        super().__init__(name="refresh", daemon=True)
        self._store, self._settings, self._every, self._environ = store, settings, every, environ
        self._clock = clock
        self._last_messages: dict[str, tuple[str, float]] = {}  # by pair, with the time at which it was logged
        self._looked_at: float | None = None
        self._stop_event = threading.Event()

    def run(self) -> None:
        """Refresh until `stop`, whatever is raised: nobody would notice that the thread has ended."""
        while not self._stop_event.is_set():
            self.refresh()
            self._stop_event.wait(self._every)

    def refresh(self) -> None:
        """Refresh every pair once; a failure of one does not stop the others.

        At most every LOOK_S it also looks for a new choice in MLflow, whose deliveries can be lost.
        """
        now = self._clock()
        looks = self._looked_at is None or now - self._looked_at >= LOOK_S
        if looks:
            self._looked_at = now
        with Sandbox() as sandbox:
            for pair in self._settings.pairs:
                last_message, logged_at = self._last_messages.get(pair, ("", 0.0))
                settings = self._settings.for_pair(pair)
                is_failure = True
                try:
                    result = refresh(
                        self._store, settings, datetime.now(UTC), self._environ, sandbox=sandbox, registry=looks
                    )
                    message = "{0.outcome}, {0.reason}; forecast {1.outcome}, {1.reason}".format(*result)
                    is_failure = "refused" in (result.activation.outcome, result.forecast.outcome)
                except (Refused, Unavailable, Missing, ContractError) as error:
                    message = str(error)
                except Exception as error:  # noqa: BLE001  # the next pointer, or the next attempt, may succeed
                    message = f"failed unexpectedly, {type(error).__name__}: {error}"
                    if message != last_message:
                        _log.error("refresh of %s failed", pair, exc_info=error)
                # Repeating it every minute would hide what is new.
                if message != last_message or (is_failure and self._clock() - logged_at >= REPEAT_S):
                    level = logging.WARNING if is_failure else logging.INFO
                    _log.log(level, "refresh%s: %s", f" of {pair}" if len(self._settings.pairs) > 1 else "", message)
                    self._last_messages[pair] = message, self._clock()

    def stop(self) -> None:
        """End the thread. Waits for a refresh in progress, at most STOP_S."""
        self._stop_event.set()
        if self.is_alive():
            self.join(STOP_S)


# Everything goes to standard error, one line for each record.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(message)s"},
        "access": {"format": "%(asctime)s %(message)s"},
    },
    "handlers": {
        "line": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
        "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "lambda_fn": {"handlers": ["line"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"handlers": ["line"], "level": "WARNING", "propagate": False},
        "lambda_fn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}


if __name__ == "__main__":
    sys.exit(main())
