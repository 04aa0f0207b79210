"""One behaviour for a folder and a bucket; the bucket is a real S3 server's."""

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import S3Store

from lambda_fn.settings import Settings
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import seaweedfs

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

KEY = "serving/active.json"
WRITERS = {"folder": 8, "bucket": 2}  # this S3 server lets the others wait a second each, our time-out is two
ROUNDS = 3


def test_what_is_created_is_read(store: Store) -> None:
    assert store.create(KEY, b"one")
    blob = store.read(KEY)
    assert blob.data == b"one"
    assert store.read(KEY, blob.etag) is None
    changed = store.read(KEY, '"another"')
    assert changed == blob


def test_create_keeps_what_exists(store: Store) -> None:
    assert store.create(KEY, b"one")
    assert not store.create(KEY, b"two")
    assert store.read(KEY).data == b"one"


def test_missing_keys_are_named(store: Store) -> None:
    for read in (store.read, lambda key: store.tail(key, 5), lambda key: store.head(key, 5)):
        with pytest.raises(Missing, match="no nowhere/at-all") as caught:
            read("nowhere/at-all")
        assert caught.value.key == "nowhere/at-all"


def test_replace_compares(store: Store) -> None:
    assert not store.replace(KEY, b"one", '"etag"'), "nothing to replace"
    assert store.replace(KEY, b"one", None)
    assert not store.replace(KEY, b"two", None), "None means that it must not exist"
    first = store.read(KEY)
    assert store.replace(KEY, b"two", first.etag)
    assert not store.replace(KEY, b"three", first.etag), "it has changed since"
    assert store.read(KEY).data == b"two"
    assert store.read(KEY, first.etag) is not None


def test_ends_of_an_object(store: Store) -> None:
    store.create("prices/p.csv", b"0123456789")
    etag = store.read("prices/p.csv").etag
    assert store.tail("prices/p.csv", 3)[:2] == (b"789", etag)
    assert store.head("prices/p.csv", 3)[:2] == (b"012", etag)
    assert store.tail("prices/p.csv", 99) == store.head("prices/p.csv", 99) == store.read("prices/p.csv")


def test_an_object_has_the_stores_time(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    store.create("prices/p.csv", b"0123456789")
    blob = store.read("prices/p.csv")
    assert blob.stored_at is not None and before <= blob.stored_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert store.tail("prices/p.csv", 3).stored_at == blob.stored_at


def test_an_empty_object_has_empty_ends(store: Store) -> None:
    store.create("empty", b"")
    assert store.read("empty").data == store.tail("empty", 9).data == store.head("empty", 9).data == b""


def test_list_is_sorted_and_by_folder(store: Store) -> None:
    for key in ("models/history/2", "models/history/1", "models/historyless", "serving/x"):
        store.create(key, b"")
    store.replace("serving/x", b"new", store.read("serving/x").etag)  # locks are no keys
    assert store.list("models/history") == ["models/history/1", "models/history/2"]
    assert store.list("") == ["models/history/1", "models/history/2", "models/historyless", "serving/x"]
    assert store.list("nowhere") == []


def test_delete_may_repeat(store: Store) -> None:
    store.create(KEY, b"one")
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(Missing):
        store.read(KEY)
    assert store.create(KEY, b"two")


def at_once(write: Callable[[int], bool], settings: Settings) -> int:
    """Runs the writers at the same moment; the number of the only one that won."""
    writers = WRITERS["bucket" if settings.use_s3 else "folder"]
    together = threading.Barrier(writers)

    def wait_and_write(n: int) -> bool:
        together.wait()
        return write(n)

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(wait_and_write, range(writers)))
    assert won.count(True) == 1
    return won.index(True)


def test_of_many_replacements_of_one_version_one_wins(store: Store, settings: Settings) -> None:
    store.create(KEY, b"start")
    for number in range(ROUNDS):
        etag = store.read(KEY).etag
        texts = [b"round %d writer %d" % (number, n) for n in range(max(WRITERS.values()))]

        def write(n: int, etag: str = etag, texts: list[bytes] = texts) -> bool:
            return open_store(settings).replace(KEY, texts[n], etag)

        winner = at_once(write, settings)
        assert store.read(KEY).data == texts[winner]


def test_of_many_creations_one_wins(store: Store, settings: Settings) -> None:
    for number in range(ROUNDS):
        key = f"models/history/{number:08d}.json"

        def write(n: int, key: str = key) -> bool:
            return store.create(key, b"writer %d" % n)

        winner = at_once(write, settings)
        assert store.read(key).data == b"writer %d" % winner


