"""`make local`: a copy of the demo's store in a bucket, the environment file, and an end by pid."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import local
from lambda_fn.settings import Settings
from lambda_fn.store.local import FolderStore
from lambda_fn.store.s3 import open_store
from tests.support import seaweedfs

pytestmark = pytest.mark.skipif(not seaweedfs.installed(), reason="the S3 server is for Linux only")
FILES = {
    "models/best_model_info.json": b"pointer",
    "models/champions/a.onnx": b"champion",
    "serving/active.json": b"active",
    "prices/EURUSD-ecb.csv": b"date,close\n",
    "mlruns/secret": b"no part of the store",
}


@pytest.fixture
def source(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    for key, data in FILES.items():
        store.create(key, data)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "server"
    local.down(tmp_path / "server")


def test_up_twice_and_down(source: FolderStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, "of-the-caller")  # restored afterwards; the server takes any
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    env_file = tmp_path / "run-make-local.json"
    assert local.up(source, folder, env_file, "127.0.0.1") == 4
    variables = json.loads(env_file.read_text())["Parameters"]
    assert variables["AWS_ENDPOINT_URL_S3"].startswith("http://127.0.0.1:")
    bucket = open_store(Settings.from_env(variables))
    stored = {key: bucket.read(key).data for prefix in local.PREFIXES for key in bucket.list(prefix)}
    assert stored == {key: data for key, data in FILES.items() if not key.startswith("mlruns")}

    server = local.find_server(folder)
    source.delete("models/champions/a.onnx")
    assert source.replace("serving/active.json", b"newer", source.read("serving/active.json").etag)
    local.up(source, folder, env_file, "127.0.0.1")
    assert local.find_server(folder) == server
    assert bucket.read("serving/active.json").data == b"newer"
    assert bucket.list("models") == ["models/best_model_info.json"]

    assert local.down(folder)
    assert local.find_server(folder) is None
    assert not folder.exists()
    assert not local.down(folder)
    assert list(temporary.iterdir()) == []


def test_a_pid_of_another_process_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps({"pid": 1, "endpoint": "http://127.0.0.1:9"}))
    assert local.find_server(folder) is None
    assert not local.down(folder)
