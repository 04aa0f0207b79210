"""Several pairs served by one deployment: each has its own champion, forecast and record, and stops no other."""

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambda_fn import ingest, refresh
from lambda_fn.api import App, LambdaFunction, handle_event
from lambda_fn.jobs import activation
from lambda_fn.prices import ecb
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from lambda_fn.web import state
from lambda_fn.web.state import PairState, State
from tests.support import foreign
from tests.support.ecb_server import Bank, history, running
from tests.support.events import event

PAIRS = ("EURUSD", "GBPUSD", "USDJPY")
SPREADS = dict(zip(PAIRS, (0.004, 0.006, 0.008), strict=True))
NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Context:
    """What Lambda gives beside the event."""

    aws_request_id: str = "r-1"


def environ(folder: Path, pairs: str = ",".join(PAIRS)) -> dict[str, str]:
    return {"STORE_DIR": str(folder), "PAIRS": pairs}


def publish(store: Store, settings: Settings, pair: str, generation: int, spread: float | None = None) -> None:
    own = settings.for_pair(pair)
    data = foreign.champion_bytes(pair=pair, spread=spread or SPREADS[pair])
    foreign.publish_to(store, data, generation, key=own.model_info_key, model_name=f"{pair}_Foreign")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a forecast of each pair, of generations 1, 2 and 3."""
    folder = tmp_path_factory.mktemp("trained")
    settings = Settings.from_env(environ(folder))
    for generation, pair in enumerate(PAIRS, 1):
        publish(open_store(settings), settings, pair, generation)
        refresh.refresh(open_store(settings), settings.for_pair(pair), NOW)
    return folder


@pytest.fixture
def served(trained: Path, tmp_path: Path) -> tuple[Store, Settings]:
    """A copy of it."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    settings = Settings.from_env(environ(tmp_path))
    return open_store(settings), settings


@pytest.fixture
def app(served: tuple[Store, Settings]) -> App:
    store, settings = served
    return App(store, settings, NOW.timestamp)


def ask(app: App, path: str, method: str = "GET", body: object = None, **query: str) -> tuple[int, Any]:
    answer = handle_event(app, event(method, path, query, body))
    return answer["statusCode"], json.loads(answer["body"])


def width(answer: Mapping[str, Any]) -> float:
    quantiles = list(answer["forecast"][0]["returns"]["quantiles"].values())
    return float(quantiles[-1] - quantiles[0])


def test_a_request_names_its_pair_or_gets_the_first(app: App) -> None:
    for path in ("/health", "/api/predict", "/api/champion"):
        assert ask(app, path)[1]["pair"] == "EURUSD"
        assert [ask(app, path, pair=pair)[1]["pair"] for pair in PAIRS] == list(PAIRS)
    generations = [ask(app, "/api/predict", pair=pair)[1]["champion"]["generation"] for pair in PAIRS]
    assert generations == [1, 2, 3]
    widths = [width(ask(app, "/api/predict", pair=pair)[1]) for pair in PAIRS]
    assert widths == sorted(set(widths))
    assert ask(app, "/api/probability", below="1.1", pair="USDJPY")[1]["pair"] == "USDJPY"


def test_prices_that_are_sent_go_to_the_pairs_champion(app: App) -> None:
    body = {"close": foreign.closes().tolist()}
    answers = [ask(app, "/api/predict", "POST", body, pair=pair) for pair in PAIRS]
    assert [(status, answer["pair"]) for status, answer in answers] == [(200, pair) for pair in PAIRS]
    assert [width(answer) for _, answer in answers] == sorted({width(answer) for _, answer in answers})


def test_a_model_is_found_by_its_name(app: App) -> None:
    for pair in PAIRS:
        status, found = ask(app, f"/v2/models/{pair}_Foreign")
        assert (status, found["name"]) == (200, f"{pair}_Foreign")
    assert ask(app, "/v2/models/EURCHF_Foreign")[0] == 404
    assert ask(app, "/v2/health/ready", pair="GBPUSD") == (200, {"ready": True})


