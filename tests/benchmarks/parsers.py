"""`python -m tests.benchmarks.parsers`: how long each parser takes for the most that it reads, and for half of it.

A ratio near 2 is proportional, one near 4 a square. tests/serving/test_linear.py counts the steps of the same parsers.
"""

import gc
import sys
import time

from rich.console import Console
from rich.table import Table

from tests.support.parser_cases import CASES, Parse, answer

RUNS = 5


def seconds(parser: Parse, data: bytes) -> float:
    """This process's processor time for one answer."""
    began = time.process_time()
    answer(parser, data)
    return time.process_time() - began


def main() -> int:
    """Print the shortest of RUNS times of each parser."""
    table = Table("parser", "all, ms", "half, ms", "ratio", box=None)
    gc.disable()  # which would come into some runs and not into others
    for name, (parser, make, limit) in CASES.items():
        inputs = make(limit), make(limit // 2)
        times = [min(seconds(parser, data) for _ in range(RUNS)) for data in inputs]
        ratio = f"{times[0] / times[1]:.1f}" if times[1] > 0 else ""
        table.add_row(name, *(f"{1000 * value:.2f}" for value in times), ratio)
    gc.enable()
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
