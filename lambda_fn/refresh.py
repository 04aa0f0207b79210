"""Refresh: checks the champion that training published and, when it is good, makes it the active one."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lambda_fn.champion.active_state import Activation as Activation
from lambda_fn.champion.active_state import Standing, find, heal, keep_copy, keep_record
from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_champion, check_generation, keep_benchmarks, next_generation
from lambda_fn.champion.refusals import CHAMPION, Refusal, is_first, lift, record_key, shortened, told
from lambda_fn.champion.rollback import NoWayBack, generation_of, is_rolled_back, roll_back
from lambda_fn.champion.sandbox import Sandbox, of_job
from lambda_fn.champion.signature import verify
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.event_source import recognise
from lambda_fn.jobs.per_pair import for_each, run_and_print_each
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.record.issue import ForecastResult
from lambda_fn.record.publication import after_activation
from lambda_fn.record.summary_checks import check_backtest
from lambda_fn.registry.legacy_pointer import Resolved, resolve
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store import keys
from lambda_fn.store.exit_code import exit_code
from lambda_fn.store.object_store import Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store

SERVICE = "refresh"  # in logs and metrics
ATTEMPTS = 5  # an attempt is lost only when another activation won
_COUNTED = {"made": "ForecastMade", "refused": "ForecastRefused"}  # metrics by what became of the forecast
_log = logging.getLogger(__name__)


class Refused(Exception):
    """The published champion was not activated, for the first time; the active one goes on serving."""

    def __init__(self, reason: str, generation: int | None) -> None:
        super().__init__(reason)
        self.generation = generation


def activate(
    store: Store,
    settings: Settings,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    request_id: str = "",
    sandbox: Sandbox | None = None,
) -> Activation:
    """Reads the pointer and the active champion, and activates the pointer's when it is newer and passes every check.

    Safe to repeat and to run at the same time as others. Raises Unavailable when the store does not answer (for a
    pointer of the old form: or the MLflow server, whose login `environ` leads to), and Refused the first time that
    this champion is refused; the next times it only returns so. `request_id` is Lambda's, the same when it tries an
    event again: all tries of the first time raise, or the event would never be a dead letter.
    """
    with of_job(sandbox) as sandbox:
        return _activate(store, settings, now, environ, request_id, sandbox)


def _activate(
    store: Store, settings: Settings, now: datetime, environ: Mapping[str, str], request_id: str, sandbox: Sandbox
) -> Activation:
    for _ in range(ATTEMPTS):
        # Before the pointer: generations grow, so a pointer that is read later is never below what was active then.
        standing = find(store, settings.pair)
        published, found = settings.model_info_key.encode(), None
        try:
            published = store.read(settings.model_info_key).data
            pointer = Pointer.parse(published)
            verify(pointer, settings)
            check_backtest(pointer.backtest)
            found = resolve(pointer, settings, environ, now, sandbox)
            if words := _rolled_back(store, settings.pair, pointer, found, standing):
                active, healed = heal(store, settings.pair, standing, found.data)
                return _unchanged(active.generation if active else None, words, healed)
            result = _promote(store, settings, found, standing, now, sandbox)
            if result is not None and pointer.champion is None:  # it means a sound one now, as an alias moves
                lift(store, record_key(pointer, settings.pair), now)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 whatever a champion does to its check is about that one only
            active, healed = heal(store, settings.pair, standing, found.data if found else None)
            generation = active.generation if active else None
            if isinstance(error, Missing) and error.key == settings.model_info_key:
                return _unchanged(generation, "nothing is published yet; run python -m training run", healed)
            reason = told(error, (ContractError, Missing), "its check")
            refusal = Refusal(shortened(reason), now, request_id, _about(settings, found, sandbox.seed))
            return _refuse(store, record_key(published, settings.pair), refusal, generation)
        if result is not None:
            return result
    raise Unavailable(f"{store.describe()}: active.json changed {ATTEMPTS} times meanwhile; refresh again")


class Refreshed(NamedTuple):
    """What became of the published champion, and of the official forecast."""

    activation: Activation
    made: ForecastResult

    def to_object(self) -> dict[str, Any]:
        """As JSON types: the activation's fields, and under `forecast` what became of that."""
        forecast = {"outcome": self.made.outcome, "reason": self.made.reason}
        return {**self.activation._asdict(), "forecast": forecast}


