"""How many days an answer has: a week unless asked, as many as the champion knows when asked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.web.errors import Problem
from lambda_fn.web.params import DEFAULT_HORIZON, parse_query

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


@given(st.integers(1, 60))
def test_a_week_is_answered_unless_more_is_asked(longest: int) -> None:
    assert parse_query({}, longest, LEVELS).horizon == min(5, longest)
    assert parse_query({"horizon": str(longest)}, longest, LEVELS).horizon == longest


def test_a_month_is_given_on_request_and_a_champion_of_a_week_still_serves() -> None:
    assert parse_query({"horizon": "21"}, 21, LEVELS).horizon == 21
    assert parse_query({}, DEFAULT_HORIZON, LEVELS).horizon == 5
    with pytest.raises(Problem) as error:
        parse_query({"horizon": "21"}, 5, LEVELS)
    assert error.value.field == "horizon" and re.search(r"\b1 to 5; .*\b5$", error.value.cure)
