"""The refresh job: check the published champion and activate it, or roll back; Lambda's handler and command line."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lambda_fn.champion.active_state import Activation as Activation
from lambda_fn.champion.active_state import read_active_state
from lambda_fn.champion.rollback import RollbackError, parse_generation, roll_back
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.jobs import chosen, dry_run
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.jobs.event_source import read_alias_event, recognise
from lambda_fn.jobs.per_pair import run_each
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.record import correlations
from lambda_fn.record.book import EURO
from lambda_fn.record.issue import ForecastResult, issue_forecast
from lambda_fn.registry.webhook import AliasEvent
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.command_line import Job, make_parser, run_and_print_each, run_command
from lambda_fn.store.command_line import parse_generation as parse_generation_option
from lambda_fn.store.object_store import JobStore, Store, Unavailable
from lambda_fn.store.s3 import open_store

SERVICE = "refresh"  # in logs and metrics
_FORECAST_METRICS = {"made": "ForecastMade", "refused": "ForecastRefused"}  # by outcome
_log = logging.getLogger(__name__)


class RefreshResult(NamedTuple):
    """The results for the published champion and for the official forecast."""

    activation: Activation
    forecast: ForecastResult

    def to_object(self) -> dict[str, Any]:
        """Return JSON types: the fields of the activation, and under `forecast` the result for the forecast."""
        forecast = {"outcome": self.forecast.outcome, "reason": self.forecast.reason}
        return {**self.activation._asdict(), "forecast": forecast}


def refresh(
    store: Store,
    settings: Settings,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    request_id: str = "",
    sandbox: Sandbox | None = None,
    registry: AliasEvent | bool = False,
) -> RefreshResult:
    """Activate the published champion, and issue the official forecast if it is missing or outdated.

    It is outdated when it is of another champion or of older prices. The arguments and errors are those of `activate`;
    Refused is raised after the forecast, because the active champion stays.

    With an AliasEvent as `registry`, it activates the version that was chosen in MLflow instead of the published
    champion. With True it looks for a new choice in MLflow afterwards.
    """
    store, sandbox = JobStore(store), sandbox or Sandbox()
    job = chosen.Job(store, settings, environ, now, request_id, sandbox)
    try:
        if isinstance(registry, AliasEvent):
            activation = chosen.activate_event(job, registry)
        else:
            activation = activate(store, settings, now, environ, request_id, sandbox)
            activation = (chosen.activate_new(job) if registry else None) or activation
    except Refused:
        _issue(store, settings, now, sandbox)
        raise
    return RefreshResult(activation, _issue(store, settings, now, sandbox))


def rollback(store: Store, settings: Settings, target: object, now: datetime) -> dict[str, Any]:
    """Activate an earlier champion, as `roll_back` does, and issue its official forecast. Return JSON types.

    An impossible rollback has the outcome "refused".

    Args:
        store: where the activations and champions are.
        settings: the pair, its keys and the public keys.
        target: a generation, or True for the previous champion.
        now: the current time, UTC.

    Raises Unavailable.
    """
    store = JobStore(store)
    with Sandbox() as sandbox:
        try:
            activation = roll_back(store, settings, parse_generation(target), now, sandbox)
        except RollbackError as error:
            last = read_active_state(store, settings.pair).last
            return Activation("refused", last.generation if last else None, str(error))._asdict()
        return RefreshResult(activation, _issue(store, settings, now, sandbox)).to_object()


def _issue(store: Store, settings: Settings, now: datetime, sandbox: Sandbox) -> ForecastResult:
    """Issue the official forecast; a new one renews the correlations of currencies.

    A failure of the latter is only logged, because forecasts do not depend on it and the next ingest repeats it.
    """
    result = issue_forecast(store, settings, now, sandbox)
    if result.outcome == "made" and settings.pair.startswith(EURO):
        try:
            correlations.write(store, settings.pairs, now)
        except Unavailable as error:
            _log.warning("the correlations of currencies could not be written: %s", error)
    return result


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Refresh for an S3 event, a schedule, or an invocation by hand with {}. The entry point of AWS Lambda.

    {"rollback": true} or {"rollback": 12} activates an earlier champion again; with several pairs it needs "pair" too.
    {"dry_run": true} does the work for every pair and writes nothing.
    An S3 event refreshes the pair whose pointer it names; {"alias": "champion", "model": ..., "sent_at": ...} activates
    the version with that alias in MLflow; all other events refresh every pair by itself, and look for such versions.

    An event only triggers the work: the pointer is read from the store. A first rejection is raised, so that the event
    ends in the dead-letter queue.
    """
    settings = Settings.from_env(os.environ)
    formatter = log_as_json("lambda_fn", SERVICE, os.environ)
    if event == dry_run.EVENT:

        def refresh_dry(store: Store, settings: Settings, sandbox: Sandbox) -> dict[str, Any]:
            return refresh(store, settings, datetime.now(UTC), sandbox=sandbox).to_object()

        return dry_run.run_dry(open_store(settings), settings, refresh_dry, Refused)
    trigger = recognise(event, {settings.for_pair(pair).model_info_key: pair for pair in settings.pairs})
    request_id = context.aws_request_id
    formatter.keys.update(trigger=trigger.name, request_id=request_id)
    if not trigger.pairs:
        result = {"outcome": "ignored", "generation": None, "reason": f"{trigger.name}: not an event of a pointer"}
        _log.info(result["reason"], extra={"outcome": "ignored"})
        return result
    store, now = open_store(settings), datetime.now(UTC)
    if isinstance(event, dict) and "rollback" in event:
        if len(trigger.pairs) > 1:
            reason = f'rollback: the pair is missing; add it, as in {{"rollback": true, "pair": "{trigger.pairs[0]}"}}'
            result = Activation("refused", None, reason)._asdict()
        else:
            pair_settings = settings.for_pair(trigger.pairs[0])
            result = rollback(store, pair_settings, event["rollback"], now)
            if result["outcome"] == "activated":
                _count("ChampionActivated", pair_settings)
        _log.warning(result["reason"], extra={name: result[name] for name in ("outcome", "generation")})
        return result

    def work(pair: str) -> dict[str, Any]:
        pair_settings = settings.for_pair(pair)
        try:
            activation, forecast = result = refresh(
                store, pair_settings, now, os.environ, request_id, sandbox, read_alias_event(event) or True
            )
        except Refused:
            _count("ChampionRefused", pair_settings)
            raise  # Lambda logs the error
        if activation.outcome == "activated":
            _count("ChampionActivated", pair_settings)
        if forecast.outcome in _FORECAST_METRICS:
            _count(_FORECAST_METRICS[forecast.outcome], pair_settings)
        if forecast.is_fallback:
            _count("ForecastFallback", pair_settings)
        _log.info(activation.reason, extra={"outcome": activation.outcome, "generation": activation.generation})
        log = _log.warning if forecast.outcome == "refused" or forecast.is_fallback else _log.info
        log(forecast.reason, extra={"forecast": forecast.outcome})
        return result.to_object()

    with Sandbox() as sandbox:
        return run_each(trigger.pairs, formatter, work)


