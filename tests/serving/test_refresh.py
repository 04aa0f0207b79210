"""Refresh: only newer and sound champions become active, whatever is published, repeated, mixed up or concurrent."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambda_fn import __version__, refresh
from lambda_fn.champion.trial import run_trial
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Activation, Refused, activate
from lambda_fn.prices.price_file import Table
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
POINTER = "models/best_model_info.json"
OLD = Path(__file__).parents[1].joinpath("support/best_model_info_old.json").read_bytes()
OTHER = foreign.champion_bytes(spread=0.006)


def folder(path: Path, **more: str) -> tuple[Store, Settings]:
    settings = Settings.from_env({"STORE_DIR": str(path)} | more)
    return open_store(settings), settings


def active(store: Store) -> Active:
    return Active.parse(store.read(keys.ACTIVE_KEY).data)


def refusal(store: Store, settings: Settings, message: str) -> None:
    """The first time raised, then only returned, always recorded; what was active still is."""
    before = store.read(keys.ACTIVE_KEY) if keys.ACTIVE_KEY in store.list("serving") else None
    with pytest.raises(Refused, match=message):
        activate(store, settings, NOW)
    again = activate(store, settings, NOW)
    assert again.outcome == "refused"
    assert again.generation == (Active.parse(before.data).generation if before else None)
    records = [json.loads(store.read(key).data) for key in store.list("serving/refused")]
    assert again.reason in [record["reason"] for record in records]
    assert (store.read(keys.ACTIVE_KEY) if before else None) == before


def test_a_sound_champion_is_activated(store: Store, settings: Settings) -> None:
    pointer = foreign.publish_to(store, generation=3, extra={"note": "kept"})
    assert activate(store, settings, NOW) == Activation("activated", 3, "EURUSD_Foreign version 3")
    found = active(store)
    assert found.pointer == pointer
    assert found.activated_at == NOW
    assert pointer.champion is not None
    assert found.serving_key == keys.serving_key(pointer.champion.sha256)
    assert store.read(found.serving_key).data == store.read(pointer.champion.key).data


def test_activating_again_changes_nothing(store: Store, settings: Settings) -> None:
    foreign.publish_to(store, generation=3)
    activate(store, settings, NOW)
    before = {key: store.read(key) for key in store.list("")}
    assert activate(store, settings, NOW) == Activation("unchanged", 3, "generation 3 is active")
    assert {key: store.read(key) for key in store.list("")} == before


def test_nothing_published_is_no_error(store: Store, settings: Settings) -> None:
    result = activate(store, settings, NOW)
    assert result[:2] == ("unchanged", None) and result.reason.endswith("eurusd run")


def test_a_lower_generation_is_refused_naming_both(store: Store, settings: Settings) -> None:
    foreign.publish_to(store, generation=5)
    activate(store, settings, NOW)
    foreign.publish_to(store, OTHER, 4)
    refusal(store, settings, r"^pointer\.generation: 4 .*\blower\b.* 5; ")


def test_a_pointer_without_a_generation_is_the_next(tmp_path: Path) -> None:
    store, settings = folder(tmp_path)
    foreign.publish_to(store, generation=None)
    assert activate(store, settings, NOW)[:2] == ("activated", 1)
    assert activate(store, settings, NOW)[:2] == ("unchanged", 1)
    foreign.publish_to(store, OTHER, 7)
    assert activate(store, settings, NOW)[:2] == ("activated", 7)
    foreign.publish_to(store, generation=None)
    assert activate(store, settings, NOW)[:2] == ("activated", 8)
    assert activate(store, settings, NOW)[:2] == ("unchanged", 8)
    assert active(store).pointer.generation == 8


def test_another_pair_has_its_own_champion(tmp_path: Path) -> None:
    key = "models/GBPUSD/best_model_info.json"
    store, settings = folder(tmp_path, S3_MODEL_INFO_KEY=key)
    foreign.publish_to(store, foreign.champion_bytes(pair="GBPUSD"), 2, key=key)
    assert activate(store, settings, NOW).outcome == "activated"
    assert store.list("serving") == [
        keys.active_key("GBPUSD"),
        *store.list("serving/GBPUSD/champions"),
        keys.activated_key(2, "GBPUSD"),
    ]


def test_the_old_form_is_refused_with_the_cure(store: Store, settings: Settings) -> None:
    foreign.put(store, POINTER, OLD)
    refusal(store, settings, r"^pointer\.champion: missing\b.* eurusd publish models:/EURUSD_LSTM@champion")


def nudged(pointer: Pointer, by: float) -> Pointer:
    [golden] = pointer.golden
    mean = [golden.mean[0] * (1 + by), *golden.mean[1:]]
    return replace(pointer, golden=(replace(golden, mean=mean),))


def with_size(pointer: Pointer, size: int) -> Pointer:
    assert pointer.champion is not None
    return replace(pointer, champion=replace(pointer.champion, size=size))


def published(store: Store, data: bytes | None = None, **changes: Any) -> None:
    foreign.publish_to(store, data, 2, **changes)


def republish(store: Store, change: Callable[[Pointer], Pointer]) -> None:
    foreign.put(store, POINTER, change(foreign.publish_to(store, OTHER, 2)).to_json())


def champion_replaced(store: Store, data: bytes | None) -> None:
    pointer = foreign.publish_to(store, OTHER, 2)
    assert pointer.champion is not None
    if data is None:
        store.delete(pointer.champion.key)
    else:
        foreign.put(store, pointer.champion.key, data)


def alien(store: Store) -> None:
    """A file that training would never write: the digest is right, the contents are not allowed."""
    pointer = foreign.publish_to(store, OTHER, 2)
    assert pointer.champion is not None
    data = OTHER + b"\x42\x0f\x0a\x0bcom.example\x10\x01"  # one more opset_import
    sha256 = hashlib.sha256(data).hexdigest()
    store.create(keys.champion_key(sha256), data)
    file = replace(pointer.champion, key=keys.champion_key(sha256), sha256=sha256, size=len(data))
    foreign.put(store, POINTER, replace(pointer, champion=file).to_json())


def without_prices(store: Store) -> None:
    published(store, foreign.champion_bytes(prices="csv"))
    store.delete("prices/EURUSD-csv.csv")


VERSION, VERSION_2 = b'"contract_version": "1"', b'"contract_version": "2"'
Unsound = tuple[Callable[[Store], None], str]
UNSOUND: dict[str, Unsound] = {
    "pointer broken": (lambda store: foreign.put(store, POINTER, b'{"model_type"'), "pointer: not UTF-8 JSON"),
    "pointer of version 2": (
        lambda s: foreign.put(s, POINTER, foreign.publish_to(s, OTHER, 2).to_json().replace(VERSION, VERSION_2)),
        r"^pointer\.contract_version: .*\b1, not 2; ",
    ),
    "other bytes": (lambda store: champion_replaced(store, OTHER[:-1] + b"?"), "its sha256 is .*pointer"),
    "no bytes": (lambda store: champion_replaced(store, None), "has no models/champions/.*onnx"),
    "alien operators": (alien, "operators of 'com.example'"),
    "wrong size": (
        lambda s: republish(s, lambda p: with_size(p, 5)),
        "pointer.champion.size: 5, ",
    ),
    "another pair": (
        lambda s: published(s, foreign.champion_bytes(pair="GBPUSD")),
        "pointer.pair: GBPUSD is not EURUSD",
    ),
    "another date": (
        lambda s: republish(s, lambda p: replace(p, trained_through=date(2020, 1, 2))),
        "pointer.trained_through: 2020-01-02 is not 2026-10-30",
    ),
    "golden apart": (
        lambda s: republish(s, lambda p: nudged(p, 2e-6)),
        r"golden\[0\]\.mean: .*\b2\.0e-06 .*\b1e-06\b",
    ),
    "a backtest that is none": (
        lambda s: republish(s, lambda p: replace(p, backtest={"days": "many"})),
        "pointer.backtest.days",
    ),
    "no prices": (without_prices, "has no prices/EURUSD-csv.csv; upload the csv prices first"),
    "column missing": (
        lambda s: published(s, foreign.champion_bytes(["eurjpy"]), prices=foreign.price_file(60, ["eurjpy"])),
        "prices/EURUSD-ecb.csv: no column eurjpy; it has close",
    ),
    "window too long": (
        lambda s: published(s, foreign.champion_bytes(window=61), prices=foreign.price_file(61)),
        "60 rows, the champion needs 61; add older prices",
    ),
    "median away": (
        lambda s: published(s, foreign.champion_bytes(drift=0.021)),
        r"\bmedian is 2\.1%",
    ),
    "too narrow": (lambda s: published(s, foreign.champion_bytes(spread=0.001)), "is 0.10% wide, 0.1 % to 10 %"),
    "too wide": (lambda s: published(s, foreign.champion_bytes(spread=0.11)), "is 10.45% wide, 0.1 % to 10 %"),
    "descending": (
        lambda s: published(s, foreign.champion_bytes(spread=-0.005)),
        r"quantiles .*\bfall\b",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_an_unsound_champion_never_replaces_a_sound_one(case: str, tmp_path: Path) -> None:
    store, settings = folder(tmp_path)
    foreign.publish_to(store, generation=1)
    activate(store, settings, NOW)
    unsound, message = UNSOUND[case]
    unsound(store)
    refusal(store, settings, message)
    foreign.publish_to(store, foreign.champion_bytes(spread=0.007), 3)
    assert activate(store, settings, NOW)[:2] == ("activated", 3)


def test_a_champion_that_is_not_finite_on_the_live_window_is_refused(tmp_path: Path) -> None:
    """Sound on the golden window: only today's prices bring it out."""
    overflowing = Table(foreign.price_rows(20), {"close": np.full(20, 1.7e308)})
    with pytest.raises(ContractError, match=r"live window: .* not finite"):
        run_trial(foreign.champion_bytes(spread=0.9), (), overflowing, lambda: 0.0)
    run_trial(foreign.champion_bytes(), (), Table(foreign.price_rows(20), {"close": foreign.closes(20)}), lambda: 0.0)


