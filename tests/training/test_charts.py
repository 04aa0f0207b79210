"""Charts as text: within the width, in the encoding, and true to the numbers."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.charts import FINE, MIN_WIDTH, PLAIN, Day, Shapes, bars, fan, select_shapes
from training.commands.report_plots import plot_skill


def test_a_plot_of_mlflow_has_a_title_and_names_its_axes() -> None:
    skill = pd.DataFrame({2025: [0.01, 0.02], 2026: [0.03, 0.02]}, index=["calendar", "garch"])
    [axes] = plot_skill(skill, "calendar").axes
    assert axes.get_title(loc="left").startswith("calendar: ")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("year", "skill vs EWMA, %")


WIDTHS = st.integers(60, 200)
DRAWN = st.sampled_from([FINE, PLAIN])
DISTANCES = st.lists(st.floats(0.0001, 0.2), min_size=3, max_size=3, unique=True)


@given(st.lists(st.tuples(st.floats(0.5, 2.0), DISTANCES), min_size=1, max_size=21), WIDTHS, DRAWN)
def test_a_fan_has_each_median_in_its_intervals_and_no_line_too_long(
    found: list[tuple[float, list[float]]], width: int, drawn: Shapes
) -> None:
    days = [
        Day("2026-11-02", [(middle - far, middle + far) for far in sorted(distances, reverse=True)], middle)
        for middle, distances in found
    ]
    lines = fan(days, ("95", "80", "50"), width, drawn)
    assert len(lines) == len(days) + 2
    assert max(map(len, lines)) <= width
    for line in lines[1:-1]:
        picture = line.removeprefix("2026-11-02 ")
        assert picture.count(drawn.median) == 1
        assert set(picture) <= {" ", drawn.median, *drawn.bands}
        assert " " not in picture.strip(), "an interval has no hole"


@given(st.dictionaries(st.sampled_from(["1 d", "5 d", "21 d"]), st.floats(-0.9, 0.9), min_size=1), WIDTHS, DRAWN)
def test_a_bar_is_on_its_side_and_longer_for_more(values: dict[str, float], width: int, drawn: Shapes) -> None:
    lines = bars(values, width, drawn)
    assert max(map(len, lines)) <= width
    margin = max(map(len, values)) + 1
    zeros = {line[margin:].index(drawn.axis) for line in lines if drawn.axis in line[margin:]}
    assert len(zeros) == 1, "one axis"
    [zero] = zeros
    lengths = {}
    for line, (name, value) in zip(lines, values.items(), strict=True):
        left, right = line[margin : margin + zero].strip(), line[margin + zero + 1 :].split(" ")[0]
        assert not (left if value >= 0 else right.strip(drawn.bar) or right)
        assert f"{100 * value:+.2f} %" in line
        lengths[name] = len(left) + len(right)
    ordered = sorted(values, key=lambda name: abs(values[name]))
    assert [lengths[name] for name in ordered] == sorted(lengths.values())


def test_a_narrow_terminal_leaves_a_picture_of_some_columns() -> None:
    assert max(map(len, fan([Day("day", [(1.0, 2.0)], 1.5)], ("95",), 1, PLAIN)[1:-1])) == len("day ") + MIN_WIDTH


@pytest.mark.parametrize(
    ("encoding", "drawn"),
    [("utf-8", FINE), ("ascii", PLAIN), ("iso-8859-1", PLAIN), ("cp437", PLAIN), ("none", PLAIN)],
)
def test_what_cannot_be_encoded_is_not_drawn(encoding: str, drawn: Shapes) -> None:
    assert select_shapes(encoding) == drawn