def add_up(folder: str, times: int) -> None:
    """Counts up `times` times by compare-and-set; the numbers have one width, as ETags of a folder hold the size."""
    store = open_store(Settings.from_env({"STORE_DIR": folder}))
    done = 0
    while done < times:
        blob = store.read(KEY)
        done += store.replace(KEY, b"%06d" % (int(blob.data) + 1), blob.etag)


def test_no_update_is_lost_between_processes_and_threads(tmp_path: Path) -> None:
    times, workers = 40, 4
    FolderStore(tmp_path).create(KEY, b"000000")
    spawn = multiprocessing.get_context("spawn")
    targets: list[Callable[..., None]] = [add_up] * workers
    started: list[threading.Thread | multiprocessing.process.BaseProcess] = [
        *(threading.Thread(target=target, args=(str(tmp_path), times)) for target in targets),
        *(spawn.Process(target=target, args=(str(tmp_path), times)) for target in targets),
    ]
    for each in started:
        each.start()
    for each in started:
        each.join()
    assert int(FolderStore(tmp_path).read(KEY).data) == 2 * workers * times


def test_a_version_never_comes_back(tmp_path: Path) -> None:
    """An ETag of a folder is inode, time and size: with inodes used again, only a time that always grows tells two
    versions apart, also within a tick of the clock and after the clock was set back."""
    store, seen = FolderStore(tmp_path), []
    store.create(KEY, b"0")
    future = (tmp_path / KEY).stat().st_mtime_ns + 3_600 * 10**9
    os.utime(tmp_path / KEY, ns=(future, future))
    for number in range(9):
        etag = store.read(KEY).etag
        assert store.replace(KEY, b"%d" % number, etag)
        seen.append((tmp_path / KEY).stat().st_mtime_ns // 1_000)
    assert seen == sorted(set(seen))
    assert seen[0] > future // 1_000


def test_a_killed_writer_leaves_the_old_bytes_and_no_lock(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(KEY, b"old")
    pid = os.fork()
    if pid == 0:  # as killed between writing the new bytes and renaming them
        with store._lock(KEY) as fresh:
            fresh.write_bytes(b"half")
            os._exit(9)
    os.waitpid(pid, 0)
    assert store.read(KEY).data == b"old"
    assert store.replace(KEY, b"new", store.read(KEY).etag)
    assert store.read(KEY).data == b"new"


def test_a_bucket_that_is_not_there_is_no_missing_key(s3_server: seaweedfs.S3Server) -> None:
    environ = s3_server.environ("no-such-bucket")
    with seaweedfs.variables(environ), pytest.raises(Unavailable, match="NoSuchBucket"):
        open_store(Settings.from_env(environ)).read(KEY)


def test_wrong_credentials_are_said(bucket_environ: Mapping[str, str]) -> None:
    with (
        seaweedfs.variables({"AWS_SECRET_ACCESS_KEY": "wrong"}),
        pytest.raises(Unavailable, match="SignatureDoesNotMatch"),
    ):
        open_store(Settings.from_env(bucket_environ)).read(KEY)


def test_a_bucket_that_does_not_answer_is_unavailable() -> None:
    """A listener that never speaks: without time-outs and with obstore's ten attempts this would take minutes."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        environ = seaweedfs.S3Server(f"http://127.0.0.1:{silent.getsockname()[1]}", 0).environ()
        with seaweedfs.variables(environ):
            store = open_store(Settings.from_env(environ))
            with pytest.raises(Unavailable, match=r"test-bucket in us-east-1 as .*: serving/active.json"):
                store.read(KEY)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [("", "https://s3.eu-central-1.amazonaws.com"), ("http://127.0.0.1:8333/", "http://127.0.0.1:8333")],
)
def test_an_empty_endpoint_is_aws(given: str, endpoint: str) -> None:
    """obstore itself panics on the empty variable."""
    environ = {"USE_S3": "true", "S3_BUCKET": "b", "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_S3": given}
    with seaweedfs.variables(environ):
        objects = open_store(Settings.from_env(environ))._objects
    assert isinstance(objects, S3Store)
    assert dict(objects.config)["endpoint_url_s3"] == endpoint


def test_a_path_out_of_the_store_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "inside")
    (tmp_path / "outside").write_bytes(b"secret")
    with pytest.raises(ValueError, match=r"\.\."):
        store.read("../outside")
