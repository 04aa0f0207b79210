"""The score table leaves columns out where it is narrow, and never cuts a name or a number."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console

from training.commands.scores import LEAST_NEEDED, gain_sentences, print_scores
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


@pytest.mark.parametrize(("champion", "with_hindsight"), [("calendar_cpi", True), ("calendar", False)])
def test_the_gain_of_the_champion_is_named_with_its_t(champion: str, with_hindsight: bool) -> None:
    gain = {"skill_garch": 0.0147, "skill_garch_low": 0.0106, "skill_garch_high": 0.0194, "t_garch": 5.83}
    scores = pd.DataFrame([{"family": champion, "horizon": 1, **gain}])
    [sentence] = gain_sentences(scores, Selection((champion,), {champion: 0.98}, tie=False))
    assert all(fact in sentence for fact in (champion, "+1.47%", "t 5.8", "+1.06% to +1.94%"))
    assert ("Examined with hindsight" in sentence) is with_hindsight
    assert gain_sentences(scores.assign(t_garch=float("nan")), Selection((champion,), {}, tie=False)) == []
    assert gain_sentences(scores, Selection((champion,), {}, tie=False, failed={champion: ("a reason",)})) == []
