"""The two reference books: stored before their outcome, scored by the exact change of value, and shown."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.fields import ContractError, summed_bytes
from lambda_fn.prices.price_file import parse, serialise
from lambda_fn.record import reference_books
from lambda_fn.record.book import Correlations
from lambda_fn.record.reference_books import BookEntry, BookScore, euro_values, score_all, summarise
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import books
from tests.support.local_api import LocalApi

AS_OF = date(2026, 10, 30)
NAMES = tuple(sorted(books.RATES))


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    found = books.book_api(tmp_path)
    reference_books.update(found.store, found.settings.pairs, books.NOW)
    return found


def entry_of(store: Store) -> BookEntry:
    return BookEntry.parse(store.read(keys.book_ledger_key(AS_OF)).data, AS_OF)


def add_days(store: Store, changes: dict[str, float], days: int = 1) -> None:
    """Append closes: the last one times 1 + the change of the currency."""
    entry = entry_of(store)
    for name in NAMES:
        key = keys.price_key(f"EUR{name}", "ecb")
        table = parse(store.read(key).data, ["close"])
        dates = [entry.days[0] + timedelta(days=i) for i in range(days)]
        close = [*table.columns["close"].tolist(), *[entry.rates[name] * (1 + changes.get(name, 0.0))] * days]
        data = serialise([*table.dates, *dates], {"close": close})
        store.update(key, lambda _, data=data: (data, None))  # type: ignore[misc]


def test_the_books_are_of_equal_euro_amounts() -> None:
    long, mixed = (euro_values(book, ["USD", "CHF", "SEK", "GBP", "JPY"]) for book in reference_books.BOOKS)
    assert list(long) == list(mixed) == ["CHF", "GBP", "JPY", "SEK", "USD"]
    assert {*long.values()} == {200_000.0}
    assert list(mixed.values()) == [200_000.0] * 3 + [-200_000.0] * 2


def test_the_forecast_is_what_the_api_answers_and_is_never_overwritten(api: LocalApi) -> None:
    entry = entry_of(api.store)
    assert (entry.kind, entry.currencies, entry.days) == (
        "live",
        NAMES,
        (
            date(2026, 11, 2),
            date(2026, 11, 6),
            books.official("USD").days[20],
        ),
    )
    amounts = euro_values("long_short", NAMES)
    position = ",".join(f"{name}:{value * entry.rates[name]:.6f}" for name, value in amounts.items())
    for horizon in ("1", "5", "21"):
        answer = api.get("/api/book", position=position, horizon=horizon).json
        assert entry.losses["long_short"][horizon] == answer["risk"]
    before = api.store.read(keys.book_ledger_key(AS_OF)).data
    reference_books.update(api.store, api.settings.pairs, books.NOW + timedelta(days=9))
    assert api.store.read(keys.book_ledger_key(AS_OF)).data == before
    assert BookEntry.parse(before, AS_OF) == entry
    late = reference_books.make_entry(
        {name: books.official(name) for name in NAMES},
        Correlations.parse(api.store.read(keys.BOOK_KEY).data),
        books.NOW + timedelta(days=3),
    )
    assert late.kind == "late"


def test_it_is_scored_by_the_exact_change_of_value(api: LocalApi) -> None:
    assert score_all(api.store) == []
    add_days(api.store, {"USD": 0.10, "CHF": -0.05})
    long, mixed = score_all(api.store)
    assert (long.book, long.horizon, long.target_date) == ("long", 1, date(2026, 11, 2))
    assert long.profit == pytest.approx(200_000 * (1 / 1.1 - 1) + 200_000 * (1 / 0.95 - 1), abs=0.01)
    assert mixed.profit == pytest.approx(-200_000 * (1 / 1.1 - 1) + 200_000 * (1 / 0.95 - 1), abs=0.01)
    reference_books.update(api.store, api.settings.pairs, books.NOW)
    api.clock.ahead(3600)
    answer = api.get("/api/track-record", kind="book").json
    assert answer["kind"] == "book" and [day["book"] for day in answer["days"]] == ["long", "long_short"]
    assert answer["days"][0]["profit"] == long.profit
    [first] = answer["books"]["long"]
    assert (first["horizon"], first["n"]) == (1, 1)
    assert (first["shortfall"]["95"] is None) == (first["covered"]["95"]["value"] == 1)


def test_a_day_that_a_currency_lacks_is_not_scored(api: LocalApi) -> None:
    add_days(api.store, {})
    key = keys.price_key("EURUSD", "ecb")
    shorter = b"".join(api.store.read(key).data.splitlines(keepends=True)[:-1])
    api.store.update(key, lambda _: (shorter, None))
    assert score_all(api.store) == []


def test_a_damaged_entry_costs_only_its_own_scores(api: LocalApi) -> None:
    add_days(api.store, {})
    other = keys.book_ledger_key(date(2026, 10, 29))
    data = api.store.read(keys.book_ledger_key(AS_OF)).data
    api.store.create(other, data)  # of another day than its key
    api.store.create("record/book/notes.txt", b"")
    assert len(score_all(api.store)) == 2


ODD: dict[str, Callable[[dict[str, Any]], object]] = {
    "rates": lambda entry: entry["rates"].pop("USD"),
    "sources": lambda entry: entry["sources"].update(PLN="ecb"),
    "losses": lambda entry: next(iter(entry["losses"].values())).popitem(),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_member_is_refused(api: LocalApi, name: str) -> None:
    add_days(api.store, {})
    entry = json.loads(api.store.read(keys.book_ledger_key(AS_OF)).data)
    del entry["crc32"], entry["writer"]
    assert BookEntry.parse(summed_bytes(entry), AS_OF)
    ODD[name](entry)
    with pytest.raises(ContractError, match=rf"^book\.{name}"):
        BookEntry.parse(summed_bytes(entry), AS_OF)


def test_the_summary_of_many_days() -> None:
    losses = {name: {"value_at_risk": 100.0, "expected_shortfall": 150.0} for name in ("95", "99")}
    scores = [
        BookScore(AS_OF + timedelta(days=i), AS_OF, 1, "long", "live", -180.0 if i % 20 == 0 else 50.0, losses)
        for i in range(400)
    ]
    late = scores[0]._replace(kind="late", profit=-1e6)
    found = summarise([*scores, late])
    [row] = found["books"]["long"]
    assert row["n"] == 400 and row["covered"]["95"]["value"] == 0.95
    assert row["shortfall"]["95"] == pytest.approx(1.2)
    assert row["pinball"]["95"] == pytest.approx(0.05 * 0.95 * 80 + 0.95 * 0.05 * 150, abs=0.01)
    assert found["books"]["long_short"] == [] and len(found["newest"]) == reference_books.MAX_NEWEST


def test_the_record_is_written_again_where_it_is_damaged(api: LocalApi) -> None:
    data = api.store.read(keys.BOOK_RECORD_KEY).data
    api.store.update(keys.BOOK_RECORD_KEY, lambda _: (b"{", None))
    api.clock.ahead(3600)
    assert api.get("/api/track-record", kind="book").status == 503
    reference_books.update(api.store, api.settings.pairs, books.NOW)
    assert api.store.read(keys.BOOK_RECORD_KEY).data == data
    api.clock.ahead(3600)
    assert api.get("/api/track-record", kind="book").status == 200
    reference_books.update(api.store, api.settings.pairs, books.NOW + timedelta(hours=1))
    assert api.store.read(keys.BOOK_RECORD_KEY).data == data
