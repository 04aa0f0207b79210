"""The server under load while champions are swapped and a third of what it asks the store fails.

    python -m tests.load.server --seconds 600 --connections 64 --processes 2

Every answer is checked: it is 200, its numbers are those of one champion that was active, and no connection sees an
older generation than before. At the end a worker is stopped in the middle of its work, and has to be replaced.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.load.warm import PAGE, SPREADS
from tests.support import fault_proxy, foreign, seaweedfs
from tests.support.fault_proxy import FAULTS, Proxy
from tests.support.server_process import Server, running, until

SEED = 16
WARM = 40  # requests, each on a connection of its own
REQUESTS = [
    b"GET /api/predict?horizon=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/predict HTTP/1.1\r\nHost: localhost\r\n\r\n",
]
BODY = json.dumps({"close": foreign.closes(foreign.WINDOW).tolist()}).encode()
REQUESTS.append(b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


@dataclass
class Scene:
    """A server behind which the store fails, and what its clients found."""

    server: Server
    settings: Settings
    proxy: Proxy
    spreads: dict[int, float] = field(default_factory=dict)  # by generation, before it is active
    took: list[float] = field(default_factory=list)  # seconds
    wrong: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)  # pids of the processes that answered
    stop: threading.Event = field(default_factory=threading.Event)

    def promote(self) -> None:
        """Publishes and activates the next champion, past the proxy."""
        generation = len(self.spreads) + 1
        self.spreads[generation] = SPREADS[generation % len(SPREADS)]
        store = open_store(self.settings, patient=True)
        foreign.publish_to(store, foreign.champion_bytes(spread=self.spreads[generation]), generation)
        refresh(store, self.settings, datetime.now(UTC))

    def check(self, status: int, body: bytes, newest: int) -> int:
        """The generation of an answer; what is wrong with it is noted."""
        if status != 200:
            self.wrong[f"{status}: {body[:200].decode()}"] += 1
            return newest
        found: Any = json.loads(body)
        generation: int = found["champion"]["generation"]
        day = found["forecast"][0]
        width = (day["quantiles"]["0.975"] - day["quantiles"]["0.025"]) / found["last_close"]
        if abs(width - 0.95 * self.spreads[generation]) > 1e-5:
            self.wrong[f"generation {generation} has the width {width}"] += 1
        if generation < newest:
            self.wrong[f"generation {generation} after {newest}"] += 1
        return max(generation, newest)


@contextmanager
def scene(folder: Path, processes: int) -> Iterator[Scene]:
    """A server on a bucket behind the proxy, with a first champion."""
    with seaweedfs.running(folder) as s3, seaweedfs.variables(s3.environ()), fault_proxy.before(s3.endpoint) as proxy:
        environ = s3.environ() | {"AWS_ENDPOINT_URL_S3": proxy.endpoint, "CHAMPION_MAX_AGE_S": "1"}
        with running(folder, environ, "--processes", str(processes)) as server:
            found = Scene(server, Settings.from_env(s3.environ()), proxy)
            found.promote()
            for _ in range(WARM):  # so that each process has something in memory
                assert server.ask("POST", "/api/predict", json.loads(BODY)).status == 200
                assert server.ask("GET", "/api/predict").status == 200
            yield found


async def client(scene: Scene, number: int) -> None:
    """One connection that asks until the end; a GET and a POST each see generations in order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    newest = [1] * len(REQUESTS)
    for turn in range(sys.maxsize):
        if scene.stop.is_set():
            break
        which = (number + turn) % len(REQUESTS)
        began = time.perf_counter()
        writer.write(REQUESTS[which])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        scene.took.append(time.perf_counter() - began)
        newest[which] = scene.check(int(head.split()[1]), body, newest[which])
    writer.close()


async def ask(scene: Scene, connections: int) -> None:
    results = await asyncio.gather(*(client(scene, number) for number in range(connections)), return_exceptions=True)
    scene.wrong.update(f"lost: {error!r}" for error in results if isinstance(error, BaseException))


def workers(server: Server) -> list[int]:
    """The pids of the processes that answer."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    commands = {}
    for pid in children:
        with suppress(FileNotFoundError, ProcessLookupError):  # a child that has just ended
            commands[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [pid for pid, command in commands.items() if b"spawn_main" in command] or [server.process.pid]


def megabytes(server: Server) -> float:
    """Resident, of all processes that answer."""
    pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in workers(server))
    return round(sum(pages) * PAGE / 2**20, 1)


def load(scene: Scene, seconds: float, connections: int, promote_every: float) -> dict[str, Any]:
    """What was measured; `wrong` is empty where the promise was kept."""
    draw = random.Random(SEED)
    faults = [name for name in FAULTS if name != "304"]  # a store that says so by mistake is believed
    scene.proxy.choose = lambda path: draw.choice(faults) if draw.random() < 1 / 3 else None
    asking = threading.Thread(target=lambda: asyncio.run(ask(scene, connections)))
    asking.start()
    began = time.monotonic()
    resident = list[float]()
    while time.monotonic() - began < seconds:
        time.sleep(min(promote_every, seconds))
        scene.promote()
        resident.append(megabytes(scene.server))
        scene.seen.update(workers(scene.server))
    scene.stop.set()
    asking.join()
    cuts = statistics.quantiles(scene.took, n=1000)
    return {
        "requests": len(scene.took),
        "wrong": dict(scene.wrong.most_common(20)),
        "processes": len(scene.seen),  # more than were asked for: one was replaced
        "generations": len(scene.spreads),
        "faults": len(scene.proxy.met),
        "median_ms": round(1e3 * cuts[499], 1),
        "p99_ms": round(1e3 * cuts[989], 1),
        "p999_ms": round(1e3 * cuts[998], 1),
        "slowest_ms": round(1e3 * max(scene.took), 1),
        "megabytes": [resident[0], resident[-1]],
    }


def replaced(scene: Scene) -> bool:
    """Whether a worker that hangs is replaced by another, and the server answers on."""
    scene.proxy.choose = lambda path: None
    hung = workers(scene.server)[0]
    os.kill(hung, signal.SIGSTOP)
    until(lambda: hung not in workers(scene.server) and len(workers(scene.server)) > 1, "another worker")
    return scene.server.ask("GET", "/health").status == 200


def main() -> int:
    asked = argparse.ArgumentParser("python -m tests.load.server", description="The server under load and faults.")
    asked.add_argument("--seconds", type=float, default=600)
    asked.add_argument("--connections", type=int, default=64)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--promote-every", type=float, default=10)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder), options.processes) as found:
        result = load(found, options.seconds, options.connections, options.promote_every)
        result["hung worker replaced"] = options.processes > 1 and replaced(found)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
