"""The score table leaves columns out where it is narrow, and never cuts a name or a number."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console

from training.commands.scores import LEAST_NEEDED, print_scores
from training.evaluation.baselines import BASELINES
from training.evaluation.selection import Selection

FAMILIES = ("calendar", "linear_regression", "random_walk", "arima", "lstm")


def printed(width: int) -> str:
    """The table on a console of `width` columns."""
    row = {"n": 4310, "pinball": 0.0796712, "skill_constant": 0.0512, "skill_ewma": 0.0123, "skill_garch": -0.0122}
    row |= {"coverage_80": 0.798, "coverage_95": 0.949, "theil_u": 1.0004}
    names = (*FAMILIES, *BASELINES)
    scores = pd.DataFrame([{"family": name, "horizon": days, **row} for name in names for days in (1, 5, 21)])
    selection = Selection(FAMILIES, {name: 0.0 for name in FAMILIES}, tie=False, failed={"lstm": ("a reason",)})
    console = Console(file=io.StringIO(), width=width)
    print_scores(console, scores, selection)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_nothing_is_cut(width: int) -> None:
    text = printed(width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert len(re.findall(r"│ (\w+) +│ +0\.07967 │ +0\.07967 │ +0\.07967 │ +[+-]", text)) == len(FAMILIES) + 3


def test_what_is_left_out_is_said() -> None:
    assert "Left out" not in printed(200)
    said = " ".join(printed(60).split("Left out ")[1].split())
    assert all(name in said for name in LEAST_NEEDED)
