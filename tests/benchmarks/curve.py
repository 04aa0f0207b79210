"""`python -m tests.benchmarks.curve --image NAME`: cold starts by the memory that a function is given.

Lambda gives a whole core at 1,769 MB and a share of it below ("Configure Lambda function memory"). What an invocation
costs is its time times its memory, so the cheapest is where that product is least.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import environment, operations, stores, subjects
from tests.benchmarks.function import Container
from tests.benchmarks.measure import Measured, Subject, invocations
from tests.support.events import event

WHOLE_CORE_MB = 1769
SIZES = (128, 256, 512, 1024, WHOLE_CORE_MB)
WARM = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; a size in which something runs out of memory is left blank."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.curve", description=__doc__)
    parser.add_argument("--image", required=True, help="the image of the functions")
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="a trained store; otherwise one is trained")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        found = _measure(asked, Path(name))
    Console(width=120).print(_table(found))
    return 0


def _measure(asked: argparse.Namespace, folder: Path) -> dict[int, list[Measured]]:
    folder.chmod(0o755)
    (folder / "task").mkdir()
    environment.task_root(folder / "task")
    in_folder = stores.make_folder(folder / "store", asked.store, os.environ)
    found: dict[int, list[Measured]] = {size: [] for size in SIZES}
    for number in range(asked.rounds):
        for size in SIZES:
            found[size].append(_round(asked.image, folder, in_folder["STORE_DIR"], size))
            Console(stderr=True).print(f"round {number + 1} of {asked.rounds}, {size} MB", highlight=False)
    return found


def _round(image: str, folder: Path, store: str, size: int) -> Measured:
    container = Container(image, folder / "task", Path(store), size, size / WHOLE_CORE_MB)
    environ = {"STORE_DIR": store}
    requests = {"GET": (subjects.PATH, None), "POST": (subjects.PATH, subjects.body_of(environ))}
    subject = Subject("folder", subjects.HANDLER, (), environ, requests)
    found: Measured = {}
    for kind, (path, body) in subject.asked.items():
        asked = json.dumps(event(kind, path, body=body)).encode()
        try:
            found |= invocations(container, subject, kind, asked, WARM)
        except RuntimeError:  # too little memory
            continue
    jobs = folder / f"jobs-{size}"
    jobs.mkdir(exist_ok=True)
    worker = Container(image, folder / "task", jobs, size, size / WHOLE_CORE_MB, writes=True)
    number = len(list(jobs.glob("refresh/serving/history/*")))
    try:
        found |= operations.refreshing(worker, jobs, number)
        found |= operations.ingesting(worker, jobs, Path(store))
    except RuntimeError:  # too little memory
        shutil.rmtree(jobs / "ingest", ignore_errors=True)
    return found


def _table(found: dict[int, list[Measured]]) -> Table:
    names = list(dict.fromkeys(name for rounds in found.values() for each in rounds for name in each))
    shown = Table(title="by memory in MB: medians, and in brackets GB-milliseconds")
    for name in ("", *(str(size) for size in found)):
        shown.add_column(name, justify="right")
    for name in names:
        cells = []
        for size, rounds in found.items():
            values = [each[name] for each in rounds if name in each]
            median = statistics.median(values) if values else None
            bill = f" ({median * size / 1024:.0f})" if median is not None and name.endswith("_ms") else ""
            cells.append("" if median is None else f"{median:.1f}{bill}")
        shown.add_row(name, *cells)
    return shown


if __name__ == "__main__":
    sys.exit(main())
