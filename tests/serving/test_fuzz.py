"""Damaged bytes are refused by the error that their reader names, or mean what they say; nothing else ever happens.

The short form of `make fuzz`: FUZZ of the environment is the number of examples of each law.
"""

import json
import os
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from lambda_fn.champion.onnx_validator import check_allowed, describe
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError
from lambda_fn.prices.price_file import parse, serialise
from lambda_fn.record.official_forecast import Entry, Official
from lambda_fn.store import keys
from tests.support import foreign
from tests.support.damage import damaged
from tests.support.ecb_server import DAYS, history
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api

GOOD = foreign.champion_bytes()
PRICES = foreign.price_file()
CLOSES = foreign.closes(foreign.WINDOW).tolist()
BODIES = [
    json.dumps(body).encode()
    for body in ({"close": CLOSES}, {"series": [{"close": CLOSES, "as_of": "2026-10-30"}, {"close": CLOSES}]})
]
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ", "60")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase != Phase.explain],
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("api"))
    found.promote(GOOD, 1)
    return found


def records(api: LocalApi) -> dict[str, tuple[Callable[[bytes], object], bytes]]:
    """What the store has, with its reader."""
    [entry] = api.store.list("record/EURUSD")
    return {
        "pointer": (Pointer.parse, api.store.read("models/best_model_info.json").data),
        "active": (Active.parse, api.store.read(keys.ACTIVE_KEY).data),
        "official": (partial(Official.parse, pair="EURUSD"), api.store.read(keys.forecast_key("EURUSD")).data),
        "ledger": (partial(Entry.parse, pair="EURUSD", as_of=foreign.AS_OF), api.store.read(entry).data),
    }


@fuzz
@given(data=st.data())
@pytest.mark.parametrize("kind", ["pointer", "active", "official", "ledger"])
def test_a_damaged_record_is_refused_or_is_what_it_was(kind: str, api: LocalApi, data: st.DataObject) -> None:
    """A record with a sum is the one that was written, in every field; a pointer, which has none, can be written."""
    parse_record, good = records(api)[kind]
    found = data.draw(damaged(good))
    try:
        record = parse_record(found)
    except ContractError as error:
        assert str(error)
        return
    if kind != "pointer" and b'"crc32": "' in found[-30:]:
        assert record == parse_record(good)
    if isinstance(record, Pointer):
        assert Pointer.parse(record.to_json()) == record


@fuzz
@given(damaged(GOOD))
def test_a_damaged_champion_is_refused_or_is_one(data: bytes) -> None:
    try:
        check_allowed(data)
        described = describe(data)
        Champion.load(data)
    except ContractError as error:
        assert str(error)
    else:
        assert described.props


@fuzz
@given(damaged(PRICES))
def test_a_damaged_price_table_is_refused_or_is_one(data: bytes) -> None:
    try:
        table = parse(data)
    except ContractError as error:
        assert str(error)
    else:
        again = parse(serialise(table.dates, {name: prices.tolist() for name, prices in table.columns.items()}))
        assert again.dates == table.dates


@fuzz
@given(damaged(history(len(DAYS))))
@example(b"K" + history(len(DAYS))[2:])  # its directory begins before the file: once a ValueError of zipfile's
def test_a_damaged_file_of_the_ecb_is_refused_or_is_one(data: bytes) -> None:
    try:
        rates = ecb.read(data, "hist.zip")
    except (EcbError, ContractError) as error:
        assert str(error)
    else:
        assert rates


@fuzz
@given(st.sampled_from(BODIES).flatmap(damaged))
def test_a_damaged_body_is_answered_or_refused_with_field_and_cure(api: LocalApi, body: bytes) -> None:
    answer = api.call(event("POST", "/api/predict", raw=body))
    assert answer.status in (200, 400)
    if answer.status == 400:
        assert answer.json["cure"]
        assert answer.json["field"]
