"""GET /api/probability: how likely a price is, and which price has a probability."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.record.interpolation import price_at, probability_below
from lambda_fn.web.probability import format_probability
from tests.support import foreign
from tests.support.local_api import LocalApi, local_api

PATH = "/api/probability"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("likelihood"))
    found.promote(foreign.champion_bytes(), 1)
    return found


def quantiles(horizon: int) -> list[float]:
    last = float(foreign.closes()[-1])
    return [last * (1 + 0.005 * horizon**0.5 * (level - 0.5)) for level in foreign.LEVELS]


@given(st.integers(1, foreign.HORIZON), st.floats(1.08, 1.12))
def test_it_is_read_between_the_levels(api: LocalApi, horizon: int, price: float) -> None:
    text = f"{price:.6f}"
    expected = probability_below(foreign.LEVELS, quantiles(horizon), float(text))
    below = api.get(PATH, below=text, horizon=str(horizon)).json
    above = api.get(PATH, above=text, h=str(horizon)).json
    assert below["probability"] == pytest.approx(expected, abs=1e-6)
    assert below["probability"] + above["probability"] == pytest.approx(1, abs=2e-6)
    assert (below["below"], above["above"]) == (float(text), float(text))


@given(st.floats(0.001, 0.999))
def test_the_price_of_a_probability_has_it(api: LocalApi, probability: float) -> None:
    text = f"{probability:.6f}"
    found = api.get(PATH, probability=text, horizon="2").json
    assert found["below"] == pytest.approx(price_at(foreign.LEVELS, quantiles(2), float(text)), abs=1e-6)
    assert (found["probability"], found["bound"]) == (float(text), None)


def test_a_day_is_named_by_its_date_or_by_its_horizon(api: LocalApi) -> None:
    by_date = api.get(PATH, below="1.1", date="2026-11-03").json
    assert by_date == api.get(PATH, below="1.1", horizon="2").json
    assert (by_date["horizon"], by_date["date"], by_date["as_of"]) == (2, "2026-11-03", "2026-10-30")
    assert api.get(PATH, below="1.1").json["horizon"] == 1


def test_far_away_only_less_than_a_thousandth_is_said(api: LocalApi) -> None:
    low, high = (api.get(PATH, below=price).json for price in ("0.5", "2"))
    assert (low["probability"], low["bound"]) == (0.001, "at_most")
    assert (high["probability"], high["bound"]) == (0.999, "at_least")
    assert re.fullmatch(r"EUR/USD .*\bbelow 0\.5 .*\b2026-11-02 .*\bless than 0\.1 %", low["sentence"])
    assert high["sentence"].endswith("more than 99.9 %")
    assert format_probability(0.25, None) == "25.0 %"


@pytest.mark.parametrize(
    ("query", "field", "cure"),
    [
        ({}, "below", "give one of below, above, probability, touch"),
        ({"below": "1.1", "above": "1.2"}, "above", "give one of"),
        ({"below": "x"}, "below", r"\bprice from 0\.001 to 10,000,000\b"),
        ({"below": "1,1"}, "below", r"\bprice from 0\.001 to 10,000,000\b"),
        ({"above": "0"}, "above", r"\bprice from 0\.001 to 10,000,000\b"),
        ({"above": "1e3"}, "above", r"\bprice from 0\.001 to 10,000,000\b"),
        ({"below": "99999999"}, "below", r"\bprice from 0\.001 to 10,000,000\b"),
        ({"probability": "0"}, "probability", "from 0.001 to 0.999"),
        ({"probability": "5%"}, "probability", "from 0.001 to 0.999"),
        ({"below": "1.1", "horizon": "4"}, "horizon", r"\b1 to 3; .*\b1$"),
        ({"below": "1.1", "h": "x"}, "h", "1 to 3"),
        ({"below": "1.1", "h": "1", "horizon": "1"}, "h", "one of them"),
        ({"below": "1.1", "date": "2026-10-31"}, "date", "from 2026-11-02 to 2026-11-04"),
        ({"below": "1.1", "date": "2026-11-02", "h": "1"}, "date", "one of them"),
        ({"below": "1.1", "level": "80"}, "level", "names are below, above"),
    ],
)
def test_a_bad_question_is_refused_with_a_cure(api: LocalApi, query: dict[str, str], field: str, cure: str) -> None:
    answer = api.get(PATH, **query)
    assert (answer.status, answer.error["field"]) == (400, field)
    assert re.search(cure, answer.error["cure"])


def test_without_a_forecast_it_is_503(tmp_path: Path) -> None:
    assert local_api(tmp_path).get(PATH, below="1.1").status == 503
