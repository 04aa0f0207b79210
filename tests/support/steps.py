"""How much work a call is, counted in lines of Python: the same on every machine and under any load."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lambda_fn

_CODE = str(Path(lambda_fn.__file__).parent)


def lines(call: Callable[[], object]) -> int:
    """The lines of lambda_fn that the call runs, each as often as it runs; loops of one line count each round."""
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
