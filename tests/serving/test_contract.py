"""The contract: golden files, laws of round trips, and errors that name the field and the cure."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_fn import contract
from lambda_fn.contract import FIRST_DAY, LAST_DAY, Active, ChampionFile, Golden, Metadata, Pointer
from lambda_fn.fields import MAX_DEPTH, ContractError
from lambda_fn.store import keys, schema
from tests.support import foreign

GOLDEN = Path(__file__).parents[1].joinpath("support/best_model_info.json").read_bytes()
OLD = Path(__file__).parents[1].joinpath("support/best_model_info_old.json").read_bytes()
SHA = "a" * 64

texts = st.text(min_size=1, max_size=12)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
pairs = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=6, max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(numbers, min_size=1, max_size=4)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 st adds zone
scalars = st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2), max_leaves=3
)
extras = st.dictionaries(texts.map("x_{}".format), values, max_size=3)
DAYS = dict.fromkeys(["date", "target_date"], st.lists(st.integers(-700_000, 2_900_000), min_size=1, max_size=4))
goldens = st.builds(
    Golden,
    inputs=st.builds(
        lambda prices, days: prices | days,
        st.dictionaries(texts.filter(lambda name: name not in DAYS), rows, min_size=1, max_size=3),
        st.fixed_dictionaries({}, optional=DAYS),
    ),
    quantiles=st.lists(st.tuples(numbers, numbers).map(list), min_size=3, max_size=3),
    mean=st.lists(numbers, min_size=3, max_size=3),
)
names = st.from_regex(schema.NAME_PATTERN, fullmatch=True)
old_fields: dict[str, st.SearchStrategy[Any]] = {
    "model_type": names,
    "model_name": names,
    "model_version": names,
    "model_uri": texts,
    "run_id": st.none() | names,
    "model_alias": st.none() | names,
    "metrics": st.dictionaries(texts, numbers, max_size=3),
    "baseline_metrics": st.dictionaries(texts, numbers, max_size=3),
    "extra": extras,
}
key_texts = st.from_regex("[a-z0-9_-]{1,8}(/[a-z0-9_.-]{3,8}x){0,3}", fullmatch=True)
champions = st.builds(ChampionFile, key=key_texts, sha256=sha256s, size=st.integers(1, contract.MAX_MODEL_BYTES))
new_fields = old_fields | {
    "contract_version": st.just("1"),
    "generation": st.none() | st.integers(1, 99_999_999),
    "pair": pairs,
    "champion": champions,
    "trained_through": st.dates(),
    "created_at": moments,
    "scores": st.lists(st.dictionaries(texts, st.floats(-1e9, 1e9) | names, min_size=1), max_size=3).map(tuple),
    "golden": st.lists(goldens, min_size=1, max_size=2).map(tuple),
}
old_pointers = st.builds(Pointer, **old_fields)
new_pointers = st.builds(Pointer, **new_fields)


def changed(data: bytes, path: str, value: Any) -> bytes:
    """The file with the field at the dotted path set to `value`, or removed when that is ..."""
    found = json.loads(data)
    *above, last = path.split(".")
    parent = found
    for name in above:
        parent = parent[int(name) if name.isdigit() else name]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    return json.dumps(found).encode()


def test_the_golden_file_is_read_whole_and_written_back_byte_by_byte() -> None:
    pointer = Pointer.parse(GOLDEN)
    assert pointer.generation == 7
    assert pointer.champion is not None
    assert pointer.champion.size == 1482
    assert pointer.trained_through == date(2026, 10, 30)
    assert pointer.created_at == datetime(2026, 10, 30, 16, 5, tzinfo=UTC)
    assert list(pointer.golden[0].inputs) == ["close", "eurjpy", "date", "target_date"]
    assert pointer.extra == {"note": "an unknown key is kept"}
    assert pointer.to_json() == GOLDEN


def test_the_old_form_parses() -> None:
    pointer = Pointer.parse(OLD)
    assert pointer.model_uri == "models:/EURUSD_LSTM@champion"
    assert pointer.model_version == "3"
    assert pointer.baseline_metrics == {"rmse": 0.00521, "directional_accuracy": 0.503}
    assert pointer.champion is None
    assert pointer.generation is None


# A pointer has twenty parts.
made_slowly = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@made_slowly
@given(old_pointers | new_pointers)
def test_a_pointer_round_trips(pointer: Pointer) -> None:
    data = pointer.to_json()
    assert Pointer.parse(data) == pointer
    assert Pointer.parse(data).to_json() == data


@made_slowly
@given(new_pointers.filter(lambda pointer: pointer.generation is not None), moments, key_texts)
def test_the_active_file_round_trips(pointer: Pointer, moment: datetime, key: str) -> None:
    assert pointer.champion is not None
    assert pointer.generation is not None
    active = Active(pointer, pointer.champion, pointer.generation, moment, key)
    assert Active.parse(active.to_json()) == active
    assert Active.parse(active.to_json()).pointer.to_json() == pointer.to_json()


def places(found: Any) -> list[tuple[Any, Any]]:
    """Every field and entry, as what holds it and its name or number."""
    names = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else []
    return [(found, name) for name in names] + [place for name in names for place in places(found[name])]


NO_TEXTS: list[Any] = [None, [], {}, True, -0.0, 1e300, 10**300, 2**63]
HOSTILE = st.sampled_from([*NO_TEXTS, "", "\ud800", "\x00", "a\x7f", "a" * 300, "..", "a/../b", "2026-10-30"])
OF_OTHERS = st.sampled_from(["activated_at", "serving_key", "extra"])


@settings(made_slowly, max_examples=300)
@given(st.data())
def test_what_is_parsed_can_be_written_and_is_read_back_as_the_same(data: st.DataObject) -> None:
    """Whatever somebody else wrote: what refresh takes in, it can write, and serving can read."""
    found = json.loads(GOLDEN)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, name = data.draw(st.sampled_from(places(found)))
        holder[name] = data.draw(HOSTILE | values)
    if data.draw(st.booleans()):
        found[data.draw(texts | st.sampled_from(["activated_at", "serving_key", "extra"]))] = data.draw(
            HOSTILE | values
        )
    for kind in (Pointer.parse, Active.parse):
        try:
            record = kind(json.dumps(found | {"unknown": data.draw(values)}).encode())
        except ContractError:
            continue
        assert kind(record.to_json()) == record


@given(st.integers(1, 40), st.sampled_from([list, dict]))
def test_depth_is_bounded_when_it_is_read_and_when_it_is_written(depth: int, kind: type) -> None:
    value: Any = kind()
    for _ in range(depth - 1):
        value = [value] if kind is list else {"a": value}
    data = changed(GOLDEN, "unknown", value)
    if depth < MAX_DEPTH:
        assert Pointer.parse(data).extra["unknown"] == value
    else:
        with pytest.raises(ContractError, match="pointer: nested deeper than 20"):
            Pointer.parse(data)
        with pytest.raises(ContractError, match="pointer: nested deeper than 20"):
            replace(Pointer.parse(GOLDEN), extra={"unknown": value}).to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": {"model_type": "another"}},
        {"extra": {"activated_at": "2026-10-30T16:05:00Z"}},
        {"extra": {"unknown": (1, 2)}},
        {"generation": 0},
        {"model_name": "x" * 101},
        {"metrics": {"rmse": True}},
        {"extra": {"unknown": object()}},
    ],
)
def test_what_would_be_read_back_as_another_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        replace(Pointer.parse(GOLDEN), **changes).to_json()


@given(
    window=st.integers(2, 10_000),
    horizon=st.integers(1, 60),
    more=st.sets(st.floats(0, 1, exclude_min=True, exclude_max=True), max_size=9),
    features=st.lists(names, max_size=5),
)
def test_metadata_round_trips(window: int, horizon: int, more: set[float], features: list[str]) -> None:
    levels = tuple(sorted(more | {0.025, 0.5, 0.975}))
    metadata = foreign.metadata(window=window, horizon=horizon, levels=levels, features=tuple(features))
    props = metadata.to_props()
    assert all(isinstance(value, str) for value in props.values())
    assert Metadata.parse(props | {"ndonnx_schema": "ignored"}) == metadata


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model_uri", ..., "pointer.model_uri: missing"),
        ("model_name", 7, "pointer.model_name: is '7'; .* string\\b"),
        ("contract_version", "2", r"pointer.contract_version: .*\b1, not 2; "),
        ("contract_version", ..., "pointer.contract_version: missing"),
        ("generation", 0, "pointer.generation: is '0'; .* whole number from 1 "),
        ("generation", "7", "pointer.generation: .* a whole number"),
        ("generation", True, "pointer.generation: .* a whole number"),
        ("pair", "EUR/USD", "pointer.pair: is 'EUR/USD'; .*EURUSD$"),
        ("champion.sha256", "A" * 64, "pointer.champion.sha256: is 'A+'; .* 64 hexadecimal digits"),
        ("champion.sha256", ..., "pointer.champion.sha256: missing"),
        ("champion.key", "../secret.onnx", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/./x.onnx", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/..", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "/etc/passwd", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models//x.onnx", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/" + "x" * 194, "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/x\n", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/x\x00y", "pointer.champion.key: .*; .* key such as"),
        ("champion.key", "models/x/", "pointer.champion.key: .*; .* key such as"),
        ("model_name", "=HYPERLINK(1)", "pointer.model_name: .* 100 characters, .*letter or digit"),
        ("model_name", "a\nb", "pointer.model_name: .* up to 100 characters"),
        ("model_type", "a\x1b[2Jb", "pointer.model_type: .* up to 100 characters"),
        ("run_id", "<script>", "pointer.run_id: .* 100 characters, .*letter or digit"),
        ("reason", "two\nlines", "pointer.reason: .*; .*one line"),
        ("reason", "x" * 2_001, "pointer.reason: .*; .* 2000 characters"),
        ("generation", 100_000_000, "pointer.generation: .* a whole number"),
        ("model_name", "x" * 101, "pointer.model_name: .* up to 100 characters"),
        ("model_version", 10**100, "pointer.model_version: .* up to 100 characters"),
        ("unknown", "x" * 2**20, "pointer: 1,0[0-9,]+ bytes, at most 1,048,576 are allowed"),
        ("unknown", "\ud800", "pointer: cannot be written: .*surrogates not allowed"),
        ("golden.0.inputs.date", [1e300], r"pointer.golden\[0\].inputs.date: has '1e\+300'; .*days from"),
        ("golden.0.inputs.date", [20_000.5], r"pointer.golden\[0\].inputs.date: has '20000.5'; .*days from"),
        ("golden.0.inputs.date", [2_932_897], r"pointer.golden\[0\].inputs.date: has '2932897'; .* 2932896$"),
        ("golden.0.inputs.date", [True], r"pointer.golden\[0\].inputs.date: has 'True'; .*days from"),
        (
            "golden.0.inputs.target_date",
            [2**63],
            r"pointer.golden\[0\].inputs.target_date: has '9223372036854775808'; ",
        ),
        ("champion.size", 2**26, "pointer.champion.size: .* from 1 to 33554432"),
        ("champion", {}, "pointer.champion.key: missing"),
        ("champion", "somewhere", "pointer.champion: is 'somewhere'; .* object"),
        ("trained_through", "30.10.2026", "pointer.trained_through: is '30.10.2026'; .* 2026-10-30$"),
        ("created_at", "2026-10-30T16:05:00", "pointer.created_at: is '2026-10-30T16:05:00'; .* UTC"),
        ("created_at", "2026-10-30T16:05:00+02:00", r"pointer.created_at: is '.*\+02:00'; .* UTC"),
        ("golden", ..., "pointer.golden: missing"),
        ("golden", [], r"pointer.golden: is \'\[\]\'; .* list"),
        ("golden.0.mean", [1.0], r"pointer.golden\[0\].mean: 1 values for 2 rows"),
        ("golden.0.quantiles", [[1.0], [1.0, 2.0]], r"pointer.golden\[0\].quantiles: is .*; .*equal length"),
        ("golden.0.inputs.close", [1.1, "1.2"], r"pointer.golden\[0\].inputs.close: has '1.2'; .* finite number"),
        ("metrics.rmse", None, "pointer.metrics.rmse: is 'None'; .*finite number"),
        ("metrics", [1], r"pointer.metrics: is \'\[1\]\'; .* object"),
        ("scores", [1], r"pointer.scores\[0\]: is '1'; .*an object"),
        ("scores", [{"family": "=1+1"}], r"pointer.scores\[0\].family: is .*; .*letter or digit"),
        ("scores", [{"pinball": 1e308}], r"pointer.scores\[0\].pinball: .* a number from"),
        ("benchmarks", {"constant": {}}, "pointer.benchmarks: has 'constant'; .*garch"),
    ],
)
def test_a_wrong_field_is_named_with_the_cure(path: str, value: Any, message: str) -> None:
    with pytest.raises(ContractError, match=f"^{message}"):
        Pointer.parse(changed(GOLDEN, path, value))


def test_a_pointer_that_would_grow_beyond_what_lambda_answers_is_refused() -> None:
    """A byte of this character takes seven in an answer."""
    found = {**json.loads(GOLDEN), "unknown": "\x7f" * 700_000}
    data = json.dumps(found, ensure_ascii=False).encode()
    assert len(data) < contract.MAX_POINTER_BYTES
    with pytest.raises(ContractError, match=r"^pointer: .* 4,194,304 bytes\b.*; "):
        Pointer.parse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "pointer: not UTF-8 JSON"),
        (b"\xff{}", "pointer: not UTF-8 JSON"),
        (b"[]", "pointer: .*JSON object.* list; "),
        (b'{"metrics": {"rmse": NaN}}', "pointer: NaN is .*; .*finite numbers"),
        (b'{"metrics": {"rmse": -Infinity}}', "pointer: -Infinity is .*; .*finite numbers"),
        (OLD.replace(b"0.00512", b"1e999"), "pointer: .*1e999; .*finite numbers"),
        (OLD.replace(b"0.00512", b"9" * 400), "pointer.metrics.rmse: is '9+'; .*finite number"),
        (OLD.replace(b"0.00512", b"9" * 5000), "pointer: not UTF-8 JSON"),
        (b"[" * 100_000, "pointer: not UTF-8 JSON"),
    ],
)
def test_what_is_no_json_object_is_said(data: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=f"^{message}"):
        Pointer.parse(data)


def test_nan_is_never_written() -> None:
    with pytest.raises(ContractError, match=r"\bnan; .*finite numbers"):
        foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 1, metrics={"rmse": float("nan")}).to_json()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("contract_version", "2", r"metadata.contract_version: .*\b1, not 2; "),
        ("window", None, "metadata.window: missing"),
        ("window", "many", "metadata.window: not UTF-8 JSON"),
        ("window", "1", "metadata.window: is '1'; .*whole number from 2 to 10000"),
        ("horizon", "2.5", "metadata.horizon: is '2.5'; .*whole number from 1 to 60"),
        ("levels", "[0.025, 0.5]", "metadata.levels: .* with 0.025, 0.5, 0.975 among them"),
        ("levels", "[0.025, 0.975, 0.5]", "metadata.levels: .* ascending"),
        ("levels", "[0.0, 0.025, 0.5, 0.975]", r"metadata.levels: .* within \(0, 1\)"),
        ("levels", "[0.025, NaN, 0.5, 0.975]", "metadata.levels: NaN is not JSON"),
        ("features", '"one"', "metadata.features: is 'one'; .*a list"),
        ("prices", "../secret", "metadata.prices: .* lower-case letters"),
        ("prices_sha256", "abc", "metadata.prices_sha256: .* a sha256"),
        ("trained_through", "yesterday", "metadata.trained_through: .* an ISO date"),
        ("family", "", "metadata.family: .* a string"),
        ("family", "x" * 101, "metadata.family: .* up to 100 characters"),
        ("code_version", "x" * 101, "metadata.code_version: .* up to 100 characters"),
        ("prices", "x" * 21, "metadata.prices: .* up to 20 lower-case letters"),
        ("features", json.dumps(["x" * 101]), r"metadata.features\[0\]: .* up to 100 characters"),
        ("features", json.dumps(["x"] * 201), "metadata.features: has 201 entries, at most 200 are allowed"),
        ("levels", json.dumps([i / 103 for i in range(1, 103)]), "metadata.levels: has 102 entries, at most 101"),
        ("window", "10001", "metadata.window: .* from 2 to 10000"),
        ("horizon", "61", "metadata.horizon: .* from 1 to 60"),
    ],
)
def test_a_wrong_property_is_named_with_the_cure(name: str, value: str | None, message: str) -> None:
    props = foreign.metadata().to_props() | ({name: value} if value is not None else {})
    if value is None:
        del props[name]
    with pytest.raises(ContractError, match=f"^{message}"):
        Metadata.parse(props)


def test_an_active_file_needs_what_refresh_adds() -> None:
    for missing in ("activated_at", "serving_key"):
        found = json.loads(GOLDEN) | {"activated_at": "2026-10-30T16:06:00Z", "serving_key": "serving/x"}
        del found[missing]
        with pytest.raises(ContractError, match=f"active.{missing}: missing"):
            Active.parse(json.dumps(found).encode())
    with pytest.raises(ContractError, match=r"^active: .*\bchampion and generation\b.*; "):
        Active.parse(OLD)
    for missing in ("champion", "generation"):
        found = json.loads(GOLDEN) | {"activated_at": "2026-10-30T16:06:00Z", "serving_key": "serving/x"}
        del found[missing]
        with pytest.raises(ContractError, match=r"^active: .*\bchampion and generation\b.*; "):
            Active.parse(json.dumps(found).encode())


def test_moments_are_written_in_utc() -> None:
    pointer = Pointer.parse(GOLDEN)
    assert pointer.champion is not None
    berlin = datetime(2026, 10, 30, 18, 6, tzinfo=timezone(timedelta(hours=2)))
    active = Active(pointer, pointer.champion, 7, berlin, "serving/x")
    assert json.loads(active.to_json())["activated_at"] == "2026-10-30T16:06:00Z"
    with pytest.raises(ValueError, match="no time zone; "):
        Active(pointer, pointer.champion, 7, berlin.replace(tzinfo=None), "serving/x").to_json()


def test_keys() -> None:
    assert keys.history_key(7) == "models/history/00000007.json"
    assert keys.champion_key(SHA) == f"models/champions/{SHA}.onnx"
    assert keys.active_key() == keys.ACTIVE_KEY == "serving/active.json"
    assert keys.serving_key(SHA) == f"serving/champions/{SHA}.onnx"
    assert keys.refused_key(SHA) == f"serving/refused/{SHA}.json"
    assert keys.activated_key(7) == "serving/history/00000007.json"
    assert keys.price_key("EURUSD", "ecb") == "prices/EURUSD-ecb.csv"


def test_another_pair_has_its_own_keys() -> None:
    assert keys.history_key(7, "GBPUSD") == "models/GBPUSD/history/00000007.json"
    assert keys.champion_key(SHA, "GBPUSD") == f"models/GBPUSD/champions/{SHA}.onnx"
    assert keys.active_key("GBPUSD") == "serving/GBPUSD/active.json"
    assert keys.serving_key(SHA, "GBPUSD") == f"serving/GBPUSD/champions/{SHA}.onnx"
    assert keys.refused_key(SHA, "GBPUSD") == f"serving/GBPUSD/refused/{SHA}.json"
    assert keys.activated_key(7, "GBPUSD") == "serving/GBPUSD/history/00000007.json"
    assert keys.price_key("GBPUSD", "csv") == "prices/GBPUSD-csv.csv"


def test_days_are_those_that_python_knows() -> None:
    epoch = date(1970, 1, 1)
    assert (FIRST_DAY, LAST_DAY) == ((date.min - epoch).days, (date.max - epoch).days)
