"""A running server takes up a champion with a feature, and one of an architecture, that the project does not know."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lambda_fn.champion.runtime import Champion
from lambda_fn.prices.price_file import parse
from lambda_fn.settings import Settings
from lambda_fn.store.keys import price_key
from lambda_fn.store.s3 import open_store
from tests.support import foreign, unknown_models
from tests.support.server_process import Server, running, until

UNKNOWN = {
    "rsi": (unknown_models.rsi_file, unknown_models.rsi_mean, ["RSI_14"]),
    "attention": (unknown_models.attention_file, unknown_models.attention_mean, ["Return"]),
    "torch_lstm": (unknown_models.lstm_file, unknown_models.lstm_mean, ["Return"]),
    "sklearn_forest": (unknown_models.forest_file, unknown_models.forest_mean, ["Return"]),
}

IN_SINGLE_PRECISION = ("torch_lstm", "sklearn_forest")


def serves(server: Server, generation: int) -> bool:
    """Nothing is served until the first refresh, which runs beside the server, is done."""
    return bool(server.ask("GET", "/health").json.get("champion", {}).get("generation") == generation)


def test_unknown_features_and_architectures_are_served_by_a_server_that_was_running(tmp_path: Path) -> None:
    environ = {"STORE_DIR": "store", "CHAMPION_MAX_AGE_S": "0.2"}
    store = open_store(Settings.from_env(environ | {"STORE_DIR": str(tmp_path / "store")}))
    foreign.publish_to(store)
    blob = store.read(price_key("EURUSD", "ecb"))
    close = parse(blob.data).columns["close"][None, -foreign.WINDOW :]
    with running(tmp_path, environ, "--refresh-every", "0.2") as server:
        until(partial(serves, server, 1), "the first champion")
        for generation, (family, (file, reference, features)) in enumerate(UNKNOWN.items(), start=2):
            foreign.publish_to(store, file(), generation, blob.data)
            until(partial(serves, server, generation), f"the champion {family}")
            answer = server.ask("GET", "/api/predict").json
            assert (answer["champion"]["family"], answer["champion"]["features"]) == (family, features)
            means = [day["mean"] for day in answer["forecast"]]
            assert means == pytest.approx(reference(close)[0].tolist(), abs=1e-6)
            assert np.ptp(np.array(means) / close[0, -1]) > 1e-4  # it really forecasts something of its own


@pytest.mark.parametrize("family", UNKNOWN)
def test_the_files_compute_what_numpy_does(family: str) -> None:
    file, reference, _ = UNKNOWN[family]
    rtol = 1e-7 if family in IN_SINGLE_PRECISION else 1e-12
    closes = np.stack([foreign.closes(foreign.WINDOW, 1.0 + i / 10) * (1 + 0.001 * i) for i in range(5)])
    np.testing.assert_allclose(Champion.load(file()).forecast({"close": closes}).mean, reference(closes), rtol=rtol)
