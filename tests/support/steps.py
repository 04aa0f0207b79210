"""The work of a call as the number of lines that it executes, which no load of the machine changes."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lambda_fn

_CODE = str(Path(lambda_fn.__file__).parent)


def lines(call: Callable[[], object]) -> int:
    """Count the lines of lambda_fn that the call executes; a line in a loop counts in every round."""
    count = 0

    def within(_: FrameType, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "line"
        return within

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        return within if frame.f_code.co_filename.startswith(_CODE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
