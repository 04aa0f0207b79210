"""Champions that training knows nothing of, and the cache that swaps them in and never lets a bad one in."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from lambda_fn.champion.base import ForecastError
from lambda_fn.champion.cache import ChampionCache
from lambda_fn.champion.runtime import Champion, _session_options
from lambda_fn.champion.sandbox import Pool
from lambda_fn.contract import Active
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import activate
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import NothingToServe
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.server_process import until

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
START = 1_000_000.0


def batch(n: int, window: int = foreign.WINDOW) -> NDArray[np.float64]:
    return np.stack([foreign.closes(window, 1.0 + 0.1 * i) for i in range(n)])


def publish_and_activate(store: Store, settings: Settings, data: bytes, generation: int) -> None:
    foreign.publish_to(store, data, generation)
    assert activate(store, settings, NOW).outcome == "activated"


def test_prices_in_distribution_out() -> None:
    champion = Champion.load(foreign.champion_bytes(spread=0.01))
    closes = batch(3)
    forecast = champion.forecast({"close": closes})
    assert champion.columns == champion.inputs == ("close",)
    widths = 1 + 0.01 * np.sqrt([1, 2, 3])[:, None] * (np.array(foreign.LEVELS) - 0.5)
    np.testing.assert_allclose(forecast.quantiles, closes[:, -1][:, None, None] * widths, rtol=1e-14)
    np.testing.assert_array_equal(forecast.mean, np.repeat(closes[:, -1:], 3, axis=1))


def test_single_equals_batch() -> None:
    champion, closes = Champion.load(foreign.champion_bytes(last=7)), batch(50)
    together = champion.forecast({"close": closes})
    for i in range(50):
        alone = champion.forecast({"close": closes[i : i + 1]})
        np.testing.assert_allclose(alone.quantiles[0], together.quantiles[i], rtol=1e-12)


@pytest.mark.parametrize(("window", "horizon"), [(2, 1), (513, 5), (40, 12)])
def test_any_window_horizon_levels_and_columns(window: int, horizon: int) -> None:
    levels = (0.001, 0.025, 0.5, 0.975)
    data = foreign.champion_bytes(["high", "eurjpy"], dated=True, window=window, horizon=horizon, levels=levels)
    champion = Champion.load(data)
    assert champion.columns == ("close", "high", "eurjpy")
    assert champion.inputs == (*champion.columns, "date", "target_date")
    inputs: dict[str, NDArray[Any]] = {name: batch(2, window) for name in champion.columns}
    inputs["date"] = np.tile(np.arange(window), (2, 1))
    inputs["target_date"] = np.tile(np.arange(window, window + horizon), (2, 1))
    assert champion.forecast(inputs).quantiles.shape == (2, horizon, 4)


def test_the_columns_come_in_one_order_whatever_the_files() -> None:
    model = onnx.load_from_string(foreign.champion_bytes(["eurjpy"]))
    inputs = list(model.graph.input)[::-1]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    assert Champion.load(model.SerializeToString()).columns == ("close", "eurjpy")


def test_declared_output_shapes_are_not_trusted() -> None:
    """A wrong declaration is no harm: levels and horizon come from the metadata and a trial run."""
    model = onnx.load_from_string(foreign.champion_bytes())
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    assert Champion.load(model.SerializeToString()).metadata.horizon == foreign.HORIZON


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"horizon": "4"}, r"^champion: output quantiles .*float64 \[2, 3, 5\].*; .*float64 \[2, 4, 5\]"),
        ({"levels": "[0.025, 0.5, 0.975]"}, r"^champion: output quantiles .*; .*float64 \[2, 3, 3\]"),
        ({"window": "21"}, r"input close has shape \['batch', 20\]; it must be \[batch, 21\]"),
        ({"contract_version": "2"}, r"^metadata\.contract_version: .*\b1, not 2; "),
        ({"family": None}, "metadata.family: missing"),
    ],
)
def test_metadata_that_does_not_fit_the_graph_is_refused(props: dict[str, str | None], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Champion.load(foreign.champion_bytes(props=props))


@pytest.mark.parametrize(
    ("node", "kind", "message"),
    [
        (helper.make_node("ReduceMean", ["mean", "axis"], ["sd"], keepdims=1), TensorProto.DOUBLE, r"float64 \[2, 1\]"),
        (helper.make_node("Cast", ["mean"], ["sd"], to=TensorProto.FLOAT), TensorProto.FLOAT, r"float32 \[2, 3\]"),
    ],
)
def test_an_sd_of_another_shape_or_type_is_refused(node: onnx.NodeProto, kind: int, message: str) -> None:
    model = onnx.load_from_string(foreign.champion_bytes())
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("sd", kind, ["batch", "days"]))
    with pytest.raises(ContractError, match=rf"^champion: output sd is {message}"):
        Champion.load(model.SerializeToString())


def identity_champion(
    inputs: list[tuple[str, int, list[Any]]], outputs: tuple[str, str] = ("quantiles", "mean"), rows: str = "close"
) -> bytes:
    """A graph whose quantiles and mean are pieces of its first input, for what `champion_bytes` cannot get wrong."""
    constants = [("axis", np.array([1])), ("zero", np.array([0])), ("three", np.array([3])), ("two", np.array([2]))]
    nodes = [
        helper.make_node("Slice", [rows, "zero", "three", "axis"], [outputs[1]]),
        helper.make_node("Unsqueeze", [outputs[1], "two"], ["column"]),
        helper.make_node("Concat", ["column"] * 5, [outputs[0]], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "wrong",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(name, inputs[0][1], ["a", "b", "c"][: 3 - i]) for i, name in enumerate(outputs)],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    return foreign.with_props(graph, foreign.metadata().to_props())


DOUBLE, FLOAT = TensorProto.DOUBLE, TensorProto.FLOAT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            lambda: identity_champion([("price", DOUBLE, ["n", 20])], rows="price"),
            r"^champion: .*inputs\b.*\bprice; .*\bclose$",
        ),
        (
            lambda: identity_champion([("close", FLOAT, ["n", 20])]),
            r"close is tensor\(float\); it must be tensor\(double",
        ),
        (
            lambda: identity_champion([("close", DOUBLE, ["n", 20]), ("date", DOUBLE, ["n", 20])]),
            "date is tensor.double",
        ),
        (lambda: identity_champion([("close", DOUBLE, ["n", 20]), ("high", DOUBLE, ["n", 20, 1])]), "high has shape"),
        (
            lambda: identity_champion([("close", DOUBLE, ["n", 20])], ("q", "mean")),
            r"^champion: .*no output quantiles; ",
        ),
    ],
)
def test_a_wrong_signature_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Champion.load(data())


def test_a_champion_of_one_window_only_is_refused() -> None:
    """Its batch is fixed to one: several series at once could not be asked."""
    with pytest.raises(ContractError, match=r"^champion: .*INVALID_ARGUMENT.*\bclose\b"):
        Champion.load(identity_champion([("close", DOUBLE, [1, 20])]))


def test_no_nan_is_ever_given() -> None:
    champion = Champion.load(foreign.champion_bytes(drift=float("nan")))
    with pytest.raises(ForecastError, match="not finite"):
        champion.forecast({"close": batch(1)})


@pytest.mark.parametrize(
    ("inputs", "name"),
    [({}, "close"), ({"close": batch(1)[:, 1:]}, "close"), ({"close": batch(1), "more": batch(1)}, "more")],
)
def test_wrong_inputs_are_an_error_of_the_forecast(inputs: dict[str, NDArray[Any]], name: str) -> None:
    with pytest.raises(ForecastError, match=rf"\bcannot run\b.*\b{name}\b"):
        Champion.load(foreign.champion_bytes()).forecast(inputs)


def test_nothing_to_serve_says_when_to_ask_again(store: Store, settings: Settings) -> None:
    now = [START]
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    for wait, retry_after_s in ((0.0, 1), (0.5, 1), (1.0, 1), (2.0, 2), (1.0, 2)):
        with pytest.raises(NothingToServe, match=r"has no serving/active\.json") as caught:
            cache.current()
        assert caught.value.retry_after_s == retry_after_s
        now[0] += wait
    publish_and_activate(store, settings, foreign.champion_bytes(), 1)
    with pytest.raises(NothingToServe):
        cache.current()
    now[0] += 1
    assert cache.current().active.generation == 1


def test_a_new_champion_is_swapped_in_after_the_age_limit(store: Store, settings: Settings) -> None:
    now = [START]
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    one, two = foreign.champion_bytes(), foreign.champion_bytes(["eurjpy"], dated=True, window=7)
    publish_and_activate(store, settings, one, 1)
    first = cache.current()
    assert (first.active.generation, first.stale, first.checked_at) == (1, False, datetime.fromtimestamp(START, UTC))
    foreign.put(store, "prices/EURUSD-ecb.csv", foreign.price_file(60, ["eurjpy"]))
    publish_and_activate(store, settings, two, 2)
    now[0] += settings.champion_max_age_s - 1
    assert cache.current() == first, "within the age limit the store is not asked"
    now[0] += 1
    second = cache.current()
    assert (second.active.generation, second.champion.columns) == (2, ("close", "eurjpy"))
    assert second.active.serving_key == keys.serving_key(second.champion.sha256)


def test_an_unchanged_champion_is_not_fetched_again(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store, now = open_store(settings), [START]
    publish_and_activate(store, settings, foreign.champion_bytes(), 1)
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    first = cache.current()
    store.delete(first.active.serving_key)  # would be missed by a second fetch
    now[0] += settings.champion_max_age_s
    again = cache.current()
    assert again.champion is first.champion
    assert (again.stale, again.checked_at) == (False, datetime.fromtimestamp(now[0], UTC))


@pytest.mark.parametrize(
    "damage", ["active removed", "active broken", "champion removed", "champion corrupt", "other champion"]
)
def test_whatever_breaks_the_old_one_goes_on_serving(store: Store, settings: Settings, damage: str) -> None:
    now = [START]
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    publish_and_activate(store, settings, foreign.champion_bytes(), 1)
    good = cache.current()
    publish_and_activate(store, settings, foreign.champion_bytes(spread=0.006), 2)
    active = store.read(keys.ACTIVE_KEY).data
    key = Active.parse(active).serving_key
    data = store.read(key).data
    match damage:
        case "active removed":
            store.delete(keys.ACTIVE_KEY)
        case "active broken":
            foreign.put(store, keys.ACTIVE_KEY, active[:-20])
        case "champion removed":
            store.delete(key)
        case "champion corrupt":
            foreign.put(store, key, data[:-1] + b"?")
        case "other champion":
            foreign.put(store, key, foreign.champion_bytes(spread=0.007))
    now[0] += settings.champion_max_age_s
    kept = cache.current()
    assert kept.stale
    assert kept.champion is good.champion
    assert kept.checked_at == good.checked_at
    foreign.put(store, keys.ACTIVE_KEY, active)
    foreign.put(store, key, data)
    now[0] += 3
    assert cache.current().stale, "no new try for four seconds after a failure"
    now[0] += 1
    healed = cache.current()
    assert (healed.stale, healed.active.generation) == (False, 2)


def test_a_clock_set_back_does_not_stop_the_checks(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store, now = open_store(settings), [START]
    publish_and_activate(store, settings, foreign.champion_bytes(), 1)
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    cache.current()
    publish_and_activate(store, settings, foreign.champion_bytes(spread=0.006), 2)
    now[0] -= 86_400
    assert cache.current().active.generation == 2


class HangingStore(FolderStore):
    """Answers a read of the active pointer only when it is let, and then with a failure."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked, self.let = threading.Event(), threading.Event()

    def read(self, key: str, unless_etag: str | None = None) -> Any:
        if unless_etag:
            self.asked.set()
            self.let.wait()
            raise Unavailable("hung")
        return super().read(key)


