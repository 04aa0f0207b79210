"""Refresh beside a server, which has no S3 event to start it."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from lambda_fn.fields import ContractError
from lambda_fn.refresh import Refused, refresh
from lambda_fn.settings import Settings
from lambda_fn.store.objects import Missing, Store, Unavailable

STOP_S = 10  # for what is being answered or refreshed when the server is told to stop
_log = logging.getLogger("lambda_fn.server")


class Refresher(threading.Thread):
    """Activates what was published, every `every` seconds until `stop`; a failure is logged and tried again."""

    def __init__(self, store: Store, settings: Settings, every: float, environ: Mapping[str, str]) -> None:
        super().__init__(name="refresh", daemon=True)
        self._store, self._settings, self._every, self._environ = store, settings, every, environ
        self._said = ""
        self._stopped = threading.Event()

    def run(self) -> None:
        """Refreshes until stopped; the first time after `every` seconds."""
        while not self._stopped.wait(self._every):
            self.refresh()

    def refresh(self) -> None:
        """Once, now."""
        try:
            activation, made = refresh(self._store, self._settings, datetime.now(UTC), self._environ)
            words = f"{activation.outcome}, {activation.reason}; forecast {made.outcome}, {made.reason}"
        except (Refused, Unavailable, Missing, ContractError) as error:
            words = str(error)
        if words != self._said:  # the same every minute would hide what is new
            _log.info("refresh: %s", words)
        self._said = words

    def stop(self) -> None:
        """Ends the thread, waiting for a refresh that is running."""
        self._stopped.set()
        if self.is_alive():
            self.join(STOP_S)
