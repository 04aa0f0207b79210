"""Every member of every record is replaced by what it cannot be: no answer is 500, and no forecast is another pair's.

The test takes each JSON file that a store with two pairs holds. A new record is covered as soon as it is written.
"""

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from lambda_fn import ingest, refresh
from lambda_fn.api import App, handle_event
from lambda_fn.champion.refusals import Refusal, is_first
from lambda_fn.fields import json_object, summed_bytes
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.jobs import activation
from lambda_fn.record import all_pairs
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store
from lambda_fn.web.routes import ROUTES
from tests.support import foreign
from tests.support.ecb_server import DAYS, history
from tests.support.events import event
from tests.support.page_store import BACKTEST, FAMILIES, score

Place: TypeAlias = tuple[str | int, ...]
PAIRS = {"EURUSD": 1.23, "GBPUSD": 1.64}
FIRST, LAST = len(DAYS) - 4, len(DAYS) - 1  # business days with prices at the first and at the last ingest
ODD: dict[str, Any] = {"null": None, "text": "x", "list": [], "negative": -1, "huge": 1e308}
REMOVED, OTHER = "removed", "other pair"
CHANGES = (*ODD, REMOVED, OTHER)
CLOSES = foreign.closes(foreign.WINDOW).tolist()
STEP = 251  # one of so many changes is tried by `make test`, more by `make test-long`, and every one by `make fuzz`
LONG_STEP = 1 if "FUZZ" in os.environ else 13
FILES = (
    "models/best_model_info.json",
    "serving/active.json",
    "serving/history/00000001.json",
    "serving/forecast.json",
    "serving/record.json",
    "serving/pairs.json",
    "serving/book.json",
    "serving/refused/0.json",
    "record/EURUSD/1999-02-23.json",
)


def bank(days: int) -> bytes:
    """The ECB's file of the first business days."""
    dollar, pound = PAIRS["EURUSD"], PAIRS["EURUSD"] / PAIRS["GBPUSD"]
    rates = {
        day.isoformat(): [f"{dollar + (i % 5) / 1000:.4f}", f"{pound + (i % 3) / 1000:.5f}"]
        for i, day in enumerate(DAYS[:days])
    }
    return history(rates, ("USD", "GBP"))


def bank_at(days: int, url: str) -> bytes:
    return bank(days)


