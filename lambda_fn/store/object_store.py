"""The store's objects: bytes under keys in a bucket or a folder, with conditional writes and a limit of waiting."""

import binascii
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, NotModifiedError, PreconditionError
from obstore.store import ObjectStore

from lambda_fn.fields import ContractError

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, PutMode  # exist for type checkers only

WAIT_S = 0.25


class Event(Protocol):
    """What is waited for, such as threading's."""

    def wait(self, timeout: float) -> bool:
        """Whether it came within so many seconds."""


class Allowance:
    """What one answer may wait in all, however many of its values are looked for."""

    def __init__(self, total_s: float = WAIT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._total_s = total_s
        self._clock = clock
        self._began = -math.inf
        self._spent = 0.0

    def wait(self, done: Event) -> bool:
        """Whether it was done within what is left; an answer takes less than a second, so each second has it anew."""
        now = self._clock()
        if now - self._began > 1:
            self._began, self._spent = now, 0.0
        came = done.wait(max(self._total_s - self._spent, 0))
        self._spent += self._clock() - now
        return came


LOCKS = ".locks"  # of a folder: one lock file a key, and the new bytes before they are renamed
MAX_BYTES = 128 * 2**20  # of an object: nothing that belongs here is larger, and all of it goes into memory
SMALL = 2**20  # bytes of an object that comes within the time-out of a record
SUM = "crc32"  # of an object's bytes, in its metadata: x-amz-meta-crc32
_CODE = re.compile("<Code>(.*?)</Code>")  # in the answer of an S3 server


class Missing(Exception):
    """The store has nothing under this key."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(f"{where} has no {key}")
        self.key = key


class NothingYet(Missing):
    """And nothing was ever active that could have made it: the state before the first training."""


class Unavailable(Exception):
    """The store did not answer in time or refused; what is in memory should go on serving."""


class Misconfigured(Unavailable):
    """It refused what another try would ask in the same way: bucket, region, credentials or rights are wrong."""


class Damaged(Unavailable):
    """Other bytes came than were written; another try may bring the right ones."""


class Blob(NamedTuple):
    """Bytes and the ETag of the whole object that they come from."""

    data: bytes
    etag: str


class Place(NamedTuple):
    """Which bucket is asked, and as whom: a profile, the end of an access key, or a role."""

    bucket: str
    region: str
    identity: str


class Patience(NamedTuple):
    """Makes the same bucket with the time-outs of large objects. One made for reading gives up when nothing comes for a
    while, one for writing cannot tell: nothing comes back while the bytes go out. Both have a total."""

    reading: Callable[[], ObjectStore]
    writing: Callable[[], ObjectStore]


class Store:
    """A bucket. Every method raises Unavailable; those that read raise Missing, and ContractError over MAX_BYTES.

    Each object carries a sum of its bytes, in the one request that writes it, and `read` compares. One that somebody
    else wrote has none and is read as it comes.
    """

    _sums = True  # that objects can carry metadata

    def __init__(
        self,
        objects: ObjectStore,
        name: str,
        large: Patience | None = None,
        to_error: Callable[[str, str], Unavailable] | None = None,
    ) -> None:
        """`large` is for objects over SMALL bytes; None: `objects` takes its time with them, too. `to_error` makes the
        error of a key and of what obstore said."""
        self._objects = objects
        self._name = name
        self._large = large
        self._to_error = to_error
        self.allowance = Allowance()

    def describe(self) -> str:
        """The store in words, for messages."""
        return self._name

    @overload
    def read(self, key: str) -> Blob: ...
    @overload
    def read(self, key: str, unless_etag: str | None) -> Blob | None: ...
    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:
        """The object, or None when its ETag is still `unless_etag`. Raises Damaged when it is not as it was written."""
        with self._errors(key):
            if unless_etag is None:
                return self._get(key, {})
            try:
                return self._get(key, {"if_none_match": unless_etag})
            except NotModifiedError:
                return None

    def head(self, key: str, size: int) -> Blob:
        """The first `size` bytes, fewer when the object is shorter; `size` is at least 1."""
        with self._errors(key):
            return self._get(key, {"range": (0, size)})

    def tail(self, key: str, size: int) -> Blob:
        """The last `size` bytes, fewer when the object is shorter; `size` is at least 1."""
        with self._errors(key):
            return self._get(key, {"range": {"suffix": size}})

    def create(self, key: str, data: bytes) -> bool:
        """Writes a new object; False, and nothing is changed, when the key exists."""
        with self._errors(key):
            try:
                self._put(key, data, "create")
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """Compare-and-set: writes when the key's ETag is `etag` (None: must not exist), otherwise False."""
        if etag is None:
            return self.create(key, data)
        with self._errors(key):
            try:
                self._put(key, data, {"e_tag": etag})
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
        try:
            result = obstore.get(self._objects, key, options=options)
        except GenericError as error:
            if "InvalidRange" not in str(error):
                raise
            result = obstore.get(self._objects, key)  # nothing has no first byte: an empty object
        # A refused file may be a page; it has the sum that this service writes.
        if result.attributes.get("Content-Type", "").startswith("text/html") and SUM not in result.attributes:
            raise Unavailable(
                f"{self._name}: {key}: a page came in place of the object; look at AWS_ENDPOINT_URL_S3, and at a proxy "
                "that asks for a login"
            )
        first, end = result.range
        if end - first > MAX_BYTES:
            raise ContractError(f"{key}: {end - first:,} bytes, at most {MAX_BYTES:,} are read; write a smaller one")
        if self._large is not None and end - first > SMALL:
            # Its head has come and its bytes are left: the client that waits for them costs 15 ms to make.
            result = obstore.get(self._large.reading(), key, options=options)
        blob = Blob(bytes(result.bytes()), result.meta["e_tag"] or "")
        if "range" not in options:
            self._check_sum(key, blob.data, result.attributes)
        return blob

    def _put(self, key: str, data: bytes, mode: "PutMode") -> None:
        attributes = {SUM: _sum(data)} if self._sums else None
        obstore.put(self._for_writing(data), key, data, mode=mode, use_multipart=False, attributes=attributes)

    def _check_sum(self, key: str, data: bytes, attributes: "Attributes") -> None:
        written = attributes.get(SUM)
        if written is not None and written != _sum(data):
            raise Damaged(
                f"{self._name}: {key}: the bytes that came have the CRC-32 {_sum(data)}, those that were written have "
                f"{written}; if it stays so, restore an older version or upload the object anew"
            )

    def _for_writing(self, data: bytes) -> ObjectStore:
        return self._large.writing() if self._large is not None and len(data) > SMALL else self._objects

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turns obstore's errors into the two that callers know."""
        try:
            yield
        except (BaseError, OSError) as error:
            code = _CODE.search(str(error))
            if isinstance(error, FileNotFoundError) and _is_of_store(str(error), code and code[1]):
                raise Missing(key, self._name) from error
            if self._to_error is not None:
                raise self._to_error(key, str(error)) from error
            first_line = str(error).partition("\n")[0].partition(": <?xml")[0]
            raise Unavailable(f"{self._name}: {key}: {code[1] + ': ' if code else ''}{first_line}") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of obstore's compiled half, which is no Exception
                raise
            raise Misconfigured(
                f"{self._name}: {key}: no request can be made ({error}); look for a character that no address and no "
                "header may have, in AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and the variables of the bucket"
            ) from error


def _is_of_store(text: str, code: str | None) -> bool:
    """Whether a 404 says that the store has no such object: not that there is no bucket, and not of another server,
    whose answer is no error of S3's."""
    if code:
        return code != "NoSuchBucket"
    return not re.search(r"404 Not Found: \S", text)


def _sum(data: bytes) -> str:
    return f"{binascii.crc32(data):08x}"