def test_a_slow_champion_is_refused() -> None:
    table = Table(foreign.price_rows(20), {"close": foreign.closes(20)})
    data = foreign.champion_bytes()
    run_trial(data, (), table, iter([0.0, 0.5, 0.7, 1.19]).__next__)
    with pytest.raises(ContractError, match=r"\b1\.1 s of processor\b.*\bmost 1 s\b"):
        run_trial(data, (), table, iter([0.0, 0.5, 0.7, 1.3]).__next__)


def test_a_refusal_heals_when_its_cause_is_gone(tmp_path: Path) -> None:
    store, settings = folder(tmp_path)
    pointer = foreign.publish_to(store, generation=1)
    assert pointer.champion is not None
    prices = store.read("prices/EURUSD-ecb.csv").data
    store.delete("prices/EURUSD-ecb.csv")
    refusal(store, settings, "upload the ecb prices first")
    foreign.put(store, "prices/EURUSD-ecb.csv", prices)
    assert activate(store, settings, NOW)[:2] == ("activated", 1)


def test_an_unreadable_active_file_heals(store: Store, settings: Settings) -> None:
    foreign.publish_to(store, generation=4)
    activate(store, settings, NOW)
    foreign.put(store, keys.ACTIVE_KEY, b"{broken")
    assert activate(store, settings, NOW)[:2] == ("activated", 4)


