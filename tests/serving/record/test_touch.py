"""The probability that a daily close touches a price: its method, its bounds, and its place in API and record."""

import math
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.record import scoring, track_record
from lambda_fn.record.official_forecast import Entry, Official
from lambda_fn.record.scoring import TOUCHES, score
from lambda_fn.record.statistics import summarise
from lambda_fn.record.timeliness import assess
from lambda_fn.record.touch import OVERSHOOT, OVERSHOOT_VARIANCE, touch_price, touch_probability
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from lambda_fn.web.probability import parse
from tests.support import foreign, records
from tests.support.local_api import LocalApi, local_api

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
SD, HORIZON, LAST = 0.005, 21, 1.1


def official(freedom: float = 1e6, drift: float = 0.0, horizon: int = HORIZON) -> Official:
    """A random walk with the tails of a t, `drift` a day in standard deviations of a day."""
    z = np.asarray(stats.t.ppf(LEVELS, freedom)) * math.sqrt((freedom - 2) / freedom)
    days = np.arange(1.0, horizon + 1)[:, None]
    quantiles = (LAST * np.exp(SD * (np.sqrt(days) * z[None, :] + drift * days))).tolist()
    plain = records.official(horizon=horizon)
    return plain._replace(levels=LEVELS, quantiles=quantiles, benchmarks={"constant": quantiles})


WALK = official()
AGE = assess(WALK, WALK.made_at)


def test_a_random_walk_touches_as_often_as_simulated() -> None:
    steps = SD * np.random.default_rng(3).standard_normal((200_000, HORIZON))
    paths = LAST * np.exp(steps.cumsum(axis=1))
    for horizon in (5, 10, 21):
        for distance in (0.5, 1.0, 1.5, 2.0, 2.5):
            price = LAST * math.exp(distance * SD * math.sqrt(horizon))
            simulated = float((paths[:, :horizon].max(axis=1) >= price).mean())
            # the difference was 0.011 without the overshoot's variance
            assert touch_probability(WALK, price, horizon) == pytest.approx(simulated, abs=0.004)


def test_the_overshoot_has_these_moments() -> None:
    rng = np.random.default_rng(4)
    walk, overshoots = np.zeros(100_000), []
    while len(walk) > 20_000:
        walk = walk + rng.standard_normal(len(walk))
        overshoots.append(walk[walk >= 10] - 10)
        walk = walk[walk < 10]
    overshoot = np.concatenate(overshoots)
    assert overshoot.mean() == pytest.approx(OVERSHOOT, abs=0.007)
    assert overshoot.var() == pytest.approx(OVERSHOOT_VARIANCE, abs=0.007)


def test_it_is_twice_the_last_days_probability_beyond_the_moved_price() -> None:
    price = LAST * math.exp(-1.3 * SD * math.sqrt(5))
    moved = (1.3 + OVERSHOOT / math.sqrt(5)) * math.sqrt(5 / (5 + OVERSHOOT_VARIANCE))
    assert touch_probability(WALK, price, 5) == pytest.approx(2 * stats.norm.sf(moved), abs=0.002)
    assert touch_probability(WALK, price, 1) == pytest.approx(stats.norm.sf(1.3 * math.sqrt(5)), abs=0.002)


def test_the_last_close_is_touched() -> None:
    assert touch_probability(WALK, LAST, 1) == touch_probability(WALK, LAST, 21) == 1.0


walks = st.builds(official, st.floats(2.5, 50), st.floats(-0.3, 0.3), st.integers(2, HORIZON))


@given(walks, st.floats(0.7, 1.6), st.floats(1, 1.2), st.data())
def test_it_is_monotone_in_price_and_day_and_never_below_a_single_day(
    walk: Official, price: float, factor: float, data: st.DataObject
) -> None:
    horizon = data.draw(st.integers(1, walk.horizon))
    by_day = [touch_probability(walk, price, day) for day in range(1, horizon + 1)]
    assert by_day == sorted(by_day) and 0 < by_day[0] and by_day[-1] <= 1
    farther = price * factor if price > LAST else price / factor
    assert touch_probability(walk, farther, horizon) <= by_day[-1] + 1e-12
    side = "below" if price < LAST else "above"
    for day in range(1, horizon + 1):
        single = parse(walk, {side: f"{price:.6f}", "horizon": str(day)}, AGE).probability
        assert single <= parse(walk, {"touch": f"{price:.6f}", "horizon": str(horizon)}, AGE).probability + 1e-12


@given(walks, st.sampled_from([0.1, 0.25]), st.sampled_from(["below", "above"]))
def test_the_price_of_a_probability_is_touched_with_it(walk: Official, probability: float, side: Any) -> None:
    price = touch_price(walk, probability, walk.horizon, side)
    if price is None:
        assert abs(walk.quantiles[0][5] / LAST - 1) > 0  # with a drift no price of this side may have it
    else:
        assert (price < LAST) == (side == "below")
        assert touch_probability(walk, price, walk.horizon) == pytest.approx(probability, abs=1e-9)


def test_a_forecast_of_one_price_only_touches_what_it_passes() -> None:
    flat = WALK._replace(quantiles=[[1.2] * len(LEVELS)] * HORIZON)
    assert touch_probability(flat, 1.15, 3) == 1.0
    assert touch_probability(flat, 1.25, 3) < 1e-300
    assert touch_price(flat, 0.1, 3, "below") is None


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("touch"))
    found.promote(foreign.champion_bytes(), 1)
    return found


