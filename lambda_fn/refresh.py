"""The refresh job: check the published champion and activate it, or roll back; Lambda's handler and command line."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lambda_fn.champion.active_state import Activation as Activation
from lambda_fn.champion.active_state import read_active_state
from lambda_fn.champion.rollback import RollbackError, parse_generation, roll_back
from lambda_fn.champion.sandbox import Sandbox, reuse_or_start
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.jobs.event_source import recognise
from lambda_fn.jobs.per_pair import for_each, run_and_print_each
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.record.issue import ForecastResult
from lambda_fn.record.publication import after_activation
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store.exit_code import exit_code
from lambda_fn.store.object_store import Store, Unavailable
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
) -> RefreshResult:
    """Activate the published champion, and issue the official forecast if it is missing or outdated.

    It is outdated when it is of another champion or of older prices. The arguments and errors are those of `activate`;
    Refused is raised after the forecast, because the active champion stays.
    """
    with reuse_or_start(sandbox) as sandbox:
        try:
            activation = activate(store, settings, now, environ, request_id, sandbox)
        except Refused:
            after_activation(store, settings.pair, now, sandbox)
            raise
        return RefreshResult(activation, after_activation(store, settings.pair, now, sandbox))


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
    with Sandbox() as sandbox:
        try:
            activation = roll_back(store, settings, parse_generation(target), now, sandbox)
        except RollbackError as error:
            last = read_active_state(store, settings.pair).last
            return Activation("refused", last.generation if last else None, str(error))._asdict()
        return RefreshResult(activation, after_activation(store, settings.pair, now, sandbox)).to_object()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Refresh for an S3 event, a schedule, or an invocation by hand with {}. The entry point of AWS Lambda.

    {"rollback": true} or {"rollback": 12} activates an earlier champion again; with several pairs it needs "pair" too.
    An S3 event refreshes the pair whose pointer it names; all other events refresh every pair by itself.

    An event only triggers the work: the pointer is read from the store. A first rejection is raised, so that the event
    ends in the dead-letter queue.
    """
    settings = Settings.from_env(os.environ)
    logged = log_as_json("lambda_fn", SERVICE, os.environ)
    trigger = recognise(event, {settings.for_pair(pair).model_info_key: pair for pair in settings.pairs})
    request_id = context.aws_request_id
    logged.keys.update(trigger=trigger.name, request_id=request_id)
    if not trigger.pairs:
        result = {"outcome": "ignored", "generation": None, "reason": f"{trigger.name}: not an event of a pointer"}
        _log.info(result["reason"], extra={"outcome": "ignored"})
        return result
    store, now = open_store(settings), datetime.now(UTC)
    if isinstance(event, dict) and "rollback" in event:
        return _roll_back_by_hand(store, settings, trigger.pairs, event["rollback"], now)
    with Sandbox() as sandbox:
        return for_each(
            trigger.pairs, logged, lambda pair: _refresh_pair(store, settings.for_pair(pair), now, request_id, sandbox)
        )


def _refresh_pair(store: Store, settings: Settings, now: datetime, request_id: str, sandbox: Sandbox) -> dict[str, Any]:
    """Refresh one pair, with metrics and log lines. Arguments and errors are those of `refresh`."""
    try:
        activation, forecast = result = refresh(store, settings, now, request_id=request_id, sandbox=sandbox)
    except Refused:
        _count("ChampionRefused", settings)
        raise  # Lambda logs the error
    if activation.outcome == "activated":
        _count("ChampionActivated", settings)
    if forecast.outcome in _FORECAST_METRICS:
        _count(_FORECAST_METRICS[forecast.outcome], settings)
    _log.info(activation.reason, extra={"outcome": activation.outcome, "generation": activation.generation})
    log = _log.warning if forecast.outcome == "refused" else _log.info
    log(forecast.reason, extra={"forecast": forecast.outcome})
    return result.to_object()


def _roll_back_by_hand(
    store: Store, settings: Settings, pairs: Sequence[str], target: object, now: datetime
) -> dict[str, Any]:
    """Roll back the pair of an event, with metrics and log lines.

    Args:
        store: where the activations and champions are.
        settings: of all pairs.
        pairs: of the event, which must be one.
        target: a generation, or True for the previous champion.
        now: the current time, UTC.
    """
    if len(pairs) > 1:
        reason = f'rollback: the pair is missing; add it, as in {{"rollback": true, "pair": "{pairs[0]}"}}'
        result = Activation("refused", None, reason)._asdict()
    else:
        settings = settings.for_pair(pairs[0])
        result = rollback(store, settings, target, now)
        if result["outcome"] == "activated":
            _count("ChampionActivated", settings)
    _log.warning(result["reason"], extra={name: result[name] for name in ("outcome", "generation")})
    return result


def _count(name: str, settings: Settings) -> None:
    write_metrics(SERVICE, settings.stack, settings.pair, [Metric(name, "Count", 1)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m lambda_fn.refresh`. Returns 1, with a sentence on standard error, when a champion was rejected."""
    parser = argparse.ArgumentParser("python -m lambda_fn.refresh", description="Activate the published champion.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--rollback",
        nargs="?",
        type=_parse_generation,
        const=True,
        metavar="GENERATION",
        help="activate the previous champion again, or that of a generation, instead of the published one",
    )
    parser.add_argument("--pair", help="one of the pairs of PAIRS; default: all, but --rollback needs one")
    args = parser.parse_args(arguments)
    try:
        environ = read_dotenv(Path(".env"), os.environ)
        os.environ.update(environ)  # where credentials are looked up
        settings = Settings.from_env(environ)
        pairs, store = settings.select_pairs(args.pair), open_store(settings)
        if args.rollback and len(pairs) > 1:
            raise SettingsError(f"--rollback: the pair is missing; add it, as in --pair {pairs[0]}")
        with Sandbox() as sandbox:
            return run_and_print_each(
                pairs, lambda pair: _run_cli(store, settings.for_pair(pair), args.rollback, environ, sandbox), args.json
            )
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)


def _run_cli(
    store: Store, settings: Settings, target: object, environ: Mapping[str, str], sandbox: Sandbox
) -> dict[str, Any]:
    """Refresh or roll back one pair for the command line, and return JSON types.

    Args:
        store: where the pointer, the champions and the prices are.
        settings: of the pair.
        target: of a rollback, a generation or True; otherwise None.
        environ: leads to the login of the MLflow server.
        sandbox: runs the trial.
    """
    now = datetime.now(UTC)
    if target:
        return rollback(store, settings, target, now)
    try:
        return refresh(store, settings, now, environ, sandbox=sandbox).to_object()
    except Refused as error:
        return Activation("refused", error.generation, str(error))._asdict()


def _parse_generation(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a generation; give a whole number such as 12")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
