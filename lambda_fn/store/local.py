"""A folder as a store: the same keys, with file locks for conditional writes."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import LocalStore

from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.object_store import LOCKS, Store


def check_folder(settings: Settings) -> None:
    """Raise SettingsError unless STORE_DIR is a folder; a bucket is not checked.

    The server and commands that only read call this, because opening the store would create the folder.
    """
    folder = Path(settings.store_dir)
    if not settings.use_s3 and not folder.is_dir():
        problem = "is a file" if folder.is_file() else "does not exist"
        raise SettingsError(f"STORE_DIR: {settings.store_dir} {problem}; set it to the folder with the store")


class FolderStore(Store):
    """A folder, in which file locks make compare-and-set atomic across the threads and processes of one machine.

    Files carry no CRC-32: they have no metadata, and no network can damage them.
    """

    _has_sums = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        super().__init__(LocalStore(self._folder, mkdir=True), f"folder {folder}")

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """Compare and set, as in a bucket; obstore has no conditional replacement in a folder."""
        if etag is None:
            return self.create(key, data)
        with self._errors(key), self._lock(key) as new_file:
            target = self._folder / key
            try:
                current_etag = obstore.head(self._objects, key)["e_tag"]
            except FileNotFoundError:
                return False
            if current_etag != etag:
                return False
            _write_after(new_file, data, target.stat().st_mtime_ns)
            new_file.replace(target)
        return True

    @contextmanager
    def _lock(self, key: str) -> Iterator[Path]:
        """Hold the key's lock, and yield a path on the same file system for the new bytes."""
        locks = self._folder / LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        name = key.replace("/", "__")
        with (locks / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases it, also when the process is killed
            yield locks / f"{name}.new"


def _write_after(path: Path, data: bytes, mtime_ns: int) -> None:
    """Write the bytes with a modification time at least a microsecond after `mtime_ns`.

    The ETag of a file consists of inode, time in microseconds and size. The kernel's clock ticks only every few
    milliseconds, and inodes are reused, so without this two versions could have the same ETag.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    later = max(time.time_ns(), mtime_ns + 1_000)
    os.utime(path, ns=(later, later))
