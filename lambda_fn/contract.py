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
  [batch, horizon], a price.
- Operators MUST be those of ONNX and ai.onnx.ml, none of them random, and none in champion.onnx_validator.REFUSED.
- NaN and infinity MUST NOT occur. Unknown keys MUST be kept in a pointer and ignored in metadata: a writer MAY add
  them without a new version. A reader MUST reject a version that it does not know.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION as CONTRACT_VERSION
from lambda_fn.fields import MAX_GENERATION as MAX_GENERATION
from lambda_fn.fields import MAX_HORIZON as MAX_HORIZON
from lambda_fn.fields import MAX_LEVELS as MAX_LEVELS
from lambda_fn.fields import NEEDED_LEVELS as NEEDED_LEVELS
from lambda_fn.fields import ContractError

T = TypeVar("T")
MAX_MODEL_BYTES = 32 * 2**20
MAX_POINTER_BYTES = 2**20
MAX_SHOWN_BYTES = 4 * 2**20  # of a pointer in a response, for which Lambda allows 6 MB
MAX_ACTIVE_BYTES = 2 * 2**20  # a pointer with one number on each line, and what refresh adds
MAX_GENERATION_STEP = 1_000  # from the active generation to the next; a larger step could use up all generations
MAX_FIRST_GENERATION = 50_000_000  # if nothing was ever active
MAX_WINDOW = 10_000
MAX_FEATURES = 200
DATE, TARGET_DATE = "date", "target_date"  # inputs that a champion may declare besides its price columns
FITTED_BENCHMARK = "garch"  # the only benchmark that is published, as a champion file
MAX_REASON = 2_000  # characters
REASON = "reason"  # an optional key of a pointer outside the contract: why it was published
# Days since 1970-01-01 of 0001-01-01 and 9999-12-31, the limits of Python's dates.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896


def record_bytes(
    record: T, value: Mapping[str, Any], parse: Callable[[bytes], T], write: Callable[[Mapping[str, Any]], bytes]
) -> bytes:
    """Return the bytes of a record for the store.

    Args:
        record: the record.
        value: its members as JSON types.
        parse: reads a record from bytes.
        write: returns the bytes of the members.

    Raises ContractError unless `parse` gives the same record back, so that everything written can be read.
    """
    data = write(value)
    if parse(data) != record:
        kind = type(record).__name__.lower()
        raise ContractError(f"{kind}: cannot be written, because it would be read back differently; publish it again")
    return data


def highest_after(generation: int | None) -> int:
    """Return the highest generation that may follow the active one, which is None if nothing was ever active."""
    return MAX_FIRST_GENERATION if generation is None else generation + MAX_GENERATION_STEP


@dataclass(frozen=True)
class Metadata:
    """The metadata_props of a champion file.

    `window` is in rows and `horizon` in business days; `prices` is the source. `prices_trusted` is the objection to the
    prices that a user overrode, or None.
    """

    contract_version: str
    pair: str
    family: str
    prices: str
    window: int
    horizon: int
    levels: tuple[float, ...]
    features: tuple[str, ...]
    trained_through: date
    prices_sha256: str
    code_version: str
    prices_trusted: str | None = None

    @classmethod
    def parse(cls, props: Mapping[str, str]) -> "Metadata":
        """Parse metadata_props. Raises ContractError naming the property and the cure."""
        read = fields.Reader(props, "metadata")
        return cls(
            contract_version=read.version("contract_version", CONTRACT_VERSION),
            pair=read.matching("pair", fields.PAIR),
            family=read.name("family"),
            prices=read.matching("prices", fields.SOURCE),
            window=read.nested_json("window").whole("window", 2, MAX_WINDOW),
            horizon=read.nested_json("horizon").whole("horizon", 1, MAX_HORIZON),
            levels=read.nested_json("levels").levels("levels", NEEDED_LEVELS, MAX_LEVELS),
            features=read.nested_json("features").names("features", MAX_FEATURES),
            trained_through=read.day("trained_through"),
            prices_sha256=read.matching("prices_sha256", fields.SHA256),
            code_version=read.name("code_version"),
            prices_trusted=read.optional("prices_trusted", read.line),
        )

    def to_props(self) -> dict[str, str]:
        """Return the metadata_props, from which `parse` gives the same object back."""
        return {
            "contract_version": self.contract_version,
            "pair": self.pair,
            "family": self.family,
            "prices": self.prices,
            "window": json.dumps(self.window),
            "horizon": json.dumps(self.horizon),
            "levels": json.dumps(self.levels),
            "features": json.dumps(self.features),
            "trained_through": self.trained_through.isoformat(),
            "prices_sha256": self.prices_sha256,
            "code_version": self.code_version,
            **({"prices_trusted": self.prices_trusted} if self.prices_trusted else {}),
        }


