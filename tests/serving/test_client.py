"""The typed client against a real server with two pairs, and the frame of Nixtla's users."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from lambda_fn.client import ApiError, Client, forecast_frame
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign, page_store
from tests.support.readme import DOCUMENTS, blocks
from tests.support.recorder import Reply, recording
from tests.support.server_process import Server, running

TODAY = datetime.now(UTC).date()
AS_OF = page_store.business_day_ago(1, TODAY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client")
    environ = {"STORE_DIR": str(folder), "PAIRS": "EURUSD,GBPUSD"}
    page_store.fill(folder, TODAY, scored=40)
    settings = Settings.from_env(environ)
    own, data = settings.for_pair("GBPUSD"), foreign.champion_bytes(pair="GBPUSD", spread=0.006)
    foreign.publish_to(open_store(own), data, 1, key=own.model_info_key, model_name="GBPUSD_Foreign")
    refresh(open_store(own), own, datetime.now(UTC))
    with running(folder, environ) as found:
        yield found


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.port}/") as found:
        yield found


def closes(name: str, rows: int = 600) -> pd.DataFrame:
    days = pd.bdate_range(end="2026-10-30", periods=rows)
    return pd.DataFrame({"unique_id": name, "ds": days, "y": [1.1 + 0.001 * (row % 7) for row in range(rows)]})


def test_the_forecast_is_the_api_s_and_its_frame_the_csv(server: Server, client: Client) -> None:
    answer = client.forecast(3, level=(80, 95))
    assert answer.content["pair"] == "EURUSD" and len(answer.content["forecast"]) == 3
    table = pd.read_csv(
        f"http://127.0.0.1:{server.port}/api/predict?horizon=3&level=80,95&format=csv",
        parse_dates=["date", "as_of"],
    )
    assert {"date", "mean", "q0.5", "lo-80", "hi-95", "as_of", "volatility", "age_state"} <= set(table)
    pd.testing.assert_frame_equal(answer.frame(), table, check_dtype=False, check_exact=True)
    assert list(client.forecast(1, quantiles=[0.05]).frame().filter(like="q")) == ["q0.05", "q0.5"]


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'{"message": "Forbidden"}', b"<html>"])
def test_an_error_of_something_before_the_service_is_reported(body: bytes) -> None:
    with recording(lambda _: Reply(502, body)) as gateway, Client(gateway.address) as client:
        with pytest.raises(ApiError, match="502"):
            client.forecast()


def test_the_probability_of_a_price_and_the_price_of_a_probability(client: Client) -> None:
    price = client.probability(probability=0.25, horizon=2).content["below"]
    assert client.probability(below=price, horizon=2).content["probability"] == pytest.approx(0.25, abs=1e-3)
    days = client.forecast(2).content["forecast"]
    by_day = client.probability(above=price, day=str(days[1]["date"]))
    assert by_day.frame()["probability"].item() == pytest.approx(0.75, abs=1e-3)


def test_the_record_by_day_and_of_a_backtest_by_horizon(client: Client) -> None:
    live = client.record(days=3)
    assert len(live.frame()) == len(live.content["days"]) == 3
    assert {"pit", "outcome", "target_date"} <= set(live.frame())
    backtest = client.record("backtest").frame()
    assert backtest["coverage_80"].item() == pytest.approx(
        page_store.BACKTEST["horizons"][0]["coverage"]["80"]["value"]
    )


def test_a_client_of_a_pair_asks_for_that_pair(server: Server) -> None:
    with Client(f"http://127.0.0.1:{server.port}", pair="GBPUSD") as client:
        assert client.champion()["model_name"] == "GBPUSD_Foreign"
        assert client.forecast().content["pair"] == "GBPUSD"
        assert client.forecast(pair="EURUSD").content["pair"] == "EURUSD"


def test_a_long_frame_is_forecast_by_the_champion_of_each_pair(client: Client) -> None:
    frame = pd.concat([closes("EUR/USD"), closes("GBPUSD")]).sample(frac=1, random_state=0)
    table = forecast_frame(frame, 3, [50, 95], client=client)
    assert list(table)[:3] == ["unique_id", "ds", "forecast"] and list(table.index) == [*range(6)]
    assert {"forecast-lo-95", "forecast-hi-95"} <= set(table)
    assert table.groupby("unique_id").size().to_dict() == {"EUR/USD": 3, "GBPUSD": 3}
    assert table["ds"].min() > pd.Timestamp("2026-10-30")
    assert (table["forecast-lo-95"] < table["forecast"]).all() and (table["forecast"] < table["forecast-hi-95"]).all()
    direct = client.predict(closes("GBPUSD")["y"].tolist(), date(2026, 10, 30), 3, level=[95], pair="GBPUSD")
    bounds = table.loc[table["unique_id"] == "GBPUSD", "forecast-hi-95"].tolist()
    assert bounds == [day["intervals"]["95"]["upper"] for day in direct.content["forecast"]]
    assert forecast_frame(frame.iloc[:0], 3, [95], client=client).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="y"), "column y is missing"),
        (lambda frame: frame.assign(y=frame["y"].where(frame.index != 5)), "row 5 "),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "several rows of 2026-10-30"),
    ],
)
def test_a_frame_that_cannot_be_right_is_refused_by_name(client: Client, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forecast_frame(change(closes("EURUSD")), client=client)


def test_errors_have_the_status_the_field_and_what_to_do(server: Server, client: Client) -> None:
    with pytest.raises(ApiError, match=r"horizon=\S+ .*; give") as caught:
        client.forecast(99)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "bad_query", "horizon")
    with pytest.raises(ApiError, match="not served; give EURUSD or GBPUSD"):
        forecast_frame(closes("USDJPY"), client=client)
    with pytest.raises(ApiError, match="close"):
        forecast_frame(closes("EURUSD", 3), client=client)
    with (
        Client("http://127.0.0.1:9") as nobody,
        pytest.raises(ApiError, match=r"no response .*check the address") as none,
    ):
        nobody.forecast()
    assert none.value.status is None
    page = httpx.MockTransport(lambda request: httpx.Response(502, text="<html>bad gateway"))
    with Client(transport=page) as gateway, pytest.raises(ApiError, match="502 is not JSON"):
        gateway.forecast()
    refused = httpx.MockTransport(lambda request: httpx.Response(403, json={"message": "Forbidden"}))
    with Client(transport=refused) as gateway, pytest.raises(ApiError, match=r"response 403.*Forbidden"):
        gateway.forecast()


def test_without_pandas_the_client_has_rows(server: Server, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["pandas"] = None
from lambda_fn.client import Client
with Client("http://127.0.0.1:{server.port}") as client:
    print(client.forecast(1).rows[0]["date"], "numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "False"


def test_the_examples_of_the_document_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_fn.client.ADDRESS", f"http://127.0.0.1:{server.port}")
    code = "\n".join(block for block in blocks("python", DOCUMENTS["api.md"]) if "tritonclient" not in block)
    names: dict[str, Any] = {"closes": closes("EURUSD")}
    exec(code.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}"), names)
    assert len(names["forecast"]) == 3 and 0 < names["chance"] < 1 and len(names["record"])
    assert len(names["table"]) == 5