def at(days: int) -> datetime:
    return datetime.combine(DAYS[days - 1], time(17), UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two pairs, each with a champion, a scored forecast, a rollback's history and a refusal."""
    folder = tmp_path_factory.mktemp("store")
    settings = Settings.from_env({"STORE_DIR": str(folder), "PAIRS": ",".join(PAIRS)})
    store = open_store(settings)
    for pair in PAIRS:
        one = settings.for_pair(pair)
        ingest_and_forecast(store, one, at(FIRST), lambda url: bank(FIRST))
        prices = store.read(keys.price_key(pair, "ecb")).data
        details = {
            "model_name": f"{pair}_Foreign",
            "scores": tuple(score(family, i) for i, family in enumerate(FAMILIES)),
            "backtest": BACKTEST,
            "pair": pair,
        }
        foreign.publish_to(store, foreign.champion_bytes(pair=pair), 1, prices, one.model_info_key, **details)
        assert refresh.refresh(store, one, at(FIRST)).forecast.outcome == "made"
        for days in range(FIRST + 1, LAST + 1):
            kept = ingest_and_forecast(store, one, at(days), partial(bank_at, days))
            assert (kept.forecast.outcome, kept.unscored) == ("made", "")
        is_first(store, keys.refused_key("0", pair), Refusal("it is bad", at(FIRST), "request", {}))
    all_pairs.write(store, settings.pairs, at(LAST))
    return settings


def test_every_record_is_among_those_that_are_tried(settings: Settings) -> None:
    store = open_store(settings)
    own = {key for key in store.list("") if key.endswith(".json") and "GBPUSD" not in key}
    of_day = {key for key in own if key.startswith("record/EURUSD/")}
    assert own - of_day == set(FILES) - of_day
    assert of_day & set(FILES)


def members(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every member, and of long lists and objects the first and the last."""
    if isinstance(value, dict | list):
        names: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        for name in names if len(names) <= 20 else [names[0], names[-1]]:
            yield (*place, name)
            yield from members(value[name], (*place, name))


def changed(record: Any, place: Place, change: str, other: Any) -> Any | None:
    """A copy with the member changed; None where the other pair has no such member, or the same."""
    record = json.loads(json.dumps(record))
    inner, theirs = record, other
    for name in place[:-1]:
        inner = inner[name]
        theirs = theirs[name] if theirs is not None and _has(theirs, name) else None
    if change == REMOVED:
        del inner[place[-1]]
    elif change == OTHER:
        if theirs is None or not _has(theirs, place[-1]) or theirs[place[-1]] == inner[place[-1]]:
            return None
        inner[place[-1]] = theirs[place[-1]]
    else:
        inner[place[-1]] = ODD[change]
    return record


def _has(value: Any, name: str | int) -> bool:
    return name in value if isinstance(value, dict) else isinstance(value, list) and int(name) < len(value)


def of_other_pair(key: str) -> str:
    if key.startswith("record/"):
        return key.replace("EURUSD", "GBPUSD")
    top, _, rest = key.partition("/")
    return f"{top}/GBPUSD/{rest}"


def check_answers(store: Store, settings: Settings, about: object) -> None:
    """Call every route of both pairs."""
    app = App(store, settings, lambda: at(LAST).timestamp())
    for route, pair in itertools.product(ROUTES, PAIRS):
        path = route.path.replace("{name}", f"{pair}_Foreign").replace("{version}", "1")
        body = {"close": CLOSES, "as_of": "2026-10-30"} if route.path == "/api/predict" else {}
        query = {"pair": pair} if "pair" in route.query_names else {}
        query |= {"below": "1.1"} if route.path == "/api/probability" else {}
        result = handle_event(app, event(route.method, path, query, body if route.method == "POST" else None))
        status, content = result["statusCode"], result["body"]
        assert status in (200, 304, 400, 404, 503), (about, route.path, status, content[:300])
        is_optional = "{" in route.path or route.path == "/sign-in"
        assert route.method == "POST" or status in (200, 503) or is_optional, (about, route.path, content[:300])
        if status == 503:
            assert json.loads(content)["error"]["code"] != "internal_error", (about, route.path)
        elif (route.method, route.path) == ("GET", "/api/predict"):
            check_forecast(json.loads(content), pair, about)
    for path, pair in itertools.product(("/", "/api/pairs"), PAIRS):
        page = handle_event(app, event("GET", path, {"format": "html"} | ({"pair": pair} if path == "/" else {})))
        assert page["statusCode"] in (200, 503), (about, path, pair, page["body"][:300])


def check_forecast(answer: Any, pair: str, about: object) -> None:
    assert answer["pair"] == pair, about
    for day in answer["forecast"]:
        numbers = list(day["quantiles"].values())
        assert numbers == sorted(numbers) and numbers[0] > 0, about
        assert all(abs(number / PAIRS[pair] - 1) < 0.15 for number in (*numbers, day["mean"])), about


@pytest.mark.parametrize("step", [STEP, pytest.param(LONG_STEP, marks=pytest.mark.long)])
@pytest.mark.parametrize("key", FILES)
def test_an_odd_member_gives_no_500_and_no_forecast_of_another_pair(
    key: str, step: int, settings: Settings, tmp_path: Path
) -> None:
    good = settings.store_dir
    settings = settings._replace(store_dir=str(tmp_path / "store"))
    record, other = read(good, key), read(good, of_other_pair(key))
    cases = list(itertools.product(members(record), CHANGES))
    for place, change in cases[::step]:
        if (odd := changed(record, place, change, other)) is None:
            continue
        about = key, place, change
        shutil.rmtree(settings.store_dir, ignore_errors=True)
        shutil.copytree(good, settings.store_dir)
        store = open_store(settings)
        foreign.put(store, key, json.dumps(odd).encode() if key.startswith("models/") else summed_bytes(odd))
        check_answers(store, settings, about)
        for pair in PAIRS:
            try:
                refresh.refresh(store, settings.for_pair(pair), at(LAST))
                ingest_and_forecast(store, settings.for_pair(pair), at(LAST), lambda url: bank(LAST))
            except (activation.Refused, ingest.Refused, Unavailable):
                continue
        all_pairs.write(store, settings.pairs, at(LAST))
        check_answers(store, settings, (*about, "after both jobs"))


def read(folder: str, key: str) -> Any | None:
    path = Path(folder) / key
    return json_object(path.read_bytes(), "record") if path.exists() else None