@pytest.mark.parametrize("pair", ["EURCHF", "eurusd", "", "EURUSD,GBPUSD"])
def test_a_pair_that_is_not_served_is_named_with_those_that_are(app: App, pair: str) -> None:
    for path in ("/api/predict", "/health", "/api/history"):
        status, problem = ask(app, path, pair=pair)
        assert (status, problem["field"]) == (400, "pair")
        assert problem["cure"].startswith("give EURUSD, GBPUSD or USDJPY; GET /api/pairs")
    assert ask(app, "/api/predict", pair=pair)[1]["detail"].startswith("pair=")


def test_one_pair_is_named_alone_and_many_are_not_all_named(tmp_path: Path) -> None:
    for pairs, cure in (("EURUSD", "give EURUSD; GET"), ("majors", " or one of 20 more; GET /api/pairs")):
        settings = Settings.from_env(environ(tmp_path, pairs))
        assert cure in ask(App(open_store(settings), settings), "/api/predict", pair="EURHUF")[1]["cure"]


@hypothesis_settings(max_examples=20)
@given(asked=st.lists(st.tuples(st.sampled_from(PAIRS), st.sampled_from(("/api/predict", "/health", "/")))))
def test_answers_of_pairs_are_never_mixed(trained: Path, asked: list[tuple[str, str]]) -> None:
    settings = Settings.from_env(environ(trained))
    app = App(open_store(settings), settings, NOW.timestamp)
    tags: dict[tuple[str, str], str] = {}
    for pair, path in asked:
        answer = handle_event(app, event("GET", path, {"pair": pair} | ({"format": "html"} if path == "/" else {})))
        own, others = (f"{pair[:3]}/{pair[3:]} on" if path == "/" else f'"{pair}"'), [p for p in PAIRS if p != pair]
        assert answer["statusCode"] == 200 and own in answer["body"]
        assert path == "/" or not any(f'"{other}"' in answer["body"] for other in others)
        if tag := answer["headers"].get("ETag"):
            assert tags.setdefault((pair, path), tag) == tag
    assert len(set(tags.values())) == len(tags), "no cache takes one pair's answer for another's"