def refresh(
    store: Store,
    settings: Settings,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    request_id: str = "",
    sandbox: Sandbox | None = None,
) -> Refreshed:
    """Activates what was published, as `activate`, and makes the official forecast where it is missing, of another
    champion or of older prices. A refusal is raised after that, as the active champion goes on."""
    with of_job(sandbox) as sandbox:
        try:
            activation = activate(store, settings, now, environ, request_id, sandbox)
        except Refused:
            after_activation(store, settings.pair, now, sandbox)
            raise
        return Refreshed(activation, after_activation(store, settings.pair, now, sandbox))


def rollback(store: Store, settings: Settings, asked: object, now: datetime) -> dict[str, Any]:
    """Activates what was active before, as `roll_back`, and makes its official forecast. `asked` is True or a
    generation. As JSON types; what cannot be done is told as refused. Raises Unavailable."""
    with Sandbox() as sandbox:
        try:
            activation = roll_back(store, settings, generation_of(asked), now, sandbox)
        except NoWayBack as error:
            last = find(store, settings.pair).last
            return Activation("refused", last.generation if last else None, str(error))._asdict()
        return Refreshed(activation, after_activation(store, settings.pair, now, sandbox)).to_object()


def _rolled_back(store: Store, pair: str, pointer: Pointer, found: Resolved, standing: Standing) -> str | None:
    """Why the pointer is passed over, None when it is not: one that is active is none of these, and where nothing was
    ever active anything is better."""
    file, last = found.pointer.champion, standing.last
    assert file is not None
    if last is None or (file.sha256 == last.champion.sha256 and pointer.generation in (None, last.generation)):
        return None
    reason = is_rolled_back(store, pair, pointer, file.sha256)
    return reason and f"{reason}; to go on publish a newer champion"


def _promote(
    store: Store, settings: Settings, found: Resolved, standing: Standing, now: datetime, sandbox: Sandbox
) -> Activation | None:
    """None when another activation came first."""
    pointer, file, last = found.pointer, found.pointer.champion, standing.last
    assert file is not None
    generation = pointer.generation or next_generation(file.sha256, last)
    check_generation(generation, file.sha256, last)
    if standing.active and generation == standing.active.generation:
        _, healed = heal(store, settings.pair, standing, found.data)
        return _unchanged(generation, f"generation {generation} is active", healed)
    data = fetch_file(store, file.key, file.sha256) if found.data is None else found.data
    first = check_champion(data, pointer, settings.pair, store, now.date(), sandbox)
    golden = pointer.golden or (first,)  # a pointer of the old form brings none
    key = keys.serving_key(file.sha256, settings.pair)
    newer = Active(replace(pointer, generation=generation, golden=golden), file, generation, now, key)
    record = newer.to_json()  # before the first write: what could not be read back is refused
    keep_benchmarks(store, newer, data, sandbox)
    keep_copy(store, newer, settings.pair, data)
    if not store.replace(keys.active_key(settings.pair), record, standing.etag):
        return None
    keep_record(store, newer, settings.pair)
    return Activation("activated", generation, f"{pointer.model_name} version {pointer.model_version}")


def _unchanged(generation: int | None, reason: str, healed: Sequence[str]) -> Activation:
    for words in healed:
        _log.warning("healed: %s", words)
    return Activation("unchanged", generation, "; ".join([reason, *healed]))


def _about(settings: Settings, found: Resolved | None, seed: int) -> dict[str, str | int]:
    """What a refusal's record says besides its reason; `seed` repeats the trial."""
    file = found.pointer.champion if found else None
    return {"pointer": settings.model_info_key, "seed": seed, **({CHAMPION: file.sha256} if file else {})}


