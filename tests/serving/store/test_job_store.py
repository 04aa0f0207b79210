"""A store for one job: each object is read once, and again after another process wrote first."""

from collections import Counter
from pathlib import Path

import pytest

from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Blob, JobStore, Missing, Store

KEY, OTHER = "serving/active.json", "serving/forecast.json"


class CountingStore(FolderStore):
    """Counts the reads of each key."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads = Counter[str]()

    def read(self, key: str, unless_etag: str | None = None) -> Blob:
        self.reads[key] += 1
        return super().read(key)


@pytest.fixture
def stores(tmp_path: Path) -> tuple[CountingStore, JobStore, Store]:
    """The store that is counted, the job's around it, and that of another process."""
    other = FolderStore(tmp_path)
    for key in (KEY, OTHER):
        other.create(key, b"first")
    counted = CountingStore(tmp_path)
    return counted, JobStore(counted), other


def test_an_object_is_read_once_and_stays_as_it_was(stores: tuple[CountingStore, JobStore, Store]) -> None:
    counted, job, other = stores
    blob = job.read(KEY)
    assert other.replace(KEY, b"second", blob.etag)
    assert job.read(KEY) == blob
    assert job.read(KEY, blob.etag) is None
    assert counted.reads == {KEY: 1}


def test_a_missing_object_is_looked_for_again(stores: tuple[CountingStore, JobStore, Store]) -> None:
    _, job, other = stores
    with pytest.raises(Missing):
        job.read("record/EURUSD.csv")
    other.create("record/EURUSD.csv", b"row")
    assert job.read("record/EURUSD.csv").data == b"row"


def test_what_the_job_wrote_is_not_read(stores: tuple[CountingStore, JobStore, Store]) -> None:
    counted, job, _ = stores
    assert job.replace(KEY, b"written", job.read(KEY).etag)
    assert job.create("record/EURUSD.csv", b"row")
    assert (job.read(KEY).data, job.read("record/EURUSD.csv").data) == (b"written", b"row")
    assert counted.reads == {KEY: 1}


def test_after_another_process_wrote_first_all_is_read_again(stores: tuple[CountingStore, JobStore, Store]) -> None:
    _, job, other = stores
    old, _ = job.read(KEY), job.read(OTHER)
    assert other.replace(KEY, b"second", old.etag)
    assert other.replace(OTHER, b"second", other.read(OTHER).etag)
    assert not job.replace(KEY, b"mine", old.etag)
    assert (job.read(KEY).data, job.read(OTHER).data) == (b"second", b"second")
    assert job.replace(KEY, b"mine", job.read(KEY).etag)
    assert other.read(KEY).data == b"mine"


def test_a_second_write_of_the_same_object_succeeds_after_it_is_read_again(
    stores: tuple[CountingStore, JobStore, Store],
) -> None:
    _, job, other = stores
    assert job.replace(KEY, b"one", job.read(KEY).etag)
    attempts = 0
    while not job.replace(KEY, b"two", job.read(KEY).etag):
        attempts += 1
    assert (attempts, other.read(KEY).data) == (1, b"two")


def test_a_deleted_object_is_missing(stores: tuple[CountingStore, JobStore, Store]) -> None:
    _, job, _ = stores
    job.read(KEY)
    job.delete(KEY)
    with pytest.raises(Missing):
        job.read(KEY)
    assert KEY not in job.list("serving")