class Counting(FolderStore):
    """Remembers what is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads: list[str] = []

    def read(self, key: str, etag: str | None = None) -> Any:
        self.reads.append(key)
        return super().read(key, etag) if etag else super().read(key)


def test_a_cold_get_reads_one_object_of_its_pair(served: tuple[Store, Settings], tmp_path: Path) -> None:
    for pair in PAIRS:
        store = Counting(tmp_path)
        assert ask(App(store, served[1], NOW.timestamp), "/api/predict", pair=pair)[0] == 200
        assert store.reads == [keys.forecast_key(pair)]


def test_a_pair_whose_store_is_broken_stops_no_other(served: tuple[Store, Settings], app: App) -> None:
    store, _ = served
    foreign.put(store, keys.forecast_key("GBPUSD"), b"{")
    assert [ask(app, "/api/predict", pair=pair)[0] for pair in PAIRS] == [200, 503, 200]


def test_memory_holds_the_pairs_that_were_asked_for_last(
    served: tuple[Store, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_PAIRS", 2)
    store = Counting(tmp_path)
    app = App(store, served[1], NOW.timestamp)
    for pair in ("EURUSD", "GBPUSD", "EURUSD", "USDJPY", "EURUSD", "GBPUSD"):
        ask(app, "/api/predict", pair=pair)
    assert store.reads == [keys.forecast_key(pair) for pair in ("EURUSD", "GBPUSD", "USDJPY", "GBPUSD")]
    assert app.evicted_pairs == 2


class Meeting(dict[str, PairState]):
    """The pairs in memory and their lock: the thread that looks for a pair waits until a second thread is at the
    lock or, if the lock is missing, looks for the pair too."""

    def __init__(self) -> None:
        super().__init__()
        self._lock, self._both = threading.Lock(), threading.Event()
        self._threads: set[int] = set()

    def pop(self, *given: Any) -> Any:
        pair = super().pop(*given)
        self._arrive()
        assert self._both.wait(60)
        return pair

    def __enter__(self) -> None:
        self._arrive()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _arrive(self) -> None:
        self._threads.add(threading.get_ident())
        if len(self._threads) > 1:
            self._both.set()


def state_of(served: tuple[Store, Settings]) -> State:
    return State(*served, NOW.timestamp, background_refresh=False, summaries={})


def test_threads_share_what_a_pair_has_in_memory(served: tuple[Store, Settings]) -> None:
    """A second state of a pair would begin with nothing, and could be older than the first."""
    pairs = state_of(served)
    pairs._pairs = pairs._lock = Meeting()  # type: ignore[assignment]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(pairs.pair, [{"pair": PAIRS[0]}] * 2, [{}] * 2)
    assert first is second


SHARED: dict[str, Callable[[State], object]] = {
    "champion": lambda made: made.pair({"pair": PAIRS[0]}, {}).champion().champion,
    "all pairs": State.all_pairs,
}


@pytest.mark.parametrize("what", SHARED)
def test_threads_share_a_champion_and_the_record_of_all_pairs(what: str, served: tuple[Store, Settings]) -> None:
    every = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            made = state_of(served)
            with ThreadPoolExecutor(4) as pool:
                assert len(set(pool.map(SHARED[what], [made] * 12))) == 1
    finally:
        sys.setswitchinterval(every)


def test_metrics_are_of_the_pair_that_was_asked_for(
    served: tuple[Store, Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = LambdaFunction({**environ(tmp_path), "AWS_LAMBDA_FUNCTION_NAME": "f"})
    for query in ({"pair": "USDJPY"}, {}, {"pair": "EURCHF"}):
        function(event("GET", "/api/predict", query), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [(line["pair"], line.get("ChampionGeneration")) for line in lines] == [
        ("USDJPY", [3.0]),
        ("EURUSD", [1.0]),
        ("EURUSD", None),
    ]


# Refresh


Handler = Callable[[Any], dict[str, Any]]


@pytest.fixture
def on_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def of_s3(key: str) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}]}


def test_an_event_of_a_pointer_refreshes_its_pair_alone(on_folder: Path) -> None:
    settings = Settings.from_env(environ(on_folder))
    store = open_store(settings)
    for pair in PAIRS:
        publish(store, settings, pair, 1)
    result = refresh.handler(of_s3("models/GBPUSD/best_model_info.json"), Context())
    assert (result["outcome"], result["reason"]) == ("activated", "GBPUSD_Foreign version 1")
    assert [key for key in store.list("serving") if key.endswith("active.json")] == [keys.active_key("GBPUSD")]
    assert refresh.handler(of_s3("models/EURCHF/best_model_info.json"), Context())["outcome"] == "ignored"


def test_the_hourly_run_goes_over_all_and_one_that_fails_stops_no_other(on_folder: Path) -> None:
    settings = Settings.from_env(environ(on_folder))
    store = open_store(settings)
    publish(store, settings, "EURUSD", 1)
    foreign.put(store, settings.for_pair("GBPUSD").model_info_key, b"{")
    publish(store, settings, "USDJPY", 1)
    with pytest.raises(ExceptionGroup, match="1 of 3 pairs failed: GBPUSD: pointer") as caught:
        refresh.handler({"source": "aws.scheduler"}, Context())
    assert [type(error) for error in caught.value.exceptions] == [activation.Refused]
    again = refresh.handler({"source": "aws.scheduler"}, Context("r-2"))
    outcomes = {pair: found["outcome"] for pair, found in again["pairs"].items()}
    assert outcomes == {"EURUSD": "unchanged", "GBPUSD": "refused", "USDJPY": "unchanged"}
    for pair in ("EURUSD", "USDJPY"):
        assert store.list(f"record/{pair}"), "and each has its official forecast"


def test_a_rollback_by_hand_says_of_which_pair(served: tuple[Store, Settings], on_folder: Path) -> None:
    store, settings = served
    publish(store, settings, "GBPUSD", 7, spread=0.005)
    refresh.refresh(store, settings.for_pair("GBPUSD"), NOW)
    refused = refresh.handler({"rollback": True}, Context())
    assert refused["outcome"] == "refused"
    assert '{"rollback": true, "pair": "EURUSD"}' in refused["reason"]
    before = {pair: store.read(keys.active_key(pair)).data for pair in PAIRS}
    result = refresh.handler({"rollback": True, "pair": "GBPUSD"}, Context())
    assert (result["outcome"], result["generation"]) == ("activated", 8)
    after = {pair: store.read(keys.active_key(pair)).data for pair in PAIRS}
    assert [pair for pair in PAIRS if before[pair] != after[pair]] == ["GBPUSD"]


def test_the_command_tells_each_pair_and_takes_one(on_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings.from_env(environ(on_folder))
    store = open_store(settings)
    for pair in PAIRS:
        publish(store, settings, pair, 1)
    foreign.put(store, settings.for_pair("GBPUSD").model_info_key, b"{")
    assert refresh.main([]) == 1
    told = capsys.readouterr()
    assert "EURUSD: activated: EURUSD_Foreign version 1\nEURUSD: forecast made: " in told.out
    assert told.err.startswith("GBPUSD: refused: pointer")
    assert refresh.main(["--pair", "USDJPY", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "generation 1 is active"
    assert refresh.main(["--json"]) == 1
    assert set(json.loads(capsys.readouterr().out)["pairs"]) == set(PAIRS)
    assert refresh.main(["--rollback"]) == 2
    assert "--rollback: " in capsys.readouterr().err
    assert refresh.main(["--pair", "EURCHF"]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"--pair: 'EURCHF' .*\bEURUSD, GBPUSD, USDJPY; .*\bPAIRS\b.*\n", error)


# Ingest


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Any:
    with running() as bank:
        monkeypatch.setenv("ECB_URL", bank.url("hist.zip"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield bank


def test_one_download_makes_the_price_files_of_all_pairs(
    on_folder: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.files["hist.zip"] = history(5)
    downloads: list[str] = []
    download = ecb.download

    def counted(url: str) -> bytes:
        downloads.append(url)
        return download(url)

    monkeypatch.setattr(ecb, "download", counted)
    found = ingest.handler({}, Context())
    assert len(downloads) == 1
    assert {pair: each["outcome"] for pair, each in found["pairs"].items()} == dict.fromkeys(PAIRS, "created")
    store = open_store(Settings.from_env(environ(on_folder)))
    assert [key for key in store.list("prices") if key.endswith(".csv")] == [keys.price_key(p, "ecb") for p in PAIRS]
    measured = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [(line["pair"], line["RowsAppended"]) for line in measured] == [(pair, [5.0]) for pair in PAIRS]


def test_a_pair_that_the_bank_does_not_quote_stops_no_other(on_folder: Path, bank: Bank) -> None:
    bank.files["hist.zip"] = history(5, currencies=("USD", "JPY", "XXX", "EEK"))
    with pytest.raises(ExceptionGroup, match=r"1 of 3 pairs failed: GBPUSD: GBPUSD: .*\bEEK, EUR, JPY\b"):
        ingest.handler({}, Context())
    store = open_store(Settings.from_env(environ(on_folder)))
    assert [key for key in store.list("prices") if key.endswith(".csv")] == [
        keys.price_key(pair, "ecb") for pair in ("EURUSD", "USDJPY")
    ]
    kept = store.list("prices/refused")
    assert len(kept) == 2 and sum(key.endswith(".zip") for key in kept) == 1


def test_a_file_that_no_pair_can_take_is_kept_once(on_folder: Path, bank: Bank) -> None:
    bank.files["hist.zip"] = b"no zip"
    with pytest.raises(ExceptionGroup, match=r"3 of 3 pairs failed: EURUSD: .*: not a zip\b"):
        ingest.handler({}, Context())
    kept = open_store(Settings.from_env(environ(on_folder))).list("prices/refused")
    assert [key.endswith(".zip") for key in kept].count(True) == 1
    assert len(kept) == 1 + len(PAIRS)


def test_the_command_ingests_each(on_folder: Path, bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    bank.files["hist.zip"] = history(5)
    assert ingest.main(["--pair", "GBPUSD"]) == 0
    assert capsys.readouterr().out.startswith("created: prices/GBPUSD-ecb.csv: 5 rows, through ")
    assert ingest.main(["--json"]) == 0
    outcomes = {pair: each["outcome"] for pair, each in json.loads(capsys.readouterr().out)["pairs"].items()}
    assert outcomes == {"EURUSD": "created", "GBPUSD": "unchanged", "USDJPY": "created"}


# All pairs at once


def test_the_pairs_are_listed_without_asking_the_store_when_there_is_one(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = Counting(tmp_path)
    listed = {"default": "EURUSD", "pairs": [{"pair": "EURUSD", "base": "EUR", "quote": "USD"}], "pooled": None}
    assert ask(App(store, settings), "/api/pairs") == (200, listed)
    assert store.reads == []


def test_all_pairs_are_known_after_an_ingest(app: App, on_folder: Path, bank: Bank) -> None:
    before = ask(app, "/api/pairs")[1]
    assert [each["pair"] for each in before["pairs"]] == list(PAIRS)
    assert before["pooled"] is None
    bank.files["hist.zip"] = history(5)
    with pytest.raises(ExceptionGroup, match="pairs failed"):  # these prices are not those of the bank
        ingest.handler({}, Context())
    found = ask(App(open_store(Settings.from_env(environ(on_folder))), app_settings(on_folder)), "/api/pairs")[1]
    about = {each["pair"]: each for each in found["pairs"]}
    assert {pair: each["champion"] for pair, each in about.items()} == {pair: f"{pair}_Foreign" for pair in PAIRS}
    assert found["pooled"] == {"live": None, "backtest": None}
    assert found["stale"] is False
    served = App(open_store(Settings.from_env(environ(on_folder))), app_settings(on_folder))
    assert ask(served, "/api/book")[1]["currency"] == "EUR"  # ingest wrote the correlations
    assert set(ask(served, "/api/track-record", kind="book")[1]["books"]) == {"long", "long_short"}


def app_settings(folder: Path) -> Settings:
    return Settings.from_env(environ(folder))


def test_the_page_offers_the_pairs_and_keeps_the_one_that_is_shown(app: App) -> None:
    page = handle_event(app, event("GET", "/", {"pair": "USDJPY", "format": "html"}))["body"]
    assert '<option value="USDJPY" selected>USD/JPY</option>' in page
    assert '<input type="hidden" name="pair" value="USDJPY">' in page
    assert 'href="/api/predict?format=csv&amp;pair=USDJPY"' in page
    assert "https://HOST/api/predict?horizon=1&amp;pair=USDJPY" in page
    every = handle_event(app, event("GET", "/api/pairs", {"format": "html"}))
    assert every["headers"]["Content-Type"].startswith("text/html")
    assert all(f'href="/?pair={pair}"' in every["body"] for pair in PAIRS)


def test_the_page_of_one_pair_offers_no_choice(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    publish(store, settings, "EURUSD", 1)
    refresh.refresh(store, settings, NOW)
    page = handle_event(App(store, settings, NOW.timestamp), event("GET", "/", {"format": "html"}))["body"]
    assert 'class="choice"' not in page and "pair=" not in page
