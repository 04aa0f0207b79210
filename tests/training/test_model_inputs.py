"""The backtest, the trial, a POST and the official forecast give a model the same inputs for the same rows of prices.

The tables have gaps and rows on days without prices. They start in 1999 or later, as the ECB's rates do.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_fn.champion import trial
from lambda_fn.champion.base import BaseChampion
from lambda_fn.champion.model_inputs import input_arrays
from lambda_fn.champion.runtime import Champion, Forecast, Inputs
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import DATE, TARGET_DATE, Active
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.price_file import CHECKED_ROWS, parse, serialise
from lambda_fn.record import issue
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.web.errors import Problem
from lambda_fn.web.params import parse_query
from lambda_fn.web.price_body import forecast_series, parse_body
from tests.support import foreign
from training.evaluation.walk_forward import forecast_origins
from training.prices.windows import HORIZON, LEVELS
from training.publishing.publish import golden_windows

WIDTH = 0.005 * np.sqrt(np.arange(1, HORIZON + 1))[:, None] * (np.array(LEVELS) - 0.5)
NEXT_DAY = timedelta(days=1)


class Recorder(Champion):
    """A random walk that keeps the inputs of its forecasts."""

    def __init__(self, names: Sequence[str], window: int, source: str) -> None:
        meta = foreign.metadata(window, HORIZON, LEVELS, source)
        BaseChampion.__init__(self, meta, "0" * 64, names)
        self.runs: list[Inputs] = []

    def run(self, inputs: Any) -> Forecast:
        self.runs.append(input_arrays(inputs))  # a POST and the official forecast bring lists
        walk = np.repeat(self.runs[-1]["close"][:, -1:], HORIZON, axis=1)
        return Forecast(walk[:, :, None] * (1 + WIDTH), walk)

    def plausible_forecast(self, inputs: Any) -> Forecast:
        return self.run(inputs)


class Case(NamedTuple):
    names: list[str]
    window: int
    source: str
    dates: list[date]
    columns: dict[str, list[float]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A champion, and a table that ends with its window or later."""
    source, window = draw(st.sampled_from(["ecb", "csv"])), draw(st.integers(2, 40))
    names = ["close", *draw(st.lists(st.sampled_from(["eurjpy", DATE, TARGET_DATE]), unique=True))]
    first = draw(st.dates(date(1999, 1, 4), date(2060, 1, 1)))
    days = [first + NEXT_DAY * i for i in range(3 * window + 20 + draw(st.integers(0, 60)))]
    odd = draw(st.sets(st.integers(0, len(days) - 1), max_size=8))  # a gap, or a row on a day without a price
    dates = [day for i, day in enumerate(days) if is_business_day(day, source) != (i in odd)]
    steps = np.random.default_rng(draw(st.integers(0, 2**32))).normal(0, 0.005, (2, len(dates)))
    close, eurjpy = np.round(np.exp(steps.cumsum(axis=1)), draw(st.integers(4, 17))).tolist()
    return Case(names, window, source, dates[-len(close) :], {"close": close, "eurjpy": eurjpy})


def days_since_1970(days: Sequence[date]) -> list[int]:
    return [(day - date(1970, 1, 1)).days for day in days]


def business_days(day: date, n: int, source: str, step: timedelta) -> list[date]:
    """The first `n` business days from `day` on, forward or back."""
    days: list[date] = []
    while len(days) < n:
        if is_business_day(day, source):
            days.append(day)
        day += step
    return days


def expected(case: Case, row: int) -> dict[str, list[float]]:
    """The inputs at a row, of what the contract says about each."""
    rows = slice(row + 1 - case.window, row + 1)
    dates = {
        DATE: days_since_1970(case.dates[rows]),
        TARGET_DATE: days_since_1970(business_days(case.dates[row] + NEXT_DAY, HORIZON, case.source, NEXT_DAY)),
    }
    return {name: [float(x) for x in dates.get(name, ()) or case.columns[name][rows]] for name in case.names}


def rows_of(inputs: Inputs, batch_row: int) -> dict[str, list[float]]:
    assert all(inputs[name].dtype == (np.int64 if name in (DATE, TARGET_DATE) else np.float64) for name in inputs)
    return {name: values[batch_row].astype(float).tolist() for name, values in inputs.items()}


