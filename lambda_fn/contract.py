"""The contract between training and serving: the pointer, and the metadata of the champion file.

The contract, version 1:
- The pointer is UTF-8 JSON, one object. It MUST hold model_type, model_name, model_version and model_uri; run_id,
  model_alias, metrics and baseline_metrics MAY be absent.
- With a `champion` it MUST hold contract_version, pair, trained_through (ISO date), created_at (UTC, ends in Z) and at
  least one golden forecast; `generation`, a whole number from 1, MUST grow with every promotion and MAY be absent.
- Without a `champion` it has the old form: it is valid, and refresh has to resolve its model_uri.
- champion.key MUST be the key of an ONNX file that never changes, sha256 its digest, size its bytes (at most 32 MiB).
- The file's metadata_props MUST hold contract_version, pair, family, prices, window, horizon, levels, features,
  trained_through, prices_sha256 and code_version, all strings, lists as JSON; others MAY follow.
- levels MUST ascend within (0, 1) and include 0.025, 0.5 and 0.975, which the checks before activation read.
- Limits: a pointer of 1 MiB, nested 20 deep; names, families and features of 100 characters; 101 levels; a window of
  10,000 rows and a horizon of 60 days; keys of 200 characters.
- Inputs MUST include `close` and MAY include other price columns, float64 [batch, window], oldest first; `date` int64
  [batch, window] and `target_date` int64 [batch, horizon], days since 1970-01-01, MAY be declared too.
- Outputs MUST be `quantiles` float64 [batch, horizon, levels], prices, non-decreasing over levels, and `mean` float64
  [batch, horizon], a price. `sd` float64 [batch, horizon] MAY be declared too: the standard deviation of the log return
  since the last close, positive, not decreasing with the horizon, 0.11 to 1 times the log width of the 95 % interval.
- Operators MUST be those of ONNX and ai.onnx.ml, none of them random, and none in champion.onnx_validator.REFUSED.
- NaN and infinity MUST NOT occur. Unknown keys MUST be kept in a pointer and ignored in metadata: a writer MAY add
  them without a new version. A reader MUST reject a version that it does not know.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION as CONTRACT_VERSION
from lambda_fn.fields import MAX_FEATURES as MAX_FEATURES
from lambda_fn.fields import MAX_GENERATION as MAX_GENERATION
from lambda_fn.fields import MAX_HORIZON as MAX_HORIZON
from lambda_fn.fields import MAX_LEVELS as MAX_LEVELS
from lambda_fn.fields import MAX_WINDOW as MAX_WINDOW
from lambda_fn.fields import NEEDED_LEVELS as NEEDED_LEVELS
from lambda_fn.fields import ContractError
from lambda_fn.store import schema
from lambda_fn.store.schema import Invalid

T = TypeVar("T")
MAX_MODEL_BYTES = 32 * 2**20
MAX_POINTER_BYTES = 2**20
MAX_SHOWN_BYTES = 4 * 2**20  # of a pointer in a response, for which Lambda allows 6 MB
MAX_ACTIVE_BYTES = 2 * 2**20  # a pointer with one number on each line, and what refresh adds
MAX_GENERATION_STEP = 1_000  # from the active generation to the next; a larger step could use up all generations
MAX_FIRST_GENERATION = 50_000_000  # if nothing was ever active
DATE, TARGET_DATE = "date", "target_date"  # inputs that a champion may declare besides its price columns
FITTED_BENCHMARK = "garch"  # the only benchmark that is published, as a champion file
MAX_REASON = 2_000  # characters
REASON = "reason"  # an optional key of a pointer outside the contract: why it was published
# Days since 1970-01-01 of 0001-01-01 and 9999-12-31, the limits of Python's dates.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
DAYS = schema.numbers(FIRST_DAY, LAST_DAY, f"days from {FIRST_DAY} to {LAST_DAY}", (int,))
LINE = schema.line(fields.MAX_NAME)
SIGNATURE = schema.object_of(dict.fromkeys(("algorithm", "key_id", "value"), LINE), {"stack": schema.STACK})


def record_bytes(
    record: T, members: Mapping[str, Any], parse: Callable[[bytes], T], write: Callable[[Mapping[str, Any]], bytes]
) -> bytes:
    """Return the bytes of a record for the store.

    Args:
        record: the record.
        members: its members as JSON types.
        parse: reads a record from bytes.
        write: returns the bytes of the members.

    Raises ContractError unless `parse` gives the same record back, so that everything written can be read.
    """
    data = write(members)
    if parse(data) != record:
        kind = type(record).__name__.lower()
        raise ContractError(f"{kind}: cannot be written, because it would be read back differently; publish it again")
    return data


def highest_after(generation: int | None) -> int:
    """Return the highest generation that may follow the active one, which is None if nothing was ever active."""
    return MAX_FIRST_GENERATION if generation is None else generation + MAX_GENERATION_STEP


def _nested(parser: schema.Parser) -> schema.Parser:
    """Return a parser of texts with JSON."""

    def parse_nested(value: Any) -> Any:
        try:
            return parser(fields.parse_json(schema.TEXT(value).encode()))
        except ContractError as error:
            raise Invalid("", str(error)) from None

    return parse_nested


@dataclass(frozen=True)
class Metadata:
    """The metadata_props of a champion file.

    `window` is in rows and `horizon` in business days; `prices` is the source. `prices_trusted` is the objection to the
    prices that a user overrode, or None.
    """

    contract_version: Annotated[str, schema.TEXT]
    pair: Annotated[str, schema.PAIR]
    family: Annotated[str, schema.NAME]
    prices: Annotated[str, schema.SOURCE]
    window: Annotated[int, _nested(schema.whole(2, MAX_WINDOW))]
    horizon: Annotated[int, _nested(schema.whole(1, MAX_HORIZON))]
    levels: Annotated[tuple[float, ...], _nested(schema.parse_levels)]
    features: Annotated[tuple[str, ...], _nested(schema.list_of(schema.NAME, MAX_FEATURES, allow_empty=True))]
    trained_through: date
    prices_sha256: Annotated[str, schema.SHA256]
    code_version: Annotated[str, schema.NAME]
    prices_trusted: Annotated[str | None, LINE] = None

    @classmethod
    def parse(cls, props: Mapping[str, str]) -> "Metadata":
        """Parse metadata_props. Raises ContractError naming the property and the cure."""
        schema.check_version(props, "metadata")
        return schema.parse(cls, props, "metadata")

    def to_props(self) -> dict[str, str]:
        """Return the metadata_props, from which `parse` gives the same object back."""
        members = schema.dump(self).items()
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in members}


@dataclass(frozen=True)
class ChampionFile:
    """The location of a champion file; `size` in bytes."""

    key: Annotated[str, schema.KEY]
    sha256: Annotated[str, schema.SHA256]
    size: Annotated[int, schema.whole(1, MAX_MODEL_BYTES)]


@dataclass(frozen=True)
class Golden:
    """A golden forecast: the inputs of one window by name, and the forecast of the exported file for them.

    The forecast is in prices: quantiles [horizon][levels], mean [horizon].
    """

    inputs: Annotated[
        dict[str, list[float]], schema.map_of(schema.parse_numbers, dict.fromkeys((DATE, TARGET_DATE), DAYS))
    ]
    quantiles: Annotated[list[list[float]], schema.parse_rows]
    mean: Annotated[list[float], schema.parse_numbers]

    def check(self) -> None:
        values, rows = len(self.mean), len(self.quantiles)
        if values != rows:
            raise Invalid(".mean", f"{values} values for {rows} rows of quantiles; give one value for each row")


def _parse_benchmarks(value: Any) -> Any:
    """Parse the benchmark files. Serving computes all but one of them, so a publisher must not replace those."""
    if isinstance(value, dict) and (unknown := sorted(value.keys() - {FITTED_BENCHMARK})):
        raise Invalid("", f"has {unknown[0][:60]!r}; publish only {FITTED_BENCHMARK}")
    return schema.map_of(ChampionFile)(value)


@dataclass(frozen=True)
class Pointer:
    """The pointer, best_model_info.json. In the old form all fields after `baseline_metrics` are None or empty.

    `events_known_through` is the last day whose scheduled news the champion knows, or None if it uses none. `scores`
    are the rows of the run's score table, `benchmarks` the champion files that forecasts are compared with (`garch`),
    and `backtest` is the summary of the family's walk-forward record. `signature` proves who published
    (`champion.signature`). `extra` has the keys that this version does not know.
    """

    model_type: Annotated[str, schema.NAME]
    model_name: Annotated[str, schema.NAME]
    model_version: Annotated[str, schema.parse_label]
    model_uri: Annotated[str, schema.TEXT]
    run_id: Annotated[str | None, schema.NAME] = None
    model_alias: Annotated[str | None, schema.NAME] = None
    metrics: Annotated[dict[str, float], schema.map_of(schema.NUMBER, allow_empty=True)] = field(default_factory=dict)
    baseline_metrics: Annotated[dict[str, float], schema.map_of(schema.NUMBER, allow_empty=True)] = field(
        default_factory=dict
    )
    contract_version: Annotated[str | None, schema.TEXT] = None
    generation: Annotated[int | None, schema.GENERATION] = None
    pair: Annotated[str | None, schema.PAIR] = None
    champion: ChampionFile | None = None
    trained_through: date | None = None
    events_known_through: date | None = None
    created_at: datetime | None = None
    scores: Annotated[tuple[dict[str, Any], ...], schema.parse_scores] = ()
    golden: Annotated[tuple[Golden, ...], schema.list_of(Golden)] = ()
    benchmarks: Annotated[dict[str, ChampionFile], _parse_benchmarks] = field(default_factory=dict)
    backtest: Annotated[dict[str, Any] | None, schema.object_of({}, keep=True)] = None
    signature: Annotated[dict[str, str] | None, SIGNATURE] = None
    # Without the keys that refresh adds, because somebody may publish a copy of active.json as a pointer.
    extra: Annotated[dict[str, Any], schema.Others(("activated_at", "serving_key"))] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> "Pointer":
        """Parse a pointer. Raises ContractError naming the field and the cure."""
        members = fields.json_object(data, "pointer", MAX_POINTER_BYTES)
        # The model card contains it, and Lambda encodes that JSON again as a JSON string, with more bytes for all
        # characters but plain letters.
        if len(json.dumps(json.dumps(members))) > MAX_SHOWN_BYTES:
            cure = "publish one with fewer characters outside ASCII"
            raise ContractError(f"pointer: takes more than {MAX_SHOWN_BYTES:,} bytes in a response; {cure}")
        return cls.from_object(members)

    @classmethod
    def from_object(cls, members: Mapping[str, Any]) -> "Pointer":
        """Make a pointer from parsed JSON. Raises ContractError as `parse` does."""
        if members.get("contract_version") is not None:
            schema.check_version(members, "pointer")
        return schema.parse(cls, members, "pointer")

    def check(self) -> None:
        """Check the reason, and that nothing is missing beside a champion. Raises Invalid."""
        if (reason := self.extra.get(REASON)) is not None:
            schema.object_of({REASON: schema.line(MAX_REASON)})({REASON: reason})
        for name in ("contract_version", "pair", "trained_through", "created_at", "golden"):
            if self.champion and not getattr(self, name):
                raise Invalid(f".{name}", "missing; publish it again")

    def to_object(self) -> dict[str, Any]:
        """Return JSON types, with keys in the order of the fields, without what is None or empty."""
        return schema.dump(self)

    def to_json(self) -> bytes:
        """Return UTF-8 JSON in a stable order, indented by 2, with a final newline. Raises ContractError.

        `parse` gives the same object back.
        """
        return record_bytes(self, self.to_object(), Pointer.parse, fields.json_bytes)


@dataclass(frozen=True)
class Active:
    """serving/active.json: the pointer as published, the time of its activation, and the key of the copied champion."""

    pointer: Pointer
    champion: ChampionFile
    generation: int
    activated_at: datetime
    serving_key: str

    @classmethod
    def parse(cls, data: bytes) -> "Active":
        """Parse an activation. Raises ContractError naming the field and the cure."""
        members = fields.json_object(data, "active", MAX_ACTIVE_BYTES)
        pointer = Pointer.from_object(members)
        if pointer.champion is None or pointer.generation is None:
            raise ContractError("active: champion and generation are missing; run eurusd refresh")
        parser = schema.object_of({"activated_at": schema.MOMENT, "serving_key": schema.KEY})
        return cls(pointer, pointer.champion, pointer.generation, **schema.parse_as(parser, members, "active"))

    def to_json(self) -> bytes:
        """Return the JSON of the pointer with `activated_at`, `serving_key` and a checksum. Raises ContractError."""
        activation = {"activated_at": fields.utc_text(self.activated_at), "serving_key": self.serving_key}
        return record_bytes(self, self.pointer.to_object() | activation, Active.parse, fields.summed_bytes)
