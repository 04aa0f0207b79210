"""`make mutate` changes the place that a guard describes, and refuses a description that no longer fits the code."""

import pytest

from tests.support.changes import Change, apply_change

SOURCE = """
LIMIT = 5
HEADERS = {"X-Frame-Options": "DENY", "X-Other": "1"}

class Reader:
    def read(self, size, opener):
        if size > LIMIT or size < 0:
            raise ValueError(size)
        if size and self.cached:
            return self.cached
        with self.lock:
            data = opener(size, mode="rb", shell=False)
        self.check(data)
        try:
            return data
        except OSError as error:
            raise KeyError from error
"""


@pytest.mark.parametrize(
    ("function", "change", "before", "after"),
    [
        ("", Change("value", "LIMIT", "50"), "LIMIT = 5", "LIMIT = 50"),
        ("", Change("entry", "X-Frame-Options"), '"X-Frame-Options": "DENY",', ""),
        ("Reader.read", Change("check"), "size > LIMIT or size < 0", "False"),
        ("Reader.read", Change("check", "ValueError", "self and (@)"), "size > LIMIT or size < 0", "self and (@)"),
        ("Reader.read", Change("condition", "cached"), "size and self.cached", "False"),
        ("Reader.read", Change("operand", "LIMIT"), "size > LIMIT", "False"),
        ("Reader.read", Change("operand", "cached"), "and self.cached", "and True"),
        ("Reader.read", Change("lock"), "with self.lock", "if True"),
        ("Reader.read", Change("keyword", "mode"), 'mode="rb",', ""),
        ("Reader.read", Change("keyword", "shell", "True"), "shell=False", "shell=True"),
        (
            "Reader.read",
            Change("callee", "opener", "(lambda *all, **given: @(0))"),
            "opener(size",
            "(lambda *all, **given: opener(0))(size",
        ),
        ("Reader.read", Change("argument", "opener", "LIMIT"), "opener(size", "opener(LIMIT"),
        ("Reader.read", Change("Call", "opener"), 'opener(size, mode="rb", shell=False)', "None"),
        ("Reader.read", Change("Expr", "check"), "self.check(data)", "pass"),
        ("Reader.read", Change("Expr", "check", "if data:\n    @"), "self.check(data)", "if data:\n            @"),
        ("Reader.read", Change("Return", without="return LIMIT", number=2), "return data", "return LIMIT"),
        ("Reader.read", Change("handler", "OSError", "KeyError"), "except OSError", "except KeyError"),
    ],
)
def test_one_place_is_changed(function: str, change: Change, before: str, after: str) -> None:
    start, _, end = SOURCE.partition(before)
    assert apply_change(SOURCE, function, change) == start + after.replace("@", before) + end


@pytest.mark.parametrize(
    ("function", "change", "error"),
    [
        ("Reader.read", Change("Return"), "is there 2 times"),
        ("Reader.read", Change("Return", number=3), "is there 2 times"),
        ("Reader.read", Change("check", "KeyError"), "is there 0 times"),
        ("Reader.read", Change("assertion"), "is there 0 times"),
        ("Reader.write", Change("check"), "no function Reader.write"),
        ("Reader.read", Change("check", without="offset < 0"), "unknown offset"),
    ],
)
def test_a_description_that_does_not_fit_the_code_is_an_error(function: str, change: Change, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        apply_change(SOURCE, function, change)


def test_a_part_of_a_text_is_there_once() -> None:
    assert apply_change("a b c", "", Change("text", " b", "")) == "a c"
    with pytest.raises(ValueError, match="there 2 times"):
        apply_change("a b b", "", Change("text", " b", ""))