def test_a_damaged_copy_is_not_activated_but_written_anew(store: Store, settings: Settings) -> None:
    pointer = foreign.publish_to(store, generation=1)
    assert pointer.champion is not None
    key = keys.serving_key(pointer.champion.sha256)
    foreign.put(store, key, b"damaged")
    assert activate(store, settings, NOW)[:2] == ("activated", 1)
    assert store.read(key).data == store.read(pointer.champion.key).data


@hypothesis_settings(deadline=None, max_examples=40)
@given(generations=st.lists(st.none() | st.integers(1, 5), min_size=1, max_size=8), repeats=st.integers(1, 2))
def test_the_active_generation_never_falls(
    tmp_path_factory: pytest.TempPathFactory, generations: list[int | None], repeats: int
) -> None:
    """Pointers in any order, repeated and refused: the law of generations."""
    store, settings = folder(tmp_path_factory.mktemp("law"))
    data = [foreign.champion_bytes(spread=0.004 + 0.001 * i) for i in range(6)]
    highest, active_sha256 = 0, ""
    for generation in generations:
        foreign.publish_to(store, data[generation or 0], generation)
        for _ in range(repeats):
            before = store.read(keys.ACTIVE_KEY) if highest else None
            try:
                result = activate(store, settings, NOW)
            except Refused as error:
                result = Activation("refused", error.generation, str(error))
            lower = generation is not None and generation < highest
            other = generation == highest and active_sha256 != hashlib.sha256(data[generation]).hexdigest()
            assert (result.outcome == "refused") == (lower or other)
            assert (result.outcome == "activated") == (active(store).generation > highest)
            assert result.outcome == "activated" or store.read(keys.ACTIVE_KEY) == before
            assert active(store).generation == result.generation
            assert active(store).generation >= max(highest, generation or 1)
            highest, active_sha256 = active(store).generation, active(store).champion.sha256


