"""The store: bytes under keys, the same for a folder and a bucket, with compare-and-set."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, NotModifiedError, PreconditionError
from obstore.store import LocalStore, ObjectStore, S3Store

from lambda_fn.settings import Settings

if TYPE_CHECKING:
    from obstore import GetOptions  # exists for type checkers only

LOCKS = ".locks"  # of a folder: one lock file a key, and the new bytes before they are renamed
CONNECT_TIMEOUT = timedelta(seconds=0.5)
TIMEOUT = timedelta(seconds=2)
PATIENT_TIMEOUT = timedelta(seconds=60)  # of a job that nobody waits for
PATIENT_RETRIES = 5
_CODE = re.compile("<Code>(.*?)</Code>")  # in the answer of an S3 server


class Missing(Exception):
    """The store has nothing under this key."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(f"{where} has no {key}")
        self.key = key


class Unavailable(Exception):
    """The store did not answer in time or refused; what is in memory should go on serving."""


class Blob(NamedTuple):
    """Bytes and the ETag of the whole object that they come from."""

    data: bytes
    etag: str


class Store:
    """A bucket. Every method raises Unavailable; those that read raise Missing."""

    def __init__(self, objects: ObjectStore, name: str) -> None:
        self._objects = objects
        self._name = name

    def describe(self) -> str:
        """The store in words, for messages."""
        return self._name

    @overload
    def read(self, key: str) -> Blob: ...
    @overload
    def read(self, key: str, unless_etag: str | None) -> Blob | None: ...
    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:
        """The object, or None when its ETag is still `unless_etag`."""
        try:
            return self._get(key, {"if_none_match": unless_etag} if unless_etag else {})
        except NotModifiedError:
            return None

    def head(self, key: str, size: int) -> Blob:
        """The first `size` bytes, fewer when the object is shorter; `size` is at least 1."""
        return self._get(key, {"range": (0, size)})

    def tail(self, key: str, size: int) -> Blob:
        """The last `size` bytes, fewer when the object is shorter; `size` is at least 1."""
        return self._get(key, {"range": {"suffix": size}})

    def create(self, key: str, data: bytes) -> bool:
        """Writes a new object; False, and nothing is changed, when the key exists."""
        with self._errors(key):
            try:
                obstore.put(self._objects, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """Compare-and-set: writes when the key's ETag is `etag` (None: must not exist), otherwise False."""
        if etag is None:
            return self.create(key, data)
        with self._errors(key):
            try:
                obstore.put(self._objects, key, data, mode={"e_tag": etag}, use_multipart=False)
            except (PreconditionError, FileNotFoundError):
                return False
        return True

    def list(self, prefix: str) -> list[str]:
        """The keys below the folder `prefix`, sorted; "" lists everything."""
        with self._errors(prefix):
            found = [item["path"] for page in obstore.list(self._objects, prefix or None) for item in page]
        return sorted(key for key in found if not key.startswith(f"{LOCKS}/"))

    def delete(self, key: str) -> None:
        """Removes the object; a missing one is no error."""
        with self._errors(key):
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError:
                return

    def _get(self, key: str, options: "GetOptions") -> Blob:
        with self._errors(key):
            try:
                result = obstore.get(self._objects, key, options=options)
            except GenericError as error:
                if "InvalidRange" not in str(error):
                    raise
                result = obstore.get(self._objects, key)  # nothing has no first byte: an empty object
            return Blob(bytes(result.bytes()), result.meta["e_tag"] or "")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turns obstore's errors into the two that callers know."""
        try:
            yield
        except NotModifiedError:
            raise
        except (BaseError, OSError) as error:
            code = _CODE.search(str(error))
            if isinstance(error, FileNotFoundError) and not (code and code[1] == "NoSuchBucket"):
                raise Missing(key, self._name) from error
            first_line = str(error).partition("\n")[0].partition(": <?xml")[0]
            raise Unavailable(f"{self._name}: {key}: {code[1] + ': ' if code else ''}{first_line}") from error


class FolderStore(Store):
    """A folder. Its locks make compare-and-set hold across threads and processes of one machine."""

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


def open_store(settings: Settings, patient: bool = False) -> Store:
    """The bucket or the folder that the settings name. A bucket gets one attempt, 0.5 s to connect, 2 s in all:
    obstore's ten attempts would block a request for minutes, and what is in memory can be served meanwhile.

    A `patient` one tries again. Then `create` may say False of an object that this very call made, when only the answer
    was lost: for keys that are named by their content, or of which any writer's will do.
    """
    if not settings.use_s3 or settings.s3_bucket is None:
        return FolderStore(settings.store_dir)
    endpoint, timeout = settings.s3_endpoint, PATIENT_TIMEOUT if patient else TIMEOUT
    objects = S3Store(
        settings.s3_bucket,
        region=settings.aws_region,
        # Said also for AWS: obstore reads this variable itself, and panics when it is set but empty.
        aws_endpoint_url_s3=endpoint or f"https://s3.{settings.aws_region}.amazonaws.com",
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": endpoint is not None,
            "connect_timeout": TIMEOUT if patient else CONNECT_TIMEOUT,
            "timeout": timeout,
        },
        retry_config={"max_retries": PATIENT_RETRIES if patient else 0, "retry_timeout": timeout},
    )
    return Store(objects, f"bucket {settings.s3_bucket}")


def _write_after(path: Path, data: bytes, mtime_ns: int) -> None:
    """Writes the bytes with a later time than `mtime_ns`, in microseconds: the ETag of a folder's file is made of
    inode, time and size, the kernel's clock ticks only every few milliseconds, and inodes are used again."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    later = max(time.time_ns(), mtime_ns + 1_000)
    os.utime(path, ns=(later, later))