def test_a_slow_store_holds_up_one_thread_only(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store, now = HangingStore(tmp_path), [START]
    publish_and_activate(store, settings, foreign.champion_bytes(), 1)
    cache = ChampionCache(store, settings, lambda: now[0], Pool())
    cache.current()
    now[0] += settings.champion_max_age_s
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(cache.current)
        store.asked.wait()
        assert cache.current().active.generation == 1, "answered while the other thread is still asking"
        store.let.set()
        assert hanging.result().stale


def test_swaps_under_load_give_no_error_and_no_mixture(tmp_path: Path) -> None:
    """Every thread sees the champion, its pointer and its forecast belong together, whatever the others load."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "CHAMPION_MAX_AGE_S": "0"})
    store = open_store(settings)
    publish_and_activate(store, settings, foreign.champion_bytes(drift=0.0001), 1)
    cache = ChampionCache(store, settings, iter(range(10**9)).__next__, Pool())
    closes, done = batch(1), threading.Event()

    def ask() -> set[int]:
        seen = set()
        while not done.is_set():
            serving = cache.current()
            generation = serving.active.generation
            assert serving.champion.sha256 == serving.active.champion.sha256
            mean = serving.champion.forecast({"close": closes.tolist()}).mean[0][0]
            assert mean / closes[0, -1] - 1 == pytest.approx(generation / 10_000)
            seen.add(generation)
        return seen

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for generation in range(2, 9):
            publish_and_activate(store, settings, foreign.champion_bytes(drift=generation / 10_000), generation)
        done.set()
        seen = set().union(*(each.result() for each in asking))
    # the old one is told as stale where the four have used up what may be waited for the store
    until(lambda: cache.current().active.generation == 8, "the last one")
    assert len(seen) > 1, "no swap happened while they asked"


def test_the_runtime_reads_no_data_outside_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract refuses such a file before the runtime sees it; this is the second line of defence."""
    monkeypatch.chdir(tmp_path)
    weights = numpy_helper.from_array(np.arange(64.0), "weights")
    output = helper.make_tensor_value_info("output", TensorProto.DOUBLE, [64])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["weights"], ["output"])], "outside", [], [output], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    data = Path("model.onnx").read_bytes()
    assert onnxruntime.InferenceSession(data).run(None, {})[0].sum() == np.arange(64.0).sum()
    with pytest.raises(Fail, match=os.devnull):
        onnxruntime.InferenceSession(data, _session_options(), providers=["CPUExecutionProvider"])
