"""Object store: bytes under keys in a bucket or a folder, with conditional writes, and a budget for waiting."""

import binascii
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, overload

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, NotModifiedError, PreconditionError
from obstore.store import ObjectStore

from lambda_fn.fields import ContractError

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, PutMode  # exist for type checkers only

T = TypeVar("T")
WAIT_S = 0.25


class Event(Protocol):
    """An event that can be waited for, such as threading.Event."""

    def wait(self, timeout: float) -> bool:
        """Return whether the event is set within `timeout` seconds."""


class WaitBudget:
    """The total time that one answer may wait for the store, however many values it reads."""

    def __init__(self, total_s: float = WAIT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._total_s = total_s
        self._clock = clock
        self._start = -math.inf
        self._used_s = 0.0

    def wait(self, event: Event) -> bool:
        """Return whether `event` is set within the rest of the budget.

        The budget is renewed after a second, because an answer takes less than that.
        """
        now = self._clock()
        if now - self._start > 1:
            self._start, self._used_s = now, 0.0
        is_set = event.wait(max(self._total_s - self._used_s, 0))
        self._used_s += self._clock() - now
        return is_set


LOCKS = ".locks"  # in a folder: one lock file per key, and new files before they are renamed
MAX_BYTES = 128 * 2**20  # of an object: none of this service is larger, and objects are read into memory whole
ATTEMPTS = 5  # of an update; one fails only if another process wrote the object meanwhile
SMALL = 2**20  # bytes: objects up to this size are read within the timeout of a record
WRITTEN = "written"  # stands for the ETag of an object that a job wrote, which the store did not tell
SUM = "crc32"  # the metadata entry with the CRC-32 of the object's bytes: x-amz-meta-crc32
_CODE = re.compile("<Code>(.*?)</Code>")  # the error code in a response of an S3 server


class Missing(Exception):
    """The store has no object under this key."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(f"{where} has no {key}")
        self.key = key


class NotYetPublished(Missing):
    """The object is missing because nothing was ever activated: the state before the first training."""


class Unavailable(Exception):
    """The store did not answer in time, or rejected the request; cached values should stay in use."""


class Misconfigured(Unavailable):
    """The store rejected the request and would reject a retry: wrong bucket, region, credentials or permissions."""


class Damaged(Unavailable):
    """The bytes read differ from those written; a retry may return the right ones."""


class Blob(NamedTuple):
    """Bytes of an object, the ETag of the whole object, and when the store says that it was written, if known."""

    data: bytes
    etag: str
    stored_at: datetime | None = None


class Place(NamedTuple):
    """A bucket, its region, and the identity that accesses it: a profile, the end of an access key, or a role."""

    bucket: str
    region: str
    identity: str


class LargeObjectClients(NamedTuple):
    """Factories of clients of the same bucket with the timeouts for large objects.

    Both clients have a total timeout. Only the one for reading also has a timeout without progress: while bytes are
    sent, nothing comes back.
    """

    reading: Callable[[], ObjectStore]
    writing: Callable[[], ObjectStore]


class Store:
    """A bucket. Every method raises Unavailable; those that read raise Missing, and ContractError over MAX_BYTES.

    Each object is written with a CRC-32 of its bytes in its metadata, in the same request, and `read` compares it.
    Objects that other programs wrote have none and are not checked.
    """

    _has_sums = True  # whether objects can carry metadata

    def __init__(
        self,
        objects: ObjectStore,
        name: str,
        large: LargeObjectClients | None = None,
        to_error: Callable[[str, str], Unavailable] | None = None,
    ) -> None:
        """Open a store.

        Args:
            objects: obstore's client.
            name: names the store in messages.
            large: makes the clients for objects over SMALL bytes; None if `objects` has no short timeout.
            to_error: makes an error from a key and obstore's message.
        """
        self._objects = objects
        self._name = name
        self._large = large
        self._to_error = to_error
        self.wait_budget = WaitBudget()

    def describe(self) -> str:
        """Return the store's name for messages."""
        return self._name

    @overload
    def read(self, key: str) -> Blob: ...
    @overload
    def read(self, key: str, unless_etag: str | None) -> Blob | None: ...
    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:
        """Return the object, or None if its ETag is `unless_etag`. Raises Damaged if its CRC-32 does not match."""
        with self._errors(key):
            if unless_etag is None:
                return self._get(key, {})
            try:
                return self._get(key, {"if_none_match": unless_etag})
            except NotModifiedError:
                return None

    def head(self, key: str, size: int) -> Blob:
        """Return the first `size` bytes (at least 1), or fewer if the object is shorter."""
        with self._errors(key):
            return self._get(key, {"range": (0, size)})

    def tail(self, key: str, size: int) -> Blob:
        """Return the last `size` bytes (at least 1), or fewer if the object is shorter."""
        with self._errors(key):
            return self._get(key, {"range": {"suffix": size}})

    def create(self, key: str, data: bytes) -> bool:
        """Write a new object; return False and change nothing if the key exists."""
        with self._errors(key):
            try:
                self._put(key, data, "create")
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """Compare and set: write if the key's ETag is `etag` (None: the key does not exist), otherwise return False."""
        if etag is None:
            return self.create(key, data)
        with self._errors(key):
            try:
                self._put(key, data, {"e_tag": etag})
            except (PreconditionError, FileNotFoundError):
                return False
        return True

    def find(self, key: str) -> Blob | None:
        """Return the object, or None if there is none."""
        try:
            return self.read(key)
        except Missing:
            return None

    def update(self, key: str, change: Callable[[bytes | None], tuple[bytes | None, T]]) -> T:
        """Replace an object by what `change` makes of it, and return the other value that `change` returns.

        `change` gets the bytes of the object, None if it is missing, and returns the new bytes, None to write nothing,
        and any result. It is called again whenever another process wrote first, so it must be safe to repeat.
        Raises Unavailable after ATTEMPTS.
        """
        for _ in range(ATTEMPTS):
            blob = self.find(key)
            data, result = change(blob.data if blob else None)
            if data is None or self.replace(key, data, blob.etag if blob else None):
                return result
        raise Unavailable(
            f"{self.describe()}: {key} was changed by another process in each of {ATTEMPTS} attempts; try again"
        )

    def list(self, prefix: str) -> list[str]:
        """Return the keys below the folder `prefix`, sorted; "" lists all keys."""
        with self._errors(prefix):
            paths = [item["path"] for page in obstore.list(self._objects, prefix or None) for item in page]
        return sorted(key for key in paths if not key.startswith(f"{LOCKS}/"))

    def delete(self, key: str) -> None:
        """Delete the object; a missing one is no error."""
        with self._errors(key):
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError:
                return

    def _get(self, key: str, options: "GetOptions") -> Blob:
        try:
            result = obstore.get(self._objects, key, options=options)
        except GenericError as error:
            if "InvalidRange" not in str(error):
                raise
            result = obstore.get(self._objects, key)  # an empty object, which has no first byte
        # A stored file that was refused may be HTML; it has the CRC-32 that this service writes.
        if result.attributes.get("Content-Type", "").startswith("text/html") and SUM not in result.attributes:
            raise Unavailable(
                f"{self._name}: {key}: received an HTML page instead of the object; check AWS_ENDPOINT_URL_S3, and "
                "whether a proxy requires a login"
            )
        first, end = result.range
        if end - first > MAX_BYTES:
            raise ContractError(f"{key}: {end - first:,} bytes, at most {MAX_BYTES:,} are read; write a smaller one")
        if self._large is not None and end - first > SMALL:
            # The body has not been read yet. The client with longer timeouts takes 15 ms to create.
            result = obstore.get(self._large.reading(), key, options=options)
        blob = Blob(bytes(result.bytes()), result.meta["e_tag"] or "", result.meta["last_modified"])
        if "range" not in options:
            self._check_sum(key, blob.data, result.attributes)
        return blob

    def _put(self, key: str, data: bytes, mode: "PutMode") -> None:
        attributes = {SUM: _sum(data)} if self._has_sums else None
        client = self._large.writing() if self._large is not None and len(data) > SMALL else self._objects
        obstore.put(client, key, data, mode=mode, use_multipart=False, attributes=attributes)

    def _check_sum(self, key: str, data: bytes, attributes: "Attributes") -> None:
        expected = attributes.get(SUM)
        if expected is not None and expected != _sum(data):
            raise Damaged(
                f"{self._name}: {key}: the CRC-32 of the bytes read is {_sum(data)}, expected {expected}; retry, and "
                "if this persists restore an older version or upload the object again"
            )

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Translate obstore's errors into Missing and Unavailable."""
        try:
            yield
        except (BaseError, OSError) as error:
            code = _CODE.search(str(error))
            # A 404 without a code of S3 is of another server, unless it has no body.
            is_missing = code[1] != "NoSuchBucket" if code else not re.search(r"404 Not Found: \S", str(error))
            if isinstance(error, FileNotFoundError) and is_missing:
                raise Missing(key, self._name) from error
            if self._to_error is not None:
                raise self._to_error(key, str(error)) from error
            first_line = str(error).partition("\n")[0].partition(": <?xml")[0]
            raise Unavailable(f"{self._name}: {key}: {code[1] + ': ' if code else ''}{first_line}") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # from obstore's Rust code; it is not an Exception
                raise
            raise Misconfigured(
                f"{self._name}: {key}: cannot create the request ({error}); remove characters that are invalid in a "
                "URL or header from AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and the variables of the bucket"
            ) from error


class JobStore(Store):
    """A store for one job, which reads each object once and then uses what it read.

    A job thus works on one version of each object. After a conditional write that failed, because another process
    wrote first, all objects are read again. What the job wrote itself has the ETag WRITTEN, so that a second
    conditional write of it fails once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blobs: dict[str, Blob] = {}
        self._name, self.wait_budget = store.describe(), store.wait_budget

    @overload
    def read(self, key: str) -> Blob: ...
    @overload
    def read(self, key: str, unless_etag: str | None) -> Blob | None: ...
    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:
        if key not in self._blobs:
            self._blobs[key] = self._store.read(key)
        blob = self._blobs[key]
        return None if unless_etag is not None and blob.etag == unless_etag else blob

    def head(self, key: str, size: int) -> Blob:
        return self._store.head(key, size)

    def tail(self, key: str, size: int) -> Blob:
        return self._store.tail(key, size)

    def create(self, key: str, data: bytes) -> bool:
        is_written = self._store.create(key, data)
        if is_written:
            self._blobs[key] = Blob(data, WRITTEN)
        return is_written

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        is_written = self._store.replace(key, data, etag)
        if is_written:
            self._blobs[key] = Blob(data, WRITTEN)
        else:
            self._blobs.clear()
        return is_written

    def list(self, prefix: str) -> list[str]:
        return self._store.list(prefix)

    def delete(self, key: str) -> None:
        self._blobs.pop(key, None)
        self._store.delete(key)


def _sum(data: bytes) -> str:
    return f"{binascii.crc32(data):08x}"
