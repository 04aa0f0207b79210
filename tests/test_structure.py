"""What `make structure` counts in files; the traces of requests and jobs take a minute and run there only."""

import ast

import pytest

from tests.structure import (
    BARE_WORDS,
    PACKAGES,
    Shape,
    aligned,
    bound_names,
    functions_with_one_caller,
    is_bare,
    static_rows,
)

SOURCE = """
class Kept:
    def __init__(self, *, _told=None):
        self.known = _told
        self.size: int = 1
        other.seen = 1

    def _first(self):
        return self._second(), self._second, _third

    def _second(self):
        return [each for each in self if (given := each)]

def _third(found):
    with found as held, found as (own, value):
        for left in held:
            asked = lambda it: it
"""


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    return [Shape.of(package) for package in PACKAGES]


def test_every_way_to_bind_a_name_counts() -> None:
    names = list(bound_names(ast.parse(SOURCE)))
    bare = [name for name in names if is_bare(name)]
    expected = ["Kept", "_told", "asked", "each", "found", "given", "held", "it", "known", "left", "own"]
    assert sorted(bare) == expected
    assert sorted(set(names) - set(bare)) == ["__init__", "_first", "_second", "_third", "size", "value"]


def test_words_are_bare_alone() -> None:
    assert {"found", "whoever"} <= BARE_WORDS and all(word == word.lower() for word in BARE_WORDS)
    assert is_bare("_FOUND_") and not is_bare("found_row")


def test_a_reference_is_a_call_or_an_argument() -> None:
    assert list(functions_with_one_caller(ast.parse(SOURCE))) == ["_third"]


def test_no_module_is_over_350_lines(shapes: list[Shape]) -> None:
    assert [shape.largest for shape in shapes if shape.largest > 350] == []


def test_the_table_has_a_number_of_each_package(shapes: list[Shape]) -> None:
    header, *lines = aligned(static_rows(shapes)).splitlines()
    assert header.split() == [*PACKAGES, "both"]
    (total,) = [line.split()[-3:] for line in lines if line.startswith("lines of Python ")]
    counts = [sum(shape.lines.values()) for shape in shapes]
    assert [int(number.replace(",", "")) for number in total] == [*counts, sum(counts)]
    assert all(0 <= shape.bare_share < 1 for shape in shapes)
