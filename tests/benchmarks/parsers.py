"""`python -m tests.benchmarks.parsers`: the time of each parser for its largest input and for half of it.

A ratio near 2 is linear, one near 4 quadratic. tests/serving/test_linear.py counts the lines that they execute.
"""

import gc
import sys
import time

from rich.console import Console
from rich.table import Table

from tests.support.parser_cases import CASES, Parse, answer

RUNS = 5


def seconds(parser: Parse, data: bytes) -> float:
    """Processor time of one call."""
    began = time.process_time()
    answer(parser, data)
    return time.process_time() - began


def main() -> int:
    """Print the shortest of RUNS times for each parser."""
    table = Table("parser", "all, ms", "half, ms", "ratio", box=None)
    gc.disable()  # a collection would fall into some runs only
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
