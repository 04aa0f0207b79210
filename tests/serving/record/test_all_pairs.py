"""The records of all pairs together: one pair is itself, twins are one pair, strangers are more evidence."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn import fields
from lambda_fn.record import all_pairs, scoring, track_record
from lambda_fn.record.all_pairs import PooledScores
from lambda_fn.record.scoring import Score
from lambda_fn.record.statistics import summarise
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Unavailable
from tests.support import foreign
from tests.support.records import official

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)


def rows(seed: int, days: int = 120, horizons: Sequence[int] = (1, 5), scale: float = 1.0) -> list[Score]:
    """Made up: losses of about `scale` percent, intervals that hold about as often as they say."""
    source = random.Random(seed)
    found = []
    for i in range(days):
        day = date(2025, 1, 1) + timedelta(days=i)
        for horizon in horizons:
            pit, loss = source.random(), scale * (0.5 + source.random())
            found.append(
                Score(
                    as_of=day,
                    target_date=day + timedelta(days=horizon),
                    horizon=horizon,
                    made_at="2025-01-01T16:00:00Z",
                    generation=1,
                    family="f",
                    sha256="0" * 64,
                    kind="live",
                    close=1.1,
                    outcome=1.1,
                    pinball=loss,
                    benchmarks=(loss * (0.9 + 0.3 * source.random()), scale, None),
                    pit=pit,
                    inside=(abs(pit - 0.5) < 0.25, abs(pit - 0.5) < 0.4, abs(pit - 0.5) < 0.475),
                    note="",
                )
            )
    return found


def pool(*pairs: Sequence[Score]) -> all_pairs.Json:
    made = PooledScores()
    for each in pairs:
        made.add(each)
    found = made.summary()
    assert found is not None
    return found


@given(st.integers(0, 1000), st.integers(1, 150))
def test_one_pair_alone_is_its_own_record(seed: int, days: int) -> None:
    own, together = summarise(rows(seed, days)), pool(rows(seed, days))
    assert together["pairs"] == 1
    assert [together[name] for name in ("days", "from", "through")] == [
        own[name] for name in ("days", "from", "through")
    ]
    for mine, ours in zip(own["horizons"], together["horizons"], strict=True):
        assert ours == {name: value for name, value in mine.items() if name != "pinball"} | {
            "skill": {
                name: {part: pytest.approx(value, abs=2e-6) for part, value in figure.items()}
                for name, figure in mine["skill"].items()
            }
        }


@given(st.integers(0, 1000))
def test_a_pair_and_its_twin_are_no_more_evidence_than_the_pair(seed: int) -> None:
    alone, twins = pool(rows(seed)), pool(rows(seed), rows(seed))
    for one, two in zip(alone["horizons"], twins["horizons"], strict=True):
        assert two["n"] == 2 * one["n"]
        assert (two["coverage"], two["skill"]) == (one["coverage"], one["skill"])


def test_strangers_are_more_evidence() -> None:
    alone, many = pool(rows(0)), pool(*(rows(seed) for seed in range(16)))
    for name, of in (("80", "coverage"), ("constant", "skill")):
        narrow, wide = (each["horizons"][0][of][name] for each in (many, alone))
        assert (narrow["high"] - narrow["low"]) < 0.5 * (wide["high"] - wide["low"])
        assert narrow["low"] < narrow["value"] < narrow["high"]
    assert many["horizons"][0]["n"] == 16 * 120


@given(st.floats(0.01, 100), st.integers(0, 100))
def test_a_volatile_pair_counts_no_more_than_a_calm_one(scale: float, seed: int) -> None:
    plain = pool(rows(seed), rows(seed + 1))["horizons"][0]["skill"]
    scaled = pool(rows(seed), rows(seed + 1, scale=scale))["horizons"][0]["skill"]
    for name, figure in plain.items():
        assert scaled[name]["value"] == pytest.approx(figure["value"], abs=2e-6)


@given(st.permutations(range(4)))
def test_the_order_of_the_pairs_does_not_matter(order: Sequence[int]) -> None:
    def rounded(found: all_pairs.Json) -> list[float]:
        figures = [each["coverage"]["80"]["value"] for each in found["horizons"]]
        return [round(value, 5) for value in [*figures, *(f["skill"]["constant"]["value"] for f in found["horizons"])]]

    in_order, mixed = (pool(*(rows(seed, 40) for seed in seeds)) for seeds in (range(4), order))
    assert all(math.isclose(a, b, abs_tol=2e-5) for a, b in zip(rounded(in_order), rounded(mixed), strict=True))


def test_days_that_not_every_pair_has_count(tmp_path: Path) -> None:
    found = pool(rows(0, 100, (1,)), rows(1, 10, (1,)))
    assert (found["days"], found["horizons"][0]["n"]) == (100, 110)
    assert PooledScores().summary() is None


# The file


def stored(folder: Path, pairs: Sequence[str]) -> FolderStore:
    store = FolderStore(folder)
    for i, pair in enumerate(pairs):
        foreign.put(store, keys.forecast_key(pair), official(pair=pair, generation=i + 1).to_json())
        track_record.write_summary(store, pair, rows(i), NOW)
        foreign.put(store, keys.scores_key(pair), scoring.to_csv(rows(i)))
        foreign.put(store, keys.backtest_key(pair), scoring.to_csv(rows(10 + i)))
    return store


def read(store: FolderStore) -> all_pairs.Json:
    return fields.json_object(store.read(keys.PAIRS_KEY).data, "pairs")


def test_the_file_tells_of_each_pair_and_of_all(tmp_path: Path) -> None:
    store = stored(tmp_path, ["EURUSD", "GBPUSD"])
    all_pairs.write(store, ["EURUSD", "GBPUSD", "USDJPY"], NOW)
    found = read(store)
    assert [each["pair"] for each in found["pairs"]] == ["EURUSD", "GBPUSD"], "the third has no forecast yet"
    assert found["pairs"][1]["live"]["days"] == 120
    assert found["pooled"] == {"live": pool(rows(0), rows(1)), "backtest": pool(rows(10), rows(11))}


def test_it_is_written_when_something_is_new_and_backtests_are_read_when_a_champion_is(tmp_path: Path) -> None:
    store = stored(tmp_path, ["EURUSD", "GBPUSD"])
    all_pairs.write(store, ["EURUSD", "GBPUSD"], NOW)
    before = store.read(keys.PAIRS_KEY)
    foreign.put(store, keys.backtest_key("GBPUSD"), scoring.to_csv(rows(20)))
    all_pairs.write(store, ["EURUSD", "GBPUSD"], NOW + timedelta(days=1))
    assert store.read(keys.PAIRS_KEY) == before
    foreign.put(store, keys.forecast_key("GBPUSD"), official(pair="GBPUSD", generation=9).to_json())
    all_pairs.write(store, ["EURUSD", "GBPUSD"], NOW + timedelta(days=1))
    assert read(store)["pooled"]["backtest"] == pool(rows(10), rows(20))


@pytest.mark.parametrize("damage", [b"{", b"", b"\xff", b'{"champions": 3, "pooled": 4}'])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    store = stored(tmp_path, ["EURUSD"])
    all_pairs.write(store, ["EURUSD"], NOW)
    before = store.read(keys.PAIRS_KEY).data
    foreign.put(store, keys.PAIRS_KEY, damage)
    all_pairs.write(store, ["EURUSD"], NOW)
    assert store.read(keys.PAIRS_KEY).data == before


@pytest.mark.parametrize("key", [keys.forecast_key("GBPUSD"), keys.record_key("GBPUSD"), keys.scores_key("GBPUSD")])
def test_a_damaged_record_of_a_pair_costs_no_other(tmp_path: Path, key: str) -> None:
    store = stored(tmp_path, ["EURUSD", "GBPUSD"])
    foreign.put(store, key, b"[]")
    all_pairs.write(store, ["EURUSD", "GBPUSD"], NOW)
    assert read(store)["pooled"]["live"] == pool(rows(0))


class Contested(FolderStore):
    """Somebody else always writes first."""

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        return False


def test_races_without_end_are_given_up(tmp_path: Path) -> None:
    stored(tmp_path, ["EURUSD"])
    with pytest.raises(Unavailable, match=r"serving/pairs.json .* 5 attempts"):
        all_pairs.write(Contested(tmp_path), ["EURUSD"], NOW)