def test_of_concurrent_activations_one_wins(store: Store, settings: Settings) -> None:
    workers = 2 if settings.use_s3 else 6
    foreign.publish_to(store, generation=1)
    activate(store, settings, NOW)
    foreign.publish_to(store, OTHER, 2)
    together = threading.Barrier(workers)

    def run(_: int) -> Activation:
        mine = open_store(settings)
        together.wait()
        return activate(mine, settings, NOW)

    with ThreadPoolExecutor(workers) as pool:
        outcomes = sorted(result.outcome for result in pool.map(run, range(workers)))
    assert outcomes == ["activated", *["unchanged"] * (workers - 1)]
    assert active(store).generation == 2


def test_a_newer_pointer_meanwhile_is_not_overtaken(tmp_path: Path) -> None:
    """An activation that read generation 2 loses to generation 3, which came in between, and says so."""
    store, settings = folder(tmp_path)
    foreign.publish_to(store, generation=1)
    activate(store, settings, NOW)
    foreign.publish_to(store, OTHER, 2)
    overtaken = store.replace

    def replace_later(key: str, data: bytes, etag: str | None) -> bool:
        store.replace = overtaken  # type: ignore[method-assign]
        foreign.publish_to(store, foreign.champion_bytes(spread=0.007), 3)
        assert activate(open_store(settings), settings, NOW)[:2] == ("activated", 3)
        return overtaken(key, data, etag)

    store.replace = replace_later  # type: ignore[method-assign]
    assert activate(store, settings, NOW)[:2] == ("unchanged", 3)
    assert active(store).generation == 3


