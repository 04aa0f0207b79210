"""A new price is judged by the pair's own history: no real day of the majors is refused, and one that is wrong is."""

from datetime import date, timedelta

import numpy as np
import pytest

from lambda_fn.currency_pairs import read_pairs
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.merge import MIN_HISTORY_ROWS, read_ecb_table, update
from lambda_fn.prices.price_file import Table, serialise
from training.prices.ecb import EMBEDDED

TODAY = date(2026, 11, 30)


def offered(pair: str) -> Table:
    return read_ecb_table(EMBEDDED.read_bytes(), EMBEDDED.name, pair)


def first(table: Table, rows: int) -> bytes:
    return serialise(table.dates[:rows], {name: prices[:rows].tolist() for name, prices in table.columns.items()})


@pytest.mark.parametrize("pair", read_pairs("majors"))
def test_no_day_of_the_majors_is_refused(pair: str) -> None:
    table = offered(pair)
    close = {"close": table.columns["close"]}
    added = update(first(Table(table.dates, close), MIN_HISTORY_ROWS), Table(table.dates, close), [], TODAY)
    assert (added.outcome, added.rows) == ("appended", len(table.dates) - MIN_HISTORY_ROWS)


def with_move(change: float) -> tuple[bytes, Table, date]:
    """EUR/USD with one day more, on which it moves by this factor."""
    table = offered("EURUSD")
    [day] = next_business_days(table.dates[-1], 1, "ecb")
    close = table.columns["close"]
    longer = Table([*table.dates, day], {"close": np.append(close, close[-1] * change)})
    return first(Table(table.dates, {"close": close}), len(table.dates)), longer, day


@pytest.mark.parametrize("change", [0.81, 1.19, 1.13])
def test_a_day_that_moves_far_beyond_the_history_is_refused_until_it_is_accepted(change: float) -> None:
    stored, longer, day = with_move(change)
    today = day + timedelta(days=1)
    with pytest.raises(ContractError, match=rf"close moves on {day} .*; .*eurusd ingest --accept {day}"):
        update(stored, longer, [], today)
    with pytest.raises(ContractError, match="close moves"):
        update(stored, longer, [], today, accept_day=day - timedelta(days=1))
    assert update(stored, longer, [], today, accept_day=day).outcome == "appended"


def test_a_day_within_the_history_is_accepted_and_a_jump_of_a_fifth_never() -> None:
    stored, longer, day = with_move(1.05)
    assert update(stored, longer, [], day).outcome == "appended"
    stored, longer, day = with_move(1.21)
    with pytest.raises(ContractError, match="jumps"):
        update(stored, longer, [], day, accept_day=day)
