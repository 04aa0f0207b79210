"""Refresh beside a server, which has no S3 event to start it."""

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

STOP_S = 10  # for what is being answered or refreshed when the server is told to stop
_log = logging.getLogger("lambda_fn.server")


class Refresher(threading.Thread):
    """Activates what was published, at once and every `every` seconds until `stop`, beside what is served; a failure of
    any kind is logged and tried again."""

    def __init__(self, store: Store, settings: Settings, every: float, environ: Mapping[str, str]) -> None:
        super().__init__(name="refresh", daemon=True)
        self._store, self._settings, self._every, self._environ = store, settings, every, environ
        self._said: dict[str, str] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Refreshes until stopped, whatever is raised: a thread that ended would be missed by nobody."""
        while not self._stopped.is_set():
            self.refresh()
            self._stopped.wait(self._every)

    def refresh(self) -> None:
        """Once, now: every pair, each by itself."""
        with Sandbox() as sandbox:
            for pair in self._settings.pairs:
                self._refresh(pair, sandbox)

    def _refresh(self, pair: str, sandbox: Sandbox) -> None:
        said = self._said.get(pair)
        try:
            activation, made = refresh(
                self._store, self._settings.for_pair(pair), datetime.now(UTC), self._environ, sandbox=sandbox
            )
            words = f"{activation.outcome}, {activation.reason}; forecast {made.outcome}, {made.reason}"
        except (Refused, Unavailable, Missing, ContractError) as error:
            words = str(error)
        except Exception as error:  # noqa: BLE001  # the next pointer, or the next try, may be a better one
            words = f"failed unexpectedly, {type(error).__name__}: {error}"
            if words != said:
                _log.error("refresh of %s failed", pair, exc_info=error)
        if words != said:  # the same every minute would hide what is new
            _log.info("refresh%s: %s", f" of {pair}" if len(self._settings.pairs) > 1 else "", words)
        self._said[pair] = words

    def stop(self) -> None:
        """Ends the thread, waiting for a refresh that is running."""
        self._stopped.set()
        if self.is_alive():
            self.join(STOP_S)
