"""One warm environment over many invocations and swaps: its memory, its open files and /tmp stay as they are.

python -m tests.load.warm --invocations 10000 --swaps 100
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support import foreign
from tests.support.local_api import LocalApi, local_api

PAGE = os.sysconf("SC_PAGE_SIZE")
SPREADS = (0.004, 0.005, 0.006, 0.007)


class Sample(NamedTuple):
    """What the process holds."""

    megabytes: float
    files: int
    in_tmp: int

    @classmethod
    def now(cls) -> "Sample":
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20
        return cls(round(resident, 1), _count(Path("/proc/self/fd")), _count(Path(tempfile.gettempdir())))


def _count(folder: Path) -> int:
    return len(list(folder.iterdir()))


def run(folder: Path, invocations: int, swaps: int) -> list[Sample]:
    """Samples after each tenth of the invocations; raises AssertionError for a wrong answer."""
    api, samples = local_api(folder), list[Sample]()
    each = max(invocations // swaps, 1)
    closes = foreign.closes(foreign.WINDOW).tolist()
    for number in range(invocations):
        if number % each == 0:
            _swap(api, number // each)
        answer = (
            api.post({"close": closes}) if number % 4 == 0 else api.get("/api/predict", horizon=str(number % 3 + 1))
        )
        assert answer.status == 200, answer.json
        assert answer.json["champion"]["generation"] == number // each + 1
        if (number + 1) % (invocations // 10) == 0:
            samples.append(Sample.now())
    return samples


def _swap(api: LocalApi, number: int) -> None:
    """To a champion of other numbers, which every copy that is old takes up."""
    api.clock.ahead(api.settings.champion_max_age_s)
    api.promote(foreign.champion_bytes(spread=SPREADS[number % len(SPREADS)]), number + 1)


def main() -> int:
    asked = argparse.ArgumentParser("python -m tests.load.warm", description="Samples of one warm environment.")
    asked.add_argument("--invocations", type=int, default=10_000)
    asked.add_argument("--swaps", type=int, default=100)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = run(Path(folder), options.invocations, options.swaps)
    sys.stdout.write(json.dumps([sample._asdict() for sample in samples]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
