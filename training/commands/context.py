"""What a command is, and what each works with: the settings, the time, the store, the registry, and where it writes.

A command's file imports at its head what its options need and in its work the rest, so that a command costs no more
than it uses and `--help` nothing.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.object_store import LOCKS, Store
from training.errors import NamedError

if TYPE_CHECKING:
    from rich.console import Console

    from training.prices.ecb import EcbRates
    from training.publishing.mlflow_registry import Registry

WIDE = 200  # columns of --wide, in which every table has room
SHOWN_HORIZONS = (1, 5, 21)  # days: a day, a week and a month, in tables; --json has them all
STORE_FOLDERS = (
    "",
    LOCKS,
    "models",
    "prices",
    "record",
    "runs",
    "serving",
)  # of a folder store, those that commands write


class UsageError(NamedError, ValueError):
    """An option or a setting that cannot be used; the message names it and the cure."""


@dataclass(frozen=True)
class Context:
    """The settings and the time of one command, and where it writes; `wide` is for tables with all their columns."""

    settings: Settings
    now: datetime
    wide: bool = False

    def of(self, pair: str) -> "Context":
        """The same for another pair; what is open stays open."""
        other = replace(self, settings=self.settings.for_pair(pair))
        own = {field.name for field in fields(self)}
        vars(other).update({name: value for name, value in vars(self).items() if name not in own})
        return other

    @cached_property
    def store(self) -> Store:
        """The store to read; raises UsageError when its folder is none."""
        return self._open(patient=False)

    @cached_property
    def patient_store(self) -> Store:
        """The same store for a job's own files: a slow answer is waited for, and a failed request tried again."""
        return self._open(patient=True)

    def _open(self, patient: bool) -> Store:
        from obstore.exceptions import BaseError

        from lambda_fn.store.s3 import open_store

        try:
            return open_store(self.settings, patient=patient)
        except (BaseError, OSError) as error:
            folder = Path(self.settings.store_dir)
            kind = "is a file" if folder.is_file() else "cannot be made"
            raise UsageError(f"STORE_DIR: {folder} {kind}; set it to a folder that can be written") from error

    def check_store(self) -> None:
        """What a command that writes asks first: raises UsageError when the store is a folder that takes no files.

        A file without a name is written, as permissions alone tell root nothing and say nothing of a read-only disk.
        """
        if self.settings.use_s3:
            return
        _ = self.store  # opening it makes the folder
        for name in STORE_FOLDERS:
            folder = Path(self.settings.store_dir) / name
            try:
                if folder.exists():
                    tempfile.TemporaryFile(dir=folder).close()
            except OSError as error:
                raise UsageError(
                    f"STORE_DIR: {folder.resolve()} cannot be written ({error.strerror}); make it a folder that you "
                    "may write, or set STORE_DIR to one that is"
                ) from error

    @property
    def tracking_uri(self) -> str:
        return self.settings.mlflow_tracking_uri or DEFAULTS["MLFLOW_TRACKING_URI"]

    @cached_property
    def tracking(self) -> "Registry":
        """The registry; raises RegistryError when it cannot be used."""
        from training.publishing import tracking_uri as address

        if database := address.sqlite_file(self.tracking_uri):
            address.check_database(database)  # as `connect` does, but before MLflow is imported, which takes seconds

        from training.publishing import mlflow_registry

        connected = mlflow_registry.connect(self.tracking_uri)
        if connected.note:
            self.note([connected.note])
        return connected

    @cached_property
    def bank(self) -> "EcbRates":
        """The ECB's rates, read and fetched once for all pairs."""
        from training.prices.ecb import EcbRates

        return EcbRates()

    @cached_property
    def out(self) -> "Console":
        """Standard output: results. Wide where nobody's terminal says otherwise, so that no table is cut."""
        from rich.console import Console

        return Console(width=WIDE if self.wide else None if sys.stdout.isatty() else 120)

    @cached_property
    def progress(self) -> "Console":
        """Standard error: what is going on."""
        from rich.console import Console

        return Console(stderr=True)

    def note(self, notes: Sequence[str]) -> None:
        """What a reader should know, one line each, on standard error."""
        for note in notes:
            self.progress.print(f"[yellow]note[/yellow] {note}", highlight=False)


def no_options(command: argparse.ArgumentParser) -> None:
    """Of a command that has none."""


@dataclass(frozen=True)
class Command:
    """A command, named as its file: what its help says, its options, and its work, which gives the exit code."""

    words: str
    work: Callable[[argparse.Namespace, Context], int]
    options: Callable[[argparse.ArgumentParser], None] = no_options


def print_json(value: Any) -> None:
    """On standard output, as `--json` asks."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
