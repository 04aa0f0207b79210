"""The context in which a command runs: settings, time, store, registry and output."""

import json
import sys
import tempfile
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_fn.fields import ContractError, utc_text
from lambda_fn.settings import DEFAULTS, Settings, SettingsError
from lambda_fn.store.object_store import LOCKS, Missing, Store, Unavailable
from training.errors import NamedError

if TYPE_CHECKING:
    from rich.console import Console

    from training.console import Stages
    from training.prices.ecb import EcbRates
    from training.publishing.mlflow_registry import Registry

NAMED_ERRORS = (NamedError, SettingsError, ContractError, Missing, Unavailable)  # their messages have the cure
WIDE = 200  # terminal columns with --wide; every table fits
STORE_FOLDERS = ("", LOCKS, "models", "prices", "record", "runs", "serving")  # of a folder store, those written to


class UsageError(NamedError, ValueError):
    """An option or a setting that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Context:
    """The settings, the time and the output of one command.

    Attributes:
        settings: The settings, with the pair of the command.
        now: The time of its start.
        wide: Print tables with all columns.
        as_json: Print JSON.
        prefix: Text before the names of stages: the pair, when there are several.
        is_live: Show progress bars on a terminal.
    """

    settings: Settings
    now: datetime
    wide: bool = False
    as_json: bool = False
    prefix: str = ""
    is_live: bool = True

    def for_pair(self, pair: str, prefix: str = "") -> "Context":
        """Return this context for another pair."""
        return self._changed(settings=self.settings.for_pair(pair), prefix=prefix)

    def at(self, now: datetime) -> "Context":
        """Return this context at another time."""
        return self._changed(now=now)

    def for_process(self) -> "Context":
        """Return a context that another process can use: it opens its own store and shows no progress bars."""
        other = replace(self, is_live=False)
        vars(other)["ecb_rates"] = self.ecb_rates
        return other

    def _changed(self, **changes: Any) -> "Context":
        """Return a copy with other fields and stages of its own; an open store, registry or console is shared."""
        other = replace(self, **changes)
        field_names = {"stages", *(field.name for field in fields(self))}
        vars(other).update({name: value for name, value in vars(self).items() if name not in field_names})
        return other

    @cached_property
    def store(self) -> Store:
        """The store. Raises UsageError when its folder cannot be opened."""
        return self._open(patient=False)

    @cached_property
    def patient_store(self) -> Store:
        """The store with long timeouts and retries, for the files of a run."""
        return self._open(patient=True)

    def _open(self, patient: bool) -> Store:
        from obstore.exceptions import BaseError

        from lambda_fn.store.s3 import open_store

        try:
            return open_store(self.settings, patient=patient)
        except (BaseError, OSError) as error:
            folder = Path(self.settings.store_dir)
            problem = "is a file" if folder.is_file() else "cannot be created"
            raise UsageError(f"STORE_DIR: {folder} {problem}; set it to a writable folder") from error

    def check_store(self) -> None:
        """Raise UsageError unless the folder of the store is writable. Commands that write call this first.

        It writes an unnamed file, because permissions do not apply to root and say nothing about a read-only disk.
        """
        if self.settings.use_s3:
            return
        _ = self.store  # opening the store creates its folder
        for name in STORE_FOLDERS:
            folder = Path(self.settings.store_dir) / name
            try:
                if folder.exists():
                    tempfile.TemporaryFile(dir=folder).close()
            except OSError as error:
                raise UsageError(
                    f"STORE_DIR: {folder.resolve()} cannot be written ({error.strerror}); make the folder writable, "
                    "or set STORE_DIR to another one"
                ) from error

    @property
    def tracking_uri(self) -> str:
        """The address of the MLflow registry, by default a local database."""
        return self.settings.mlflow_tracking_uri or DEFAULTS["MLFLOW_TRACKING_URI"]

    @cached_property
    def tracking(self) -> "Registry":
        """The MLflow registry. Raises RegistryError when it cannot be used."""
        self.check_registry()  # `connect` checks it too, but only after importing MLflow (seconds)

        from training.publishing import mlflow_registry

        registry = mlflow_registry.connect(self.tracking_uri)
        if registry.note:
            self.note(registry.note)
        return registry

    def check_registry(self) -> None:
        """Raise RegistryError when the registry is a database file that cannot be used. It imports no MLflow."""
        from training.publishing import mlflow_access

        if database := mlflow_access.sqlite_file(self.tracking_uri):
            mlflow_access.check_database(database)

    @cached_property
    def ecb_rates(self) -> "EcbRates":
        """The ECB's rates, read and downloaded at most once for all pairs."""
        from training.prices.ecb import EcbRates

        return EcbRates()

    @cached_property
    def out(self) -> "Console":
        """Standard output, for results. When it is no terminal it is 120 columns wide, so that no table is cut."""
        from rich.console import Console

        return Console(width=WIDE if self.wide else None if sys.stdout.isatty() else 120, highlight=False)

    @cached_property
    def progress(self) -> "Console":
        """Standard error, for progress."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, force_terminal=None if self.is_live else False)

    @cached_property
    def stages(self) -> "Stages":
        """The stages of the command, or of one of several pairs."""
        from training.console import Stages

        return Stages(self.progress, self.prefix)

    def note(self, *notes: str) -> None:
        """Print each note on a line of standard error."""
        for note in notes:
            self.progress.print(f"[yellow]note[/yellow] {note}")

    def print(self, *lines: str) -> None:
        """Print each line on standard output."""
        for line in lines:
            self.out.print(line)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""

    def to_text(value: Any) -> str:  # a time as in every record, for example 2026-11-27T14:05:00Z
        return utc_text(value) if isinstance(value, datetime) else str(value)

    sys.stdout.write(json.dumps(value, indent=2, default=to_text) + "\n")
