"""A folder whose writer dies after its k-th write."""

from pathlib import Path

from lambda_fn.store.local import FolderStore


class Killed(BaseException):
    """No error that anything catches."""


class DyingStore(FolderStore):
    """Dies the moment that `left` more writes are done; with 0 it lives."""

    def __init__(self, folder: Path, left: int) -> None:
        super().__init__(folder)
        self.left = left

    def create(self, key: str, data: bytes) -> bool:
        done = super().create(key, data)
        self.wrote()
        return done

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        done = super().replace(key, data, etag)
        if etag is not None:  # otherwise create has counted it
            self.wrote()
        return done

    def wrote(self, *_: object) -> None:
        """Counts one; also called for what is no write of the store's, with whatever that is of."""
        self.left -= 1
        if self.left == 0:
            self.die()

    def die(self) -> None:
        raise Killed
