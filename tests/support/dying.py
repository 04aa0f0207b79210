"""A publisher that is killed after its k-th write, for every k: run as a program, it forks one process for each."""

import os
import sys
from pathlib import Path

from lambda_fn.contract import Pointer
from lambda_fn.settings import Settings
from lambda_fn.store.folder import FolderStore
from tests.support import tracked

KILLED = 9
MOST = 20  # writes; publishing makes fewer


class DyingStore(FolderStore):
    """A folder whose process ends the moment that its k-th write is done."""

    def __init__(self, folder: Path, writes: int) -> None:
        super().__init__(folder)
        self._left = writes

    def create(self, key: str, data: bytes) -> bool:
        done = super().create(key, data)
        self.wrote()
        return done

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        done = super().replace(key, data, etag)
        if etag is not None:  # otherwise create has counted it
            self.wrote()
        return done

    def wrote(self, pointer: Pointer | None = None) -> None:
        """Also counts the moving of the aliases."""
        self._left -= 1
        if self._left == 0:
            os._exit(KILLED)


def publish_and_die(folder: Path, writes: int) -> None:
    settings = Settings.from_env({"STORE_DIR": str(folder)})
    store = DyingStore(folder, writes)
    tracked.publish(store, settings, "lstm", 2, store.wrote)


def main(folder: Path) -> None:
    """Publishes into folder/1, folder/2, ...; folder/k is killed after the k-th write, the last lives."""
    for writes in range(1, MOST):
        child = os.fork()  # nothing that has threads was started yet
        if child == 0:
            publish_and_die(folder / str(writes), writes)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != KILLED:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
