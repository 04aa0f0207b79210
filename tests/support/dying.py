"""A publisher that is killed after its k-th write, for every k: run as a program, it forks one process for each."""

import os
import sys
from pathlib import Path

from lambda_fn.settings import Settings
from tests.support import tracked
from tests.support.dying_store import DyingStore

KILLED = 9
MOST = 20  # writes; publishing makes fewer


class DyingProcess(DyingStore):
    """The whole process ends."""

    def die(self) -> None:
        os._exit(KILLED)


def publish_and_die(folder: Path, writes: int) -> None:
    settings = Settings.from_env({"STORE_DIR": str(folder)})
    store = DyingProcess(folder, writes)
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
