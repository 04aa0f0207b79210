"""The rows of scored forecasts: their columns, their digits, and the file that holds them."""

from datetime import timedelta

from lambda_fn.record.interpolation import probability_below
from lambda_fn.record.official_forecast import Entry
from lambda_fn.record.scoring import pinball, score, to_csv
from tests.support import records

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
QUANTILES = [1.0, 1.03, 1.07, 1.1, 1.13, 1.17, 1.2]
OFFICIAL = records.official(horizon=2)._replace(
    levels=LEVELS,
    quantiles=[QUANTILES] * 2,
    benchmarks={"constant": [[price + 0.01 for price in QUANTILES]] * 2},
)
FIRST, SECOND = OFFICIAL.days
OUTCOME = 1.14  # above the central half, within the other intervals
ROWS = list(score(Entry.of(OFFICIAL), {OFFICIAL.as_of: 1.1, FIRST: OUTCOME, SECOND: 1.19}))


def test_the_intervals_are_those_of_50_80_and_95_percent() -> None:
    assert [row.inside for row in ROWS] == [(False, True, True), (False, False, True)]
    header = to_csv(ROWS).decode().splitlines()[0].split(",")
    assert [name for name in header if name.startswith("inside_")] == ["inside_50", "inside_80", "inside_95"]


def test_losses_have_nine_digits_and_probabilities_six() -> None:
    loss, probability = pinball(LEVELS, QUANTILES, OUTCOME), probability_below(LEVELS, QUANTILES, OUTCOME)
    assert (ROWS[0].pinball, ROWS[0].pit) == (round(loss, 9), round(probability, 6))
    assert ROWS[0].benchmarks[0] == round(pinball(LEVELS, [price + 0.01 for price in QUANTILES], OUTCOME), 9)
    assert (ROWS[0].pinball, ROWS[0].pit) != (loss, probability)


def test_a_row_is_a_line_of_the_file() -> None:
    data = to_csv(ROWS)
    assert data.count(b"\n") == len(ROWS) + 1
    assert b"\r" not in data


def test_a_day_without_a_price_has_no_row() -> None:
    later = SECOND + timedelta(days=1)
    rows = list(score(Entry.of(OFFICIAL), {OFFICIAL.as_of: 1.1, SECOND: OUTCOME, later: OUTCOME}))
    assert [row.horizon for row in rows] == [2]
