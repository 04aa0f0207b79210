"""Every parser of what others send takes work in proportion to its size: for a whole input twice that for half of it.

Lines of Python are counted, which are the same under any load; a square would give 4. Where the work is done in C, only
time shows it: `python -m tests.benchmarks.parsers` measures that.
"""

import functools

import pytest

from lambda_fn.web.question import intervals_of
from tests.support.parser_cases import CASES, answer
from tests.support.steps import lines

SHARE = 4  # of the most that is read: a count needs no more
MORE, FIXED = 2.2, 200  # of the work for half; what does not depend on the size


@pytest.mark.parametrize("case", CASES)
def test_a_parser_takes_work_in_proportion_to_what_it_reads(case: str) -> None:
    parser, make, limit = CASES[case]
    whole, half = make(limit // SHARE), make(limit // SHARE // 2)
    answer(parser, half)  # what is made once is there
    for_all, for_half = (lines(functools.partial(answer, parser, data)) for data in (whole, half))
    assert 0 < for_all <= MORE * for_half + FIXED


def test_a_square_would_be_noticed() -> None:
    """The test above can fail: as many times all levels as there are levels."""

    def square(n: int) -> None:
        for _ in range(n):
            intervals_of([i / n for i in range(1, n)])

    assert lines(functools.partial(square, 80)) > 3 * lines(functools.partial(square, 40))
