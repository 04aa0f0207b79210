"""What every command works with: the settings, the time, the store, the registry, and where it writes."""

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from rich.console import Console

from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.connect import open_store
from lambda_fn.store.objects import Store
from training.commands import report
from training.publishing import registry
from training.publishing.registry import Registry


class UsageError(ValueError):
    """An option that cannot be used; the message names it and the cure."""


@dataclass(frozen=True)
class Context:
    """The settings and the time of one command, and where it writes."""

    settings: Settings
    now: datetime

    @cached_property
    def store(self) -> Store:
        return open_store(self.settings)

    @cached_property
    def patient_store(self) -> Store:
        """The same store for a job's own files: a slow answer is waited for, and a failed request tried again."""
        return open_store(self.settings, patient=True)

    @cached_property
    def tracking(self) -> Registry:
        """The registry; raises RegistryError when it cannot be used."""
        connected = registry.connect(self.settings.mlflow_tracking_uri or DEFAULTS["MLFLOW_TRACKING_URI"])
        if connected.note:
            report.print_notes(self.progress, [connected.note])
        return connected

    @cached_property
    def out(self) -> Console:
        """Standard output: results. Wide where nobody's terminal says otherwise, so that no table is cut."""
        return Console(width=None if sys.stdout.isatty() else 120)

    @cached_property
    def progress(self) -> Console:
        """Standard error: what is going on."""
        return Console(stderr=True)


def print_json(value: Any) -> None:
    """On standard output, as `--json` asks."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