def _count(name: str, settings: Settings) -> None:
    write_metrics(SERVICE, settings.stack, settings.pair, [Metric(name, "Count", 1)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m lambda_fn.refresh`. Returns 1, with a sentence on standard error, when a champion was rejected."""
    parser = make_parser("refresh", "Activate the published champion.")
    parser.add_argument(
        "--rollback",
        nargs="?",
        type=parse_generation_option,
        const=True,
        metavar="GENERATION",
        help="activate the previous champion again, or that of a generation, instead of the published one; with --pair",
    )
    parser.add_argument(
        "--no-registry",
        action="store_true",
        help="do not look for a new choice in MLflow, such as in a loop of seconds",
    )

    def work(job: Job) -> int:
        target = job.args.rollback
        if target and len(job.pairs) > 1:
            raise SettingsError(f"--rollback: the pair is missing; add it, as in --pair {job.pairs[0]}")

        def refresh_or_roll_back(pair: str) -> dict[str, Any]:
            settings = job.settings.for_pair(pair)
            if target:
                return rollback(job.store, settings, target, datetime.now(UTC))
            try:
                looks = not job.args.no_registry
                return refresh(job.store, settings, datetime.now(UTC), sandbox=sandbox, registry=looks).to_object()
            except Refused as error:
                return Activation("refused", error.generation, str(error))._asdict()

        with Sandbox() as sandbox:
            return run_and_print_each(job.pairs, refresh_or_roll_back, job.args.json)

    return run_command(parser, arguments, work)


if __name__ == "__main__":
    sys.exit(main())