def test_the_answer_says_what_counts(api: LocalApi) -> None:
    last = float(foreign.closes()[-1])
    price = f"{0.999 * last:.6f}"
    answer = api.get("/api/probability", touch=price, date="2026-11-04").json
    assert (answer["touch"], answer["side"], answer["horizon"], answer["bound"]) == (float(price), "below", 3, None)
    assert "below" not in answer and "above" not in answer
    assert re.search(rf"daily close of EUR/USD by 2026-11-04 .* below {float(price):g}\b", answer["sentence"])
    assert "within the day" in answer["sentence"]
    single = api.get("/api/probability", below=price, date="2026-11-04").json
    assert single["probability"] < answer["probability"] < 1


def test_the_last_close_and_a_far_price(api: LocalApi) -> None:
    last = api.get("/api/predict").json["last_close"]
    certain = api.get("/api/probability", touch=f"{last:.6f}").json
    assert (certain["probability"], certain["bound"]) == (1.0, None)
    far = api.get("/api/probability", touch="2", h="3").json
    assert (far["probability"], far["bound"], far["side"]) == (0.001, "at_most", "above")


@pytest.mark.parametrize("other", ["below", "above", "probability"])
def test_it_excludes_the_other_questions(api: LocalApi, other: str) -> None:
    answer = api.get("/api/probability", touch="1.1", **{other: "0.5"})
    assert (answer.status, answer.error["field"]) == (400, "touch")


def entry(horizon: int = HORIZON) -> Entry:
    return Entry.of(official(horizon=horizon))


def closes(known: Entry, returns: dict[int, float], days: int = HORIZON) -> dict[date, float]:
    """The last close on every day but those in `returns`, log returns since then by horizon."""
    path = {day: LAST * math.exp(returns.get(horizon, 0.0)) for horizon, day in enumerate(known.days[:days], 1)}
    return {known.as_of: LAST, **path}


def test_a_forecast_is_scored_by_the_prices_that_were_touched() -> None:
    known = entry()
    week, month = (touch_price(known, p, h, "below") for p, h in ((0.1, 5), (0.25, 21)))
    assert week is not None and month is not None
    rows = {row.horizon: row for row in score(known, closes(known, {3: math.log(week / LAST) - 1e-9}))}
    assert dict(zip(TOUCHES, rows[5].touched, strict=True)) == {
        **{"below_10": True, "above_10": False, "below_25": True, "above_25": False},
    }
    assert rows[1].touched == (None,) * 4
    later = {row.horizon: row for row in score(known, closes(known, {20: math.log(month / LAST) - 1e-9}))}
    assert later[5].touched == (False,) * 4
    assert later[21].touched == (False, False, True, False)


def test_a_span_is_scored_when_it_is_over() -> None:
    known = entry()
    assert [row.horizon for row in score(known, closes(known, {1: 0.3}, days=4))] == [1, 2, 3, 4]
    assert all(row.touched == (None,) * 4 for row in score(known, closes(known, {1: 0.3}, days=4)))


def test_the_columns_are_read_back_and_an_older_file_is_read_without_them() -> None:
    known = entry()
    rows = list(score(known, closes(known, {2: 0.02})))
    data = scoring.to_csv(rows)
    assert scoring.from_csv(data) == rows and scoring.has_touches(data)
    older = "\n".join(line.rsplit(",", 4)[0] for line in data.decode().splitlines()) + "\n"
    assert not scoring.has_touches(older.encode())
    assert scoring.from_csv(older.encode()) == [row._replace(touched=(None,) * 4) for row in rows]


def test_the_summary_has_the_share_that_was_touched() -> None:
    known = entry()
    [row] = [row for row in score(known, closes(known, {2: 0.1})) if row.horizon == 5]
    rows = [row._replace(touched=(i % 10 == 0, False, None, True)) for i in range(40)]
    [found] = summarise(rows)["horizons"]
    assert set(found["touched"]) == {"below_10", "above_10", "above_25"}
    assert found["touched"]["below_10"]["value"] == pytest.approx(0.1)
    assert found["touched"]["above_25"]["value"] == 1.0
    assert "touched" not in summarise([row._replace(horizon=1, touched=(None,) * 4)])["horizons"][0]


def test_scores_of_an_earlier_version_are_computed_again(tmp_path: Path) -> None:
    store, known = open_store(Settings.from_env({"STORE_DIR": str(tmp_path)})), entry()
    prices = closes(known, {2: 0.1})
    table = "date,close\n" + "".join(f"{day},{price!r}\n" for day, price in prices.items())
    store.create(keys.price_key("EURUSD", "ecb"), table.encode())
    store.create(keys.ledger_key("EURUSD", known.as_of), known.to_json())
    now = datetime(2027, 3, 1, tzinfo=UTC)
    track_record.update(store, "EURUSD", now)
    data = store.read(keys.scores_key("EURUSD")).data
    older = b"\n".join(line.rsplit(b",", 4)[0] for line in data.splitlines()) + b"\n"
    store.update(keys.scores_key("EURUSD"), lambda _: (older, None))
    track_record.update(store, "EURUSD", now)
    assert store.read(keys.scores_key("EURUSD")).data == data
