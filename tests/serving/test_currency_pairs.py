"""Pairs as people quote them, and the short words: against the ECB's own table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.currency_pairs import MAJORS, ORDER, PEGS, WITH_GAPS, majors, market_pair, read_pairs
from lambda_fn.prices.plausibility import LOWEST, MAX_DAILY_CHANGE
from training.prices.ecb import read_embedded

ALL = read_pairs("all")
USUAL = (
    *("EURUSD", "EURGBP", "EURJPY", "EURCHF", "EURSEK", "EURPLN", "GBPUSD", "GBPJPY", "GBPCHF", "AUDUSD", "AUDNZD"),
    *("NZDUSD", "USDJPY", "USDCAD", "USDCHF", "USDSEK", "USDMXN", "USDCNY", "USDKRW", "CADJPY", "CADCHF", "CHFJPY"),
    *("NOKSEK", "PLNHUF", "SGDJPY", "ZARJPY", "MXNJPY", "JPYKRW"),
)


@given(st.sampled_from(ORDER), st.sampled_from(ORDER))
def test_both_orders_of_two_currencies_are_one_pair(first: str, second: str) -> None:
    assert market_pair(first, second) == market_pair(second, first)


def test_pairs_are_quoted_as_people_quote_them() -> None:
    assert [market_pair(pair[3:], pair[:3]) for pair in USUAL] == list(USUAL)


def test_short_words_name_what_the_table_has_whole_and_free() -> None:
    """Of every currency that is quoted on the table's last day: no hole, no day of over MAX_DAILY_CHANGE against the
    euro, and no peg: its last two years' standard deviation is over 0.025 % a day, so a day's 95 % are over 0.1 %."""
    rates = read_embedded()
    columns = {name.upper(): np.array(values) for name, values in rates.columns.items()}
    known = {name: values for name, values in columns.items() if np.isfinite(values[-1])}
    assert set(known) | {"EUR"} == set(ORDER)
    whole = {}
    for name, values in known.items():
        begun = values[np.flatnonzero(np.isfinite(values))[0] :]
        if np.isfinite(begun).all() and np.abs(begun[1:] / begun[:-1] - 1).max() <= MAX_DAILY_CHANGE:
            whole[name] = np.log(values)
    assert set(whole) == set(ORDER) - WITH_GAPS - {"EUR"}
    whole["EUR"] = np.zeros(len(rates.days))
    free = set()
    for i, first in enumerate(ORDER):
        for second in ORDER[i + 1 :]:
            if first in whole and second in whole:
                close = whole[second][-513:] - whole[first][-513:]
                assert np.exp(close).min() > LOWEST
                if np.diff(close).std() > 0.00025:
                    free.add(first + second)
    assert set(ALL) == free
    assert {"EURDKK"} == PEGS


def test_the_majors_are_twenty_eight_and_eurusd_is_the_first() -> None:
    assert len(majors()) == len(set(majors())) == 28
    assert majors()[0] == ALL[0] == "EURUSD"
    assert {pair[:3] for pair in majors()} | {pair[3:] for pair in majors()} == set(MAJORS)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("EURUSD", ("EURUSD",)),
        (" GBPUSD , EURUSD,GBPUSD,", ("GBPUSD", "EURUSD")),
        ("USDJPY,majors", ("USDJPY", *(pair for pair in majors() if pair != "USDJPY"))),
        ("EUR", tuple(pair for pair in ALL if "EUR" in (pair[:3], pair[3:]))),
        ("EURTRY", ("EURTRY",)),  # named, it is meant
    ],
)
def test_a_list_is_read_in_its_order_and_each_pair_once(text: str, pairs: tuple[str, ...]) -> None:
    assert read_pairs(text) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("JPYUSD", r"^JPYUSD .*; .*\bUSDJPY$"),
        ("EURBGN", r"^'EURBGN' .*\bAUD, .*; .*\bGBPUSD\b"),
        ("eurusd", "'eurusd' is not"),
        ("EUREUR", "'EUREUR' is not"),
        ("TRY", "'TRY' is not"),  # none of its pairs is meant by a word
        (",", r"\bno pair; .*\bEURUSD,GBPUSD\b"),
    ],
)
def test_what_is_no_pair_is_named_with_the_cure(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pairs(text)
