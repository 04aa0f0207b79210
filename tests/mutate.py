"""`make mutate`: removes one guard of a promise at a time, in a copy, and shows which test noticed.

Not a part of the tests: it takes minutes. A guard whose removal nobody notices is an error.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.guards import GUARDS, Guard
from tests.support.project import copy_tracked


def noticed(guard: Guard, folder: Path) -> bool:
    """Return whether the test fails in a copy without the guard; raises ValueError where the guard is not there."""
    path = folder / guard.file
    whole = path.read_text()
    path.write_text(guard.remove_from(whole))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "300", guard.test]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    path.write_text(whole)
    if done.returncode not in (0, 1):
        raise ValueError(f"{guard.test} could not be run: {done.stdout[-500:]}")
    return done.returncode == 1


def main() -> int:
    asked = argparse.ArgumentParser("make mutate", description="Remove one guard at a time; a test has to notice.")
    asked.add_argument("--only", default="", help="guards whose names have this in them")
    only: str = asked.parse_args().only
    console, table = Console(), Table("guard", "where", "noticed by", box=None)
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "clone"
        copy_tracked(folder)
        for guard in (found for found in GUARDS if only in found.name):
            seen = noticed(guard, folder)
            console.print(f"without: {guard.name}: {'noticed' if seen else 'nobody noticed'}")
            unnoticed += not seen
            table.add_row(guard.name, guard.file, guard.test if seen else "[red]nobody[/red]")
    console.print(table)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
