"""The work of every parser of external input grows in proportion to the input.

The measure is the number of executed lines, which no load of the machine changes. Work in C shows in time only: `python
-m tests.benchmarks.parsers` measures it.
"""

import functools

import pytest

from lambda_fn.web.params import central_intervals
from tests.support.parser_cases import CASES, answer
from tests.support.steps import lines

SHARE = 4  # of the largest input, which is enough for a count
MOST, FIXED = 2.2, 200  # times the lines for half an input (a square has 4), and the lines for any input


@pytest.mark.parametrize("case", CASES)
def test_twice_the_input_is_twice_the_work(case: str) -> None:
    parser, make, limit = CASES[case]
    whole, half = make(limit // SHARE), make(limit // SHARE // 2)
    answer(parser, half)  # fills caches
    for_all, for_half = (lines(functools.partial(answer, parser, data)) for data in (whole, half))
    assert 0 < for_all <= MOST * for_half + FIXED


def test_a_square_would_be_noticed() -> None:
    """The test above can fail: n times n levels."""

    def square(n: int) -> None:
        for _ in range(n):
            central_intervals([i / n for i in range(1, n)])

    assert lines(functools.partial(square, 80)) > 3 * lines(functools.partial(square, 40))
