"""The exit codes of refresh and ingest: 75 where a later attempt may succeed, 1 where something was refused."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from lambda_fn import ingest, refresh
from lambda_fn.settings import Settings
from lambda_fn.store.command_line import TEMPORARY_FAILURE, run_and_print_each
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import foreign


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a published champion; the prices end yesterday, as the commands run at the real time."""
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    store = open_store(Settings.from_env({"STORE_DIR": str(tmp_path)}))
    as_of = datetime.now(UTC).date() - timedelta(days=1)
    foreign.publish_to(store, prices=foreign.price_file(200, as_of=as_of))
    return tmp_path


def test_ingest_without_the_ecb_may_be_retried(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ECB_URL", "http://127.0.0.1:9/history.zip")
    assert ingest.main([]) == 75
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("http://127.0.0.1:9/history.zip: cannot be fetched ")


def test_refresh_ends_with_1_when_the_forecast_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main([]) == 0
    assert capsys.readouterr().err == ""
    (folder / price_key("EURUSD", "ecb")).unlink()
    assert refresh.main([]) == 1
    output = capsys.readouterr()
    assert output.out == "" and "forecast refused: " in output.err
    assert refresh.main(["--json"]) == 1
    assert '"outcome": "refused"' in capsys.readouterr().out


def test_the_error_of_the_only_pair_is_raised_and_those_of_several_are_results(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(pair: str) -> NoReturn:
        raise Unavailable(f"down for {pair}")

    with pytest.raises(Unavailable):
        run_and_print_each(["EURUSD"], fail, as_json=True)
    assert run_and_print_each(["EURUSD", "GBPUSD"], fail, as_json=True) == TEMPORARY_FAILURE
    assert json.loads(capsys.readouterr().out)["pairs"]["GBPUSD"]["outcome"] == "failed"