@dataclass(frozen=True)
class ChampionFile:
    """The location of a champion file; `size` in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Golden:
    """A golden forecast: the inputs of one window by name, and the forecast of the exported file for them.

    The forecast is in prices: quantiles [horizon][levels], mean [horizon].
    """

    inputs: dict[str, list[float]]
    quantiles: list[list[float]]
    mean: list[float]


@dataclass(frozen=True)
class Pointer:
    """The pointer, best_model_info.json. In the old form all fields after `baseline_metrics` are None or empty.

    `events_known_through` is the last day whose scheduled news the champion knows, or None if it uses none. `scores`
    are the rows of the run's score table, `benchmarks` the champion files that forecasts are compared with (`garch`),
    and `backtest` is the summary of the family's walk-forward record. `signature` proves who published
    (`champion.signature`). `extra` has the keys that this version does not know.
    """

    model_type: str
    model_name: str
    model_version: str
    model_uri: str
    run_id: str | None = None
    model_alias: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    baseline_metrics: dict[str, float] = field(default_factory=dict)
    contract_version: str | None = None
    generation: int | None = None
    pair: str | None = None
    champion: ChampionFile | None = None
    trained_through: date | None = None
    events_known_through: date | None = None
    created_at: datetime | None = None
    scores: tuple[dict[str, Any], ...] = ()
    golden: tuple[Golden, ...] = ()
    benchmarks: dict[str, ChampionFile] = field(default_factory=dict)
    backtest: dict[str, Any] | None = None
    signature: dict[str, str] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

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
        read = fields.Reader(members, "pointer")
        version = read.optional("contract_version", read.text)
        if version is not None:  # checked first, because another version may have other fields
            read.version("contract_version", CONTRACT_VERSION)
        read.optional(REASON, lambda name: read.line(name, MAX_REASON))
        champion = read.optional("champion", read.object)
        require = read.required if champion else read.optional
        return cls(
            model_type=read.name("model_type"),
            model_name=read.name("model_name"),
            model_version=read.label("model_version"),
            model_uri=read.text("model_uri"),
            run_id=read.optional("run_id", read.name),
            model_alias=read.optional("model_alias", read.name),
            metrics=read.optional("metrics", read.numbers_by_name) or {},
            baseline_metrics=read.optional("baseline_metrics", read.numbers_by_name) or {},
            contract_version=require("contract_version", read.text),
            generation=read.optional("generation", lambda name: read.whole(name, 1, MAX_GENERATION)),
            pair=require("pair", lambda name: read.matching(name, fields.PAIR)),
            champion=_champion_file(champion) if champion else None,
            trained_through=require("trained_through", read.day),
            events_known_through=read.optional("events_known_through", read.day),
            created_at=require("created_at", read.moment),
            scores=read.scores("scores"),
            golden=tuple(_golden(row) for row in require("golden", read.objects) or ()),
            benchmarks=_benchmarks(read.optional("benchmarks", read.object)),
            backtest=dict(backtest.members) if (backtest := read.optional("backtest", read.object)) else None,
            signature=_signature(read.optional("signature", read.object)),
            extra={name: value for name, value in members.items() if name not in _CONTRACT_KEYS},
        )

    def to_object(self) -> dict[str, Any]:
        """Return JSON types, with keys in the order of the fields, without what is None or empty."""
        members = {
            **vars(self),
            "champion": vars(self.champion) if self.champion else None,
            "trained_through": self.trained_through.isoformat() if self.trained_through else None,
            "events_known_through": self.events_known_through.isoformat() if self.events_known_through else None,
            "created_at": fields.utc_text(self.created_at) if self.created_at else None,
            "scores": list(self.scores),
            "golden": [vars(golden) for golden in self.golden],
            "benchmarks": {name: vars(file) for name, file in self.benchmarks.items()},
        }
        extra = members.pop("extra")
        present = {name: value for name, value in members.items() if value not in (None, {}, [])}
        return {**present, **extra}

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
        read = fields.Reader(members, "active")
        pointer = Pointer.from_object(members)
        if pointer.champion is None or pointer.generation is None:
            raise ContractError("active: champion and generation are missing; run python -m lambda_fn.refresh")
        return cls(
            pointer,
            pointer.champion,
            pointer.generation,
            read.moment("activated_at"),
            read.matching("serving_key", fields.KEY),
        )

    def to_json(self) -> bytes:
        """Return the JSON of the pointer with `activated_at`, `serving_key` and a checksum. Raises ContractError."""
        activation = {"activated_at": fields.utc_text(self.activated_at), "serving_key": self.serving_key}
        return record_bytes(self, self.pointer.to_object() | activation, Active.parse, fields.summed_bytes)


# With the keys that refresh adds, because somebody may publish a copy of active.json as a pointer.
_CONTRACT_KEYS = frozenset(Pointer.__dataclass_fields__) - {"extra"} | {"activated_at", "serving_key"}


def _champion_file(read: fields.Reader) -> ChampionFile:
    return ChampionFile(
        key=read.matching("key", fields.KEY),
        sha256=read.matching("sha256", fields.SHA256),
        size=read.whole("size", 1, MAX_MODEL_BYTES),
    )


def _signature(read: fields.Reader | None) -> dict[str, str] | None:
    if read is None:
        return None
    stack = read.optional(
        "stack", lambda name: read.matching(name, fields.STACK)
    )  # absent in signatures of older versions
    return {
        **{name: read.line(name) for name in ("algorithm", "key_id", "value")},
        **({} if stack is None else {"stack": stack}),
    }


def _benchmarks(read: fields.Reader | None) -> dict[str, ChampionFile]:
    """Read the benchmark files. Serving computes all but one of them, so a publisher must not replace those."""
    if read is None:
        return {}
    if unknown := sorted(read.members.keys() - {FITTED_BENCHMARK}):
        raise ContractError(f"{read.where}: has {unknown[0][:60]!r}; publish only {FITTED_BENCHMARK}")
    return {name: _champion_file(read.object(name)) for name in read.members}


def _golden(read: fields.Reader) -> Golden:
    members = read.object("inputs")
    inputs = {
        name: members.days(name, FIRST_DAY, LAST_DAY) if name in (DATE, TARGET_DATE) else members.numbers(name)
        for name in members.members
    }
    quantiles = read.rows("quantiles")
    mean = read.numbers("mean")
    if len(quantiles) != len(mean):
        raise ContractError(
            f"{read.where}.mean: {len(mean)} values for {len(quantiles)} rows of quantiles; give one value for each row"
        )
    return Golden(inputs, quantiles, mean)