@pytest.fixture
def store_with_champion(store: Store, settings: Settings) -> Store:
    foreign.publish_to(store)
    refresh(store, settings, datetime(2026, 10, 30, 17, tzinfo=UTC))
    return store


def test_every_way_to_a_forecast_gives_the_same_inputs(
    store_with_champion: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sandbox = store_with_champion, Sandbox()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(case=cases(), data=st.data())
    def law(case: Case, data: st.DataObject) -> None:
        row = data.draw(st.integers(case.window - 1, len(case.dates) - 1), label="row")
        inputs = expected(case, row)
        champion = Recorder(case.names, case.window, case.source)
        dates, columns = case.dates[: row + 1], {name: prices[: row + 1] for name, prices in case.columns.items()}
        file, as_of = serialise(dates, columns), dates[-1]

        # The backtest makes the inputs of many origins at once, in a table that goes on after them.
        frame = pd.DataFrame(case.columns, index=pd.DatetimeIndex(case.dates))
        origins = frame.index[case.window - 1 :]
        forecast_origins(champion, frame, pd.DatetimeIndex(origins))
        assert rows_of(champion.runs[-1], row + 1 - case.window) == inputs

        # The trial, whose result has the inputs of the newest window.
        monkeypatch.setattr(Champion, "load", lambda data: champion)
        golden = trial.run_trial(b"", (), parse(file, champion.columns), lambda: 0.0)
        assert golden.inputs == inputs

        # The official forecast, and the golden forecasts of a publication. It refuses days without prices.
        monkeypatch.setattr(issue, "fetch_champion", lambda *_: champion)
        foreign.put(store, keys.price_key("EURUSD", case.source), file)
        now = datetime.combine(as_of, time(17), UTC)
        assert rows_of(golden_windows(store, champion), 0) == inputs
        active = Active.parse(store.read(keys.active_key()).data)
        if all(is_business_day(day, case.source) for day in dates[-min(CHECKED_ROWS, case.window) :]):
            assert rows_of(input_arrays(issue.prepare(store, active, "EURUSD", now, sandbox).inputs), 0) == inputs
        else:
            with pytest.raises(ContractError):
                issue.prepare(store, active, "EURUSD", now, sandbox)

        # A POST of the rows. It is not told their dates, so they are the last business days up to as_of: those of the
        # table unless that has a gap in the window, or a row on a day without a price.
        body = json.dumps({**columns, "as_of": as_of.isoformat()}).encode()
        question = parse_query({}, HORIZON, LEVELS)
        if not is_business_day(as_of, case.source):
            with pytest.raises(Problem) as refused:
                parse_body(body, champion, question)
            assert (refused.value.status, refused.value.field) == (400, "as_of")
            return
        forecast_series(champion, parse_body(body, champion, question))  # type: ignore[arg-type]
        if DATE in inputs:
            days = business_days(as_of, case.window, case.source, -NEXT_DAY)[::-1]
            is_regular = all(is_business_day(day, case.source) for day in dates[-case.window :]) and not any(
                is_business_day(dates[-case.window] + NEXT_DAY * i, case.source)
                for i in range((as_of - dates[-case.window]).days)
                if dates[-case.window] + NEXT_DAY * i not in dates
            )
            assert (days == dates[-case.window :]) == is_regular
            inputs[DATE] = list(map(float, days_since_1970(days)))
        assert rows_of(champion.runs[-1], 0) == inputs

    law()


def test_synthetic_prices_are_on_business_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dates of a trial's synthetic prices are those of a table without gaps."""
    champion = Recorder(["close", DATE, TARGET_DATE], foreign.WINDOW, "ecb")
    monkeypatch.setattr(Champion, "load", lambda data: champion)
    trial.run_trial(b"", (), parse(foreign.price_file()), lambda: 0.0)
    batches = [inputs for inputs in champion.runs if len(inputs["close"]) > 1]
    assert len(batches) > 10
    for inputs in batches:
        for days, targets in zip(inputs[DATE], inputs[TARGET_DATE], strict=True):
            first = date(1970, 1, 1) + timedelta(days=int(days[0]))
            whole = business_days(first, foreign.WINDOW + HORIZON, "ecb", NEXT_DAY)
            assert [*days, *targets] == days_since_1970(whole)
