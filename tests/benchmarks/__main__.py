"""`python -m tests.benchmarks`: cold start, warm invocations, memory and throughput against doing nothing, and against
what a user would take instead."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks import environment, operations, report, stores, subjects
from tests.benchmarks.function import Container, Place, Process
from tests.benchmarks.measure import Measured, Subject, invocations, serving, throughput
from tests.benchmarks.subjects import Compared
from tests.support import seaweedfs
from tests.support.events import event

ROUNDS, WARM, REQUESTS = 11, 200, 2000
WIDTH = 150  # columns, which the table of all subjects needs
QUICK = 3, 50, 500  # a few minutes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables and writes the JSON."""
    asked = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = _run(asked, folder, stack)
    console = Console(width=max(Console().width, WIDTH))
    for table in report.tables(found):
        console.print(table)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _run(asked: argparse.Namespace, folder: Path, stack: ExitStack) -> dict[str, Any]:
    folder.chmod(0o755)  # the container's user reads the store
    (folder / "task").mkdir()
    process = Process(asked.python or environment.interpreter(), environment.task_root(folder / "task"))
    in_folder = stores.make_folder(folder / "store", asked.store, os.environ)
    compared = _compared(asked, process, folder, in_folder, stack)
    measured: dict[str, dict[str, list[Measured]]] = {}
    own: list[Measured] = []
    for number in range(asked.rounds):
        for place, name, values in _round(asked, process, folder, compared):
            measured.setdefault(place, {}).setdefault(name, []).append(values)
            shown = ", ".join(f"{metric} {value:.0f}" for metric, value in values.items() if "cold" in metric)
            Console(stderr=True).print(
                f"round {number + 1} of {asked.rounds}, {place}, {name}: {shown}", highlight=False
            )
        if not asked.few:
            own.append(_own(process, folder, number, asked.requests))
    counts = {"rounds": asked.rounds, "warm": asked.warm, "requests": asked.requests}
    return report.result(measured, own, counts)


def _compared(
    asked: argparse.Namespace, process: Process, folder: Path, in_folder: Mapping[str, str], stack: ExitStack
) -> list[Compared]:
    body = subjects.body_of(in_folder)
    compared = [
        subjects.constant(process, in_folder),
        subjects.ours("folder", process, in_folder, body),
        subjects.in_process(process, in_folder, body),
    ]
    if not asked.few:  # as one of many: its first GET reads one object, too
        compared.append(subjects.ours("28 pairs", process, {**in_folder, "PAIRS": "majors"}, body))
    if seaweedfs.installed() and not asked.few:
        (folder / "s3").mkdir()
        server = stack.enter_context(seaweedfs.running(folder / "s3"))
        compared.append(subjects.ours("bucket", process, stores.make_bucket(server, folder / "store"), body))
    if not asked.few:
        compared += subjects.rivals(folder, folder / "store", body)
    return compared


def _round(
    asked: argparse.Namespace, process: Process, folder: Path, compared: Sequence[Compared]
) -> Iterator[tuple[str, str, Measured]]:
    """Every subject once, so that what else the machine does hits all alike: place, subject, what was measured."""
    for each in compared:
        values = _invoked(each.process, each.subject, asked.warm) if each.process else {}
        if each.subject.server:
            with serving(each.subject, folder) as port:
                values |= throughput(port, each.subject, asked.requests)
        yield "process", each.subject.name, values
        if asked.image and each.process is process and each.subject.name != report.IN_PROCESS:
            container = Container(asked.image, process.task, folder / "store")
            yield "container", each.subject.name, _invoked(container, each.subject, asked.warm)


def _invoked(place: Place, subject: Subject, warm: int) -> Measured:
    found: Measured = {}
    for kind, (path, body) in subject.asked.items():
        found |= invocations(place, subject, kind, json.dumps(event(kind, path, body=body)).encode(), warm)
    return found


def _own(process: Process, folder: Path, number: int, requests: int) -> Measured:
    return {
        **operations.swap(subjects.serving(process, subjects.SERVER), folder, process.task, 10 * requests),
        **operations.booking(folder, 10 * requests),
        **operations.refreshing(process, folder, number),
        **operations.ingesting(process, folder, folder / "store"),
    }


def _parser() -> argparse.ArgumentParser:
    rounds, warm, requests = QUICK if os.environ.get("QUICK") else (ROUNDS, WARM, REQUESTS)
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here too, with every round")
    parser.add_argument("--rounds", type=_count, default=rounds, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--warm", type=_count, default=warm, help="warm invocations a round (default: %(default)s)")
    parser.add_argument(
        "--requests", type=_count, default=requests, help="HTTP requests a burst (default: %(default)s)"
    )
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="a trained store; otherwise one is trained")
    parser.add_argument("--python", type=Path, help="an interpreter that has the packages; otherwise one is made")
    parser.add_argument("--image", help="measure in containers of this image too, with 512 MB and half a core")
    parser.add_argument("--few", action="store_true", help="the folder and the constant one alone")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