def command(store_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "STORE_DIR": str(store_dir), "USE_S3": "false"}
    call = [sys.executable, "-m", "lambda_fn.refresh", *arguments]
    return subprocess.run(call, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def assert_unchanged(result: dict[str, Any]) -> None:
    """Of generation 1 with its forecast of 2026-10-30."""
    assert (result["outcome"], result["generation"], result["forecast"]["outcome"]) == ("unchanged", 1, "unchanged")
    assert "generation 1" in result["reason"]
    assert "2026-10-30, generation 1" in result["forecast"]["reason"]
    assert result.keys() == {"outcome", "generation", "reason", "forecast"}


def test_the_command(tmp_path: Path) -> None:
    store, _ = folder(tmp_path)
    foreign.publish_to(store, generation=1)
    done = command(tmp_path)
    words = "activated: EURUSD_Foreign version 1\nforecast made: the forecast after 2026-10-30, generation 1\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, words, "")
    done = command(tmp_path, "--json")
    assert_unchanged(json.loads(done.stdout))
    foreign.put(store, POINTER, OLD)
    for _ in range(2):
        done = command(tmp_path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "refused: pointer.champion: missing" in done.stderr
        assert "Traceback" not in done.stderr
    done = command(tmp_path, "--json")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (1, "refused")


def test_the_command_says_wrong_settings_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("USE_S3", "perhaps")
    assert refresh.main([]) == 2
    assert re.fullmatch(r"USE_S3: 'perhaps' .*; .*\btrue or false\n", capsys.readouterr().err)


def invocation(request_id: str = "request") -> SimpleNamespace:
    """Lambda's context, as far as the handler reads it."""
    return SimpleNamespace(aws_request_id=request_id)


def test_the_lambda_handler(
    store_environ: dict[str, str], store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the event says; a first refusal is raised and counted, so that it ends in the dead-letter queue."""
    for name, value in store_environ.items():
        monkeypatch.setenv(name, value)
    foreign.publish_to(store, generation=1)
    assert refresh.handler({"Records": "nonsense"}, invocation())["outcome"] == "activated"
    assert '"ChampionActivated":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert_unchanged(refresh.handler({}, invocation()))
    foreign.publish_to(store, foreign.champion_bytes(drift=0.5), 2)
    with pytest.raises(Refused, match=r"\bmedian is 50\.0%"):
        refresh.handler({}, invocation("of-the-event"))
    assert '"ChampionRefused":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert refresh.handler({}, invocation("of-the-timer"))["outcome"] == "refused"
    with pytest.raises(Refused):  # Lambda tries the event again, and only events whose tries all fail become letters
        refresh.handler({}, invocation("of-the-event"))


OF_OTHERS = {"Records": [{"eventVersion": "2.6", "eventName": "Put", "s3": {"object": {"key": key}}} for key in "ab"]}


@pytest.mark.parametrize("event", [{}, {"force": True}, None, [1], "text", {"Records": [{"s3": 7}]}])
def test_the_lambda_handler_activates_on_any_event(
    event: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    store, _ = folder(tmp_path)
    foreign.publish_to(store, generation=1)
    capsys.readouterr()
    assert refresh.handler(event, invocation())["outcome"] == "activated"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["version"] for line in lines if "message" in line} == {__version__}
    metrics = [line for line in lines if "_aws" in line]
    activated, made = metrics
    assert activated["ChampionActivated"] == made["ForecastMade"] == [1.0]
    for metric in metrics:
        assert (metric["pair"], metric["stack"], metric["service"]) == ("EURUSD", "local", "refresh")
        [described] = metric["_aws"]["CloudWatchMetrics"]
        assert described["Namespace"] == "EurUsdForecast" and described["Dimensions"][-1] == ["stack"]
        assert (["pair", "stack"] in described["Dimensions"]) == (metric is made)


def test_the_lambda_handler_ignores_what_is_of_other_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    store, _ = folder(tmp_path)
    foreign.publish_to(store, generation=1)
    result = refresh.handler(OF_OTHERS, invocation())
    assert "S3 event 2.6 Put of a, S3 event 2.6 Put of b" in result["reason"]
    assert {**result, "reason": ""} == {"outcome": "ignored", "generation": None, "reason": ""}
    assert store.list("serving") == []


def test_the_log_names_the_event_and_the_request(tmp_path: Path) -> None:
    """In a process of its own: the logger writes to the standard output that it found first."""
    code = f"""
from types import SimpleNamespace
from lambda_fn import refresh
for number, event in enumerate([{{"source": "aws.scheduler"}}, {OF_OTHERS!r}, {{}}]):
    refresh.handler(event, SimpleNamespace(aws_request_id=f"request-{{number}}"))
"""
    environ = {**os.environ, "STORE_DIR": str(tmp_path), "USE_S3": "false"}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    of_others = "S3 event 2.6 Put of a, S3 event 2.6 Put of b"
    told = [line for line in lines if "outcome" in line]
    forecasts = [(line["request_id"], line["forecast"]) for line in lines if "forecast" in line]
    assert forecasts == [("request-0", "nothing"), ("request-2", "nothing")]
    assert [(line["request_id"], line["trigger"], line["outcome"]) for line in told] == [
        ("request-0", "schedule", "unchanged"),
        ("request-1", of_others, "ignored"),
        ("request-2", "manual invocation", "unchanged"),
    ]
