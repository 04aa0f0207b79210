"""Periodic refresh in the server process, because a server gets no S3 events."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Missing, Store, Unavailable

STOP_S = 10  # for requests and a refresh in progress when the server is stopped
_log = logging.getLogger("lambda_fn.server")


class Refresher(threading.Thread):
    """Activates published champions while the server runs, at once and then periodically.

    A failure is logged and retried.
    """

    def __init__(self, store: Store, settings: Settings, every: float, environ: Mapping[str, str]) -> None:
        """Create the thread.

        Args:
            store: the store that is refreshed.
            settings: those of the service; all its pairs are refreshed.
            every: seconds between two refreshes.
            environ: the environment, for the registry's credentials.
        """
        super().__init__(name="refresh", daemon=True)
        self._store, self._settings, self._every, self._environ = store, settings, every, environ
        self._last_messages: dict[str, str] = {}  # by pair
        self._stop_event = threading.Event()

    def run(self) -> None:
        """Refresh until `stop`, whatever is raised: nobody would notice that the thread has ended."""
        while not self._stop_event.is_set():
            self.refresh()
            self._stop_event.wait(self._every)

    def refresh(self) -> None:
        """Refresh every pair once; a failure of one does not stop the others."""
        with Sandbox() as sandbox:
            for pair in self._settings.pairs:
                self._refresh(pair, sandbox)

    def _refresh(self, pair: str, sandbox: Sandbox) -> None:
        last_message = self._last_messages.get(pair)
        try:
            activation, forecast = refresh(
                self._store, self._settings.for_pair(pair), datetime.now(UTC), self._environ, sandbox=sandbox
            )
            message = f"{activation.outcome}, {activation.reason}; forecast {forecast.outcome}, {forecast.reason}"
        except (Refused, Unavailable, Missing, ContractError) as error:
            message = str(error)
        except Exception as error:  # noqa: BLE001  # the next pointer, or the next attempt, may succeed
            message = f"failed unexpectedly, {type(error).__name__}: {error}"
            if message != last_message:
                _log.error("refresh of %s failed", pair, exc_info=error)
        if message != last_message:  # repeating it every minute would hide what is new
            _log.info("refresh%s: %s", f" of {pair}" if len(self._settings.pairs) > 1 else "", message)
        self._last_messages[pair] = message

    def stop(self) -> None:
        """End the thread. Waits for a refresh in progress, at most STOP_S."""
        self._stop_event.set()
        if self.is_alive():
            self.join(STOP_S)
