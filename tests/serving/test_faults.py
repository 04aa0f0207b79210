"""A store at fault, at every call in turn and at a third of all: what is in memory goes on being served and says so.

The store is a real S3 server behind a proxy that resets, hangs, drips, cuts, garbles and refuses.
"""

import itertools
import random
import threading
from collections.abc import Iterator

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.cache import BACK_OFF_S
from lambda_fn.store.s3 import open_store
from tests.support import fault_proxy, foreign, seaweedfs
from tests.support.events import event
from tests.support.fault_proxy import FAULTS, Proxy
from tests.support.local_api import Clock, LocalApi
from tests.support.server_process import until

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
SEED = 16
ROUNDS = 60
ITSELF_AGAIN_S = 5.0  # after the store
GET, POST = event("GET", "/api/predict"), event("POST", "/api/predict", {}, {"close": CLOSES})
QUESTIONS = [GET, POST, event("GET", "/health"), event("GET", "/api/track-record"), event("GET", "/")]

pytestmark = pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")


@pytest.fixture
def proxy(bucket_environ: dict[str, str]) -> Iterator[Proxy]:
    with fault_proxy.before(bucket_environ["AWS_ENDPOINT_URL_S3"]) as found:
        yield found


@pytest.fixture
def api(bucket_environ: dict[str, str], proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    """The API that asks through the proxy, and a store of its own for promoting champions; the first is active."""
    direct = Settings.from_env(bucket_environ)
    settings = direct._replace(s3_endpoint=proxy.endpoint)
    clock = Clock()
    app = App(open_store(settings), settings, clock)
    found = LocalApi(open_store(direct), direct, clock, app, tmp_path_factory.mktemp("unused"))
    found.promote(foreign.champion_bytes(), 1)
    return found


def generation(api: LocalApi, question: dict[str, object]) -> int:
    """Of a good answer, which is that generation's in every number that it shows."""
    answer = api.call(question)
    assert answer.status == 200, answer.json
    found: int = answer.json["champion"]["generation"]
    spread = {1: 0.005, 2: 0.006}[found]
    last, first = answer.json["last_close"], answer.json["forecast"][0]
    for level in foreign.LEVELS:
        assert first["quantiles"][f"{level:g}"] == pytest.approx(last * (1 + spread * (level - 0.5)), abs=1e-6)
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_old_forecast_and_ends_with_itself(fault: str, api: LocalApi, proxy: Proxy) -> None:
    for question in (GET, POST):
        assert generation(api, question) == 1
    api.promote(foreign.champion_bytes(spread=0.006), 2)
    proxy.choose = lambda path: fault
    api.clock.ahead(api.settings.champion_max_age_s)
    for question in (GET, POST):
        answer = api.call(question)
        assert generation(api, question) == 1
        assert answer.json["stale"] or fault == "304", "a 304 says that nothing changed, and is believed"
    assert set(proxy.met) == {fault}
    proxy.choose = lambda path: None
    if fault == "304":
        api.clock.ahead(api.settings.champion_max_age_s)
    for question in (GET, POST):
        assert recovered(api, question) == 2


def recovered(api: LocalApi, question: dict[str, object]) -> int:
    """The generation within 5 s, when no check hangs any more: one that began during the fault ends with its own
    time-out. `python -m tests.load.faults` measures the whole."""
    until(lambda: all(thread.name != "check" for thread in threading.enumerate()), "the last check to end")
    api.clock.ahead(ITSELF_AGAIN_S)
    until(lambda: not api.call(question).json["stale"], "the store to be seen")
    return generation(api, question)


def test_a_store_that_refuses_connections_is_a_fault_like_others(api: LocalApi, proxy: Proxy) -> None:
    with fault_proxy.refusing(proxy):
        for question in (GET, POST):
            answer = api.call(question)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    api.clock.ahead(2)
    assert [generation(api, question) for question in (GET, POST)] == [1, 1]
    api.promote(foreign.champion_bytes(spread=0.006), 2)
    with fault_proxy.refusing(proxy):
        api.clock.ahead(api.settings.champion_max_age_s)
        for question in (GET, POST):
            assert generation(api, question) == 1
            assert api.call(question).json["stale"]
    assert [recovered(api, question) for question in (GET, POST)] == [2, 2]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("key", ["serving/forecast.json", "serving/active.json", "serving/champions/"])
def test_with_nothing_in_memory_a_fault_is_a_503_that_says_when_to_ask_again(
    key: str, fault: str, api: LocalApi, proxy: Proxy
) -> None:
    proxy.choose = lambda path: fault if key in path else None
    question = GET if key == "serving/forecast.json" else POST
    answer = api.call(question)
    assert answer.status == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 2
    assert answer.json["cure"]
    proxy.choose = lambda path: None
    api.clock.ahead(2)
    assert generation(api, question) == 1


def test_a_third_of_all_calls_fail_and_no_answer_is_wrong_or_older_than_the_one_before(
    api: LocalApi, proxy: Proxy
) -> None:
    draw = random.Random(SEED)
    quick = [name for name in FAULTS if name not in ("hanging", "dripping")]  # these have tests of their own
    for question in QUESTIONS:
        assert handle_event(api.app, question)["statusCode"] == 200
    faults = itertools.cycle(draw.sample(quick, len(quick)))
    proxy.choose = lambda path: next(faults) if draw.random() < 1 / 3 else None
    newest = {id(GET): 1, id(POST): 1}
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            api.promote(foreign.champion_bytes(spread=0.006), 2)
        api.clock.ahead(draw.choice([BACK_OFF_S, api.settings.champion_max_age_s]))
        for question in QUESTIONS:
            assert handle_event(api.app, question)["statusCode"] == 200
        for question in (GET, POST):
            found = generation(api, question)
            assert found >= newest[id(question)]
            newest[id(question)] = found
    assert len(set(proxy.met)) > len(quick) / 2
    proxy.choose = lambda path: None
    api.clock.ahead(api.settings.champion_max_age_s)  # the last one may have been a 304
    assert [recovered(api, question) for question in (GET, POST)] == [2, 2]
