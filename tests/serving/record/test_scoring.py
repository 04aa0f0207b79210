"""Scores of the ledger's forecasts: what is known, what is said where prices are late, corrected or missing."""

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.fields import ContractError
from lambda_fn.record import scoring
from lambda_fn.record.official_forecast import Entry, publication_time
from lambda_fn.record.scoring import pinball, score

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
DAYS = (date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4))
ROW = [1.08, 1.09, 1.095, 1.1, 1.105, 1.11, 1.12]
CLOSES = {date(2026, 10, 30): 1.1, DAYS[0]: 1.112, DAYS[1]: 1.1}


def entry(**changes: Any) -> Entry:
    known = Entry(
        pair="EURUSD",
        source="ecb",
        as_of=date(2026, 10, 30),
        made_at=datetime(2026, 10, 30, 15, tzinfo=UTC),
        kind="live",
        generation=3,
        family="foreign",
        sha256="a" * 64,
        last_close=1.1,
        days=DAYS,
        levels=LEVELS,
        quantiles=[ROW, ROW, ROW],
        mean=[1.1, 1.1, 1.1],
        benchmarks={"constant": [ROW, ROW, ROW], "ewma": [ROW, ROW, ROW]},
    )
    return known._replace(**changes)


def test_only_what_is_known_is_scored() -> None:
    first, second = score(entry(), CLOSES)
    assert [(row.target_date, row.horizon, row.outcome) for row in (first, second)] == [
        (DAYS[0], 1, 1.112),
        (DAYS[1], 2, 1.1),
    ]
    assert first.inside == (False, False, True) and second.inside == (True, True, True)
    assert second.pit == pytest.approx(0.5)
    assert first.pinball == first.benchmarks[0] == first.benchmarks[1]
    assert first.benchmarks[2] is None  # no GARCH beside it
    assert (first.kind, first.note) == ("live", "")


def test_the_loss_is_the_mean_pinball_in_percent_of_log_return() -> None:
    outcome, total = 1.112, 0.0
    for level, price in zip(LEVELS, ROW, strict=True):
        error = 100 * math.log(outcome / price)
        total += level * error if error >= 0 else (level - 1) * error
    assert pinball(LEVELS, ROW, outcome) == pytest.approx(total / len(LEVELS), rel=1e-12)
    assert next(score(entry(), CLOSES)).pinball == pytest.approx(total / len(LEVELS), abs=1e-9)


def test_numbers_are_rounded_as_the_file_keeps_them() -> None:
    for row in score(entry(), CLOSES):
        assert (row.pinball, row.pit) == (round(row.pinball, 9), round(row.pit, 6))
        assert row.benchmarks[:2] == (row.pinball, row.pinball)


def test_a_day_without_a_price_is_passed_over_and_said() -> None:
    closes = {date(2026, 10, 30): 1.1, DAYS[1]: 1.101, DAYS[2]: 1.102}
    second, third = score(entry(), closes)
    assert (second.horizon, second.note) == (2, "no price on 2026-11-02")
    assert (third.horizon, third.note) == (3, "no price on 2026-11-02")


def test_a_close_that_was_corrected_is_said_and_the_forecast_scored_as_made() -> None:
    plain, corrected = next(score(entry(), CLOSES)), next(score(entry(), CLOSES | {date(2026, 10, 30): 1.1005}))
    assert "close" in corrected.note and "corrected" in corrected.note
    assert corrected._replace(note="") == plain


def test_no_price_is_no_score() -> None:
    assert list(score(entry(), {})) == []


rows = st.builds(
    lambda closes, kind: list(score(entry(kind=kind), dict(zip((date(2026, 10, 30), *DAYS), closes, strict=True)))),
    st.lists(st.floats(0.9, 1.3), min_size=4, max_size=4),
    st.sampled_from(["live", "late"]),
)


@given(rows)
def test_what_is_written_is_read_again(found: list[scoring.Score]) -> None:
    data = scoring.to_csv(found)
    assert scoring.from_csv(data) == found
    assert scoring.to_csv(reversed(found)) == data


@pytest.mark.parametrize("data", [b"", b"date,close\n", scoring.to_csv([]) + b"2026-10-30,x\n"])
def test_a_file_that_cannot_be_read_is_refused_with_the_cure(data: bytes) -> None:
    with pytest.raises(ContractError, match="eurusd record"):
        scoring.from_csv(data)


@pytest.mark.parametrize(
    ("day", "source", "moment"),
    [
        (date(2026, 11, 2), "ecb", datetime(2026, 11, 2, 13, 15, tzinfo=UTC)),  # winter in Frankfurt
        (date(2026, 7, 1), "ecb", datetime(2026, 7, 1, 12, 15, tzinfo=UTC)),  # summer
        (date(2026, 3, 30), "ecb", datetime(2026, 3, 30, 12, 15, tzinfo=UTC)),  # the Monday after the clocks went on
        (date(2024, 2, 29), "csv", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_when_a_price_begins_to_be_known(day: date, source: str, moment: datetime) -> None:
    assert publication_time(day, source) == moment


def test_an_entry_is_read_as_it_was_written() -> None:
    assert Entry.parse(entry().to_json(), entry().pair, entry().as_of) == entry()