def _refuse(store: Store, key: str, refusal: Refusal, generation: int | None) -> Activation:
    """Records the refusal; raises Refused unless this pointer was refused before for the same champion."""
    if is_first(store, key, refusal):
        raise Refused(refusal.reason, generation)
    _log.warning("refused again: %s", refusal.reason)
    return Activation("refused", generation, refusal.reason)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """AWS Lambda's entry: on the S3 event, on a timer, or by hand with {}, which refreshes at once.

    {"rollback": true} or {"rollback": 12} activates again what was active before; with several pairs "pair" says of
    which. The pointer of an S3 event tells its pair; without one all are refreshed, each by itself.

    The event says when and never what: the pointer is read anew. A first refusal is raised, so that the event ends in
    the dead-letter queue.
    """
    settings = Settings.from_env(os.environ)
    logged = log_as_json("lambda_fn", SERVICE, os.environ)
    trigger = recognise(event, {settings.for_pair(pair).model_info_key: pair for pair in settings.pairs})
    request_id = context.aws_request_id
    logged.keys.update(trigger=trigger.name, request_id=request_id)
    if not trigger.pairs:
        result = {"outcome": "ignored", "generation": None, "reason": f"not of the pointer: {trigger.name}"}
        _log.info(result["reason"], extra={"outcome": "ignored"})
        return result
    store, now = open_store(settings), datetime.now(UTC)
    if isinstance(event, dict) and "rollback" in event:
        return _rolled_back_by_hand(store, settings, trigger.pairs, event["rollback"], now)
    with Sandbox() as sandbox:
        return for_each(
            trigger.pairs, logged, lambda pair: _refreshed(store, settings.for_pair(pair), now, request_id, sandbox)
        )


def _refreshed(store: Store, settings: Settings, now: datetime, request_id: str, sandbox: Sandbox) -> dict[str, Any]:
    """Refreshes one pair, with its metrics and lines of the log; raises as `refresh`."""
    try:
        activation, made = refresh(store, settings, now, request_id=request_id, sandbox=sandbox)
    except Refused:
        _count("ChampionRefused", settings)
        raise  # Lambda logs it
    if activation.outcome == "activated":
        _count("ChampionActivated", settings)
    if made.outcome in _COUNTED:
        _count(_COUNTED[made.outcome], settings)
    _log.info(activation.reason, extra={"outcome": activation.outcome, "generation": activation.generation})
    log = _log.warning if made.outcome == "refused" else _log.info
    log(made.reason, extra={"forecast": made.outcome})
    return Refreshed(activation, made).to_object()


def _rolled_back_by_hand(
    store: Store, settings: Settings, pairs: Sequence[str], asked: object, now: datetime
) -> dict[str, Any]:
    if len(pairs) > 1:
        reason = f'rollback: of which pair? Add "pair", such as {{"rollback": true, "pair": "{pairs[0]}"}}'
        result = Activation("refused", None, reason)._asdict()
    else:
        settings = settings.for_pair(pairs[0])
        result = rollback(store, settings, asked, now)
        if result["outcome"] == "activated":
            _count("ChampionActivated", settings)
    _log.warning(result["reason"], extra={name: result[name] for name in ("outcome", "generation")})
    return result


def _count(name: str, settings: Settings) -> None:
    write_metrics(SERVICE, settings.stack, settings.pair, [Metric(name, "Count", 1)])


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m lambda_fn.refresh`; returns 1 after one sentence on standard error when nothing was activated."""
    parser = argparse.ArgumentParser("python -m lambda_fn.refresh", description="Activate the published champion.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--rollback",
        nargs="?",
        type=_generation,
        const=True,
        metavar="GENERATION",
        help="activate again what was active before, or that of a generation, in place of what is published",
    )
    parser.add_argument("--pair", help="one of the pairs of PAIRS; all unless told, which --rollback does not take")
    asked = parser.parse_args(arguments)
    try:
        environ = read_dotenv(Path(".env"), os.environ)
        os.environ.update(environ)  # credentials are looked for there
        settings = Settings.from_env(environ)
        pairs, store = settings.select_pairs(asked.pair), open_store(settings)
        if asked.rollback and len(pairs) > 1:
            raise SettingsError(f"--rollback: of which pair? Add --pair, such as --pair {pairs[0]}")
        with Sandbox() as sandbox:
            return run_and_print_each(
                pairs, lambda pair: _asked(store, settings.for_pair(pair), asked.rollback, environ, sandbox), asked.json
            )
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)


def _asked(
    store: Store, settings: Settings, back: object, environ: Mapping[str, str], sandbox: Sandbox
) -> dict[str, Any]:
    now = datetime.now(UTC)
    if back:
        return rollback(store, settings, back, now)
    try:
        return refresh(store, settings, now, environ, sandbox=sandbox).to_object()
    except Refused as error:
        return Activation("refused", error.generation, str(error))._asdict()


def _generation(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no generation; give a whole number such as 12")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
