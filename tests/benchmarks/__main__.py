"""`python -m tests.benchmarks`: cold start, warm invocations, memory and throughput against doing nothing."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console

from lambda_fn.champion.cache import fetch_champion
from lambda_fn.contract import Active
from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
from lambda_fn.store.keys import ACTIVE_KEY
from tests.benchmarks import environment, report, stores
from tests.benchmarks.function import Container, Place, Process
from tests.benchmarks.measure import CONNECTIONS, Subject, invocations, serving, throughput
from tests.support import seaweedfs
from tests.support.events import event

SERVER = "lambda_fn.server"
HANDLER = "lambda_fn.api.handler"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the table and writes the JSON."""
    asked = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = _run(asked, folder, stack)
    for table in report.tables(found):
        Console().print(table)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _run(asked: argparse.Namespace, folder: Path, stack: ExitStack) -> dict[str, Any]:
    folder.chmod(0o755)  # the container's user reads the store
    (folder / "task").mkdir()
    task = environment.task_root(folder / "task")
    process = Process(asked.python or environment.interpreter(), task)
    in_folder = stores.make_folder(folder / "store", asked.store, os.environ)
    subjects = [Subject(report.BASE, "constant.handler", "tests.benchmarks.constant_server", in_folder)]
    subjects.append(Subject("folder", HANDLER, SERVER, in_folder))
    if seaweedfs.installed() and not asked.folder_only:
        (folder / "s3").mkdir()
        bucket = stores.make_bucket(stack.enter_context(seaweedfs.running(folder / "s3")), folder / "store")
        subjects.append(Subject("bucket", HANDLER, SERVER, bucket))
    places: dict[str, Place] = {"process": process}
    if asked.image:
        places["container"] = Container(asked.image, task, folder / "store")
    ports = {subject.name: stack.enter_context(serving(process, subject)) for subject in subjects}
    found = measure(asked, places, subjects, ports)
    counts = {"rounds": asked.rounds, "warm": asked.warm, "requests": asked.requests, "connections": CONNECTIONS}
    return report.result(found, {**counts, "champion": _champion(in_folder)})


def measure(
    asked: argparse.Namespace, places: Mapping[str, Place], subjects: Sequence[Subject], ports: Mapping[str, int]
) -> Mapping[str, report.Rounds]:
    """Every subject in every round, so that what else the machine does hits all alike."""
    progress = Console(stderr=True)
    request = json.dumps(event("GET", "/api/predict")).encode()
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {
        place: {subject.name: [] for subject in subjects} for place in places
    }
    for number, (name, place), subject in product(range(asked.rounds), places.items(), subjects):
        measured = invocations(place, subject, request, asked.warm)._asdict()
        if isinstance(place, Process):
            measured["requests_per_s"] = throughput(ports[subject.name], asked.requests)
        found[name][subject.name].append(measured)
        cold = f"{measured['cold_start_ms']:.0f} ms cold"
        progress.print(f"round {number + 1} of {asked.rounds}, {name}, {subject.name}: {cold}", highlight=False)
    return found


def _champion(environ: Mapping[str, str]) -> dict[str, Any]:
    store = open_store(Settings.from_env(environ))
    active = Active.parse(store.read(ACTIVE_KEY).data)
    champion = fetch_champion(store, active.serving_key, active.champion.sha256)
    return {"family": champion.metadata.family, "bytes": active.champion.size}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here too, with every round")
    parser.add_argument("--rounds", type=_count, default=7, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--warm", type=_count, default=300, help="warm invocations a round (default: %(default)s)")
    parser.add_argument("--requests", type=_count, default=3200, help="HTTP requests a round (default: %(default)s)")
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="a trained store; otherwise one is trained")
    parser.add_argument("--python", type=Path, help="an interpreter that has the packages; otherwise one is made")
    parser.add_argument("--image", help="measure in containers of this image too, with 512 MB and half a core")
    parser.add_argument("--folder-only", action="store_true", help="leave out the bucket")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of times; give 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
