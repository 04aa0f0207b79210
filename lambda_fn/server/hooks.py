"""The route of MLflow's webhook in the server: a delivery activates the chosen version, in a thread of this process."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import refresh
from lambda_fn.registry import webhook
from lambda_fn.registry.webhook import AliasEvent, UntrustedDelivery, read_delivery
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response

MAX_WAITING = 8  # deliveries; MLflow repeats those beyond
PAUSES = (0.0, 2.0, 10.0, 30.0)  # seconds before each attempt, while store or MLflow do not answer
_log = logging.getLogger(__name__)


class Hooks:
    """Answers POST /hooks/mlflow; works on one delivery at a time. The next look heals what fails for good."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        environ: Mapping[str, str],
        pauses_s: Sequence[float] = PAUSES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Create the route.

        Args:
            store: the store in which versions are activated.
            settings: with MLFLOW_HOOK_SECRET.
            environ: the environment, for the login of the MLflow server.
            pauses_s: seconds before each attempt.
            now: the clock, UTC.

        Raises SettingsError for a weak secret.
        """
        try:
            self._secrets = webhook.parse_secrets(settings.mlflow_hook_secret or "")
        except ValueError as error:
            raise SettingsError(f"MLFLOW_HOOK_SECRET: {error}; make one with openssl rand -hex 32") from error
        self._store, self._settings, self._environ = store, settings, environ
        self._pauses_s, self._now = pauses_s, now
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hook")
        self._places = threading.BoundedSemaphore(MAX_WAITING)

    def respond(self, request: Request) -> Response:
        """Return the response to a delivery: 202, 204, 401 for what MLflow did not sign, 503 for too many."""
        try:
            event = read_delivery(
                request.headers, request.read_body(), self._secrets, self._settings.pairs, self._now()
            )
        except UntrustedDelivery as error:
            _log.warning("refused a delivery of the webhook: %s", error)
            return Response(401, {}, "")
        if event is None:
            return Response(204, {}, "")
        if not self._places.acquire(blocking=False):
            return Response(503, {"Retry-After": str(webhook.RETRY_AFTER_S)}, "")
        self._executor.submit(self._activate, event)
        return Response(202, {}, "")

    def _activate(self, event: AliasEvent) -> None:
        """Activate the version of the event, whatever is raised: nobody waits for the result."""
        settings = self._settings.for_pair(event.model.partition("_")[0])
        try:
            with Sandbox() as sandbox:
                for pause_s in self._pauses_s:
                    time.sleep(pause_s)
                    try:
                        activation, _ = refresh(
                            self._store, settings, self._now(), self._environ, sandbox=sandbox, registry=event
                        )
                    except Unavailable as error:
                        _log.warning("choice of %s: %s", event.model, error)
                        continue
                    _log.info("choice of %s: %s, %s", event.model, activation.outcome, activation.reason)
                    return
        except Refused as error:
            _log.warning("choice of %s: refused, %s", event.model, error)
        except Exception as error:  # noqa: BLE001  # the next delivery may succeed
            _log.error("choice of %s failed", event.model, exc_info=error)
        finally:
            self._places.release()

    def close(self) -> None:
        """Wait for the delivery in progress; those that wait are left to the next look."""
        self._executor.shutdown(cancel_futures=True)
