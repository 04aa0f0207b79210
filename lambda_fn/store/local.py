"""A folder as a store: the same keys, and locks for what a bucket does by itself."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import LocalStore

from lambda_fn.store.object_store import LOCKS, Store


class FolderStore(Store):
    """A folder. Its locks make compare-and-set hold across threads and processes of one machine.

    Its files carry no sums: they have no metadata, and no network is between.
    """

    _sums = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        super().__init__(LocalStore(self._folder, mkdir=True), f"folder {folder}")

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """As of a bucket; obstore has no conditional replacement on a folder."""
        if etag is None:
            return self.create(key, data)
        with self._errors(key), self._locked(key) as fresh:
            target = self._folder / key
            try:
                found = obstore.head(self._objects, key)["e_tag"]
            except FileNotFoundError:
                return False
            if found != etag:
                return False
            _write_after(fresh, data, target.stat().st_mtime_ns)
            fresh.replace(target)
        return True

    @contextmanager
    def _locked(self, key: str) -> Iterator[Path]:
        """Holds the key's lock; gives a path on the same file system for the new bytes."""
        locks = self._folder / LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        name = key.replace("/", "__")
        with (locks / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases it, also when the process is killed
            yield locks / f"{name}.new"


def _write_after(path: Path, data: bytes, mtime_ns: int) -> None:
    """Writes the bytes with a later time than `mtime_ns`, in microseconds: the ETag of a folder's file is made of
    inode, time and size, the kernel's clock ticks only every few milliseconds, and inodes are used again."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    later = max(time.time_ns(), mtime_ns + 1_000)
    os.utime(path, ns=(later, later))
