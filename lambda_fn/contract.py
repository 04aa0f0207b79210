"""What training publishes and serving reads: the keys, the champion file's metadata, and the pointer.

The contract, version 1:
- The pointer is UTF-8 JSON, one object. It MUST hold model_type, model_name, model_version and model_uri; run_id,
  model_alias, metrics and baseline_metrics MAY be absent.
- With a `champion` it MUST hold contract_version, pair, trained_through (ISO date), created_at (UTC, ends in Z) and at
  least one golden forecast; `generation`, a whole number from 1, MUST grow with every promotion and MAY be absent.
- Without a `champion` it is the old form: it parses, and refresh has to resolve its model_uri.
- champion.key MUST be the key of an ONNX file that never changes, sha256 its digest, size its bytes (at most 32 MiB).
- The file's metadata_props MUST hold contract_version, pair, family, prices, window, horizon, levels, features,
  trained_through, prices_sha256 and code_version, all strings, lists as JSON; more of them MAY follow.
- levels MUST ascend within (0, 1) and hold 0.025, 0.5 and 0.975: the checks before activation read them.
- At most: a pointer of 1 MiB, nested 20 deep; names, families and features of 100 characters; 101 levels; a window of
  10,000 rows and a horizon of 60 days; keys of 200 characters.
- Inputs MUST be `close` and MAY be more price columns, float64 [batch, window], oldest first; `date` int64
  [batch, window] and `target_date` int64 [batch, horizon], days since 1970-01-01, MAY be declared too.
- Outputs MUST be `quantiles` float64 [batch, horizon, levels], prices, non-decreasing over levels, and `mean` float64
  [batch, horizon], a price.
- Operators MUST be those of ONNX and ai.onnx.ml, none of them random, and none of champion.onnx_file.REFUSED.
- NaN and infinity MUST NOT occur. Unknown keys MUST be kept in a pointer and ignored in metadata: a writer MAY add
  some without a new version. A reader MUST refuse a version that it does not know.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from lambda_fn import fields
from lambda_fn.fields import CONTRACT_VERSION as CONTRACT_VERSION
from lambda_fn.fields import MAX_GENERATION as MAX_GENERATION
from lambda_fn.fields import MAX_HORIZON as MAX_HORIZON
from lambda_fn.fields import MAX_LEVELS as MAX_LEVELS
from lambda_fn.fields import NEEDED_LEVELS as NEEDED_LEVELS
from lambda_fn.fields import ContractError

MAX_MODEL_BYTES = 32 * 2**20
MAX_POINTER_BYTES = 2**20
MAX_SHOWN_BYTES = 4 * 2**20  # of a pointer in an answer, which Lambda allows 6 MB
MAX_ACTIVE_BYTES = 2 * 2**20  # a pointer written anew, one number a line, and what refresh adds
MAX_JUMP = 1_000  # from the active generation to the next: one that is far off would leave none to come
MAX_FIRST = 50_000_000  # generation, where nothing was ever active
MAX_WINDOW = 10_000
MAX_FEATURES = 200
DATE, TARGET_DATE = "date", "target_date"  # inputs that a champion may declare beside its price columns
FITTED_BENCHMARK = "garch"  # the one benchmark that publishing brings, as a champion file
MAX_REASON = 2_000  # characters
REASON = "reason"  # a key that a pointer may have beside those of the contract: why it was published
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # the dates that there are, 0001-01-01 and 9999-12-31, since 1970-01-01


def highest_after(generation: int | None) -> int:
    """The highest generation that may follow the active one, None when nothing was ever active."""
    return MAX_FIRST if generation is None else generation + MAX_JUMP


@dataclass(frozen=True)
class Metadata:
    """The champion file's metadata_props; `window` in rows, `horizon` in business days, `prices` the source.
    `prices_trusted` is what spoke against the prices where somebody used them all the same, else None."""

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
        """Raises ContractError naming the property and the cure."""
        read = fields.Reader(props, "metadata")
        return cls(
            contract_version=read.version("contract_version", CONTRACT_VERSION),
            pair=read.matching("pair", fields.PAIR),
            family=read.name("family"),
            prices=read.matching("prices", fields.SOURCE),
            window=read.decoded("window").whole("window", 2, MAX_WINDOW),
            horizon=read.decoded("horizon").whole("horizon", 1, MAX_HORIZON),
            levels=read.decoded("levels").levels("levels", NEEDED_LEVELS, MAX_LEVELS),
            features=read.decoded("features").names("features", MAX_FEATURES),
            trained_through=read.day("trained_through"),
            prices_sha256=read.matching("prices_sha256", fields.SHA256),
            code_version=read.name("code_version"),
            prices_trusted=read.optional("prices_trusted", read.line),
        )

    def to_props(self) -> dict[str, str]:
        """The metadata_props; `parse` gives the same object back."""
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
    """Where the champion's bytes are; size in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Golden:
    """One window by input name and the forecast that the exported file gave for it, in prices:
    quantiles [horizon][levels], mean [horizon]."""

    inputs: dict[str, list[float]]
    quantiles: list[list[float]]
    mean: list[float]


@dataclass(frozen=True)
class Pointer:
    """best_model_info.json. In the old form what follows `baseline_metrics` is None or empty.

    `events_known_through` is the last day whose scheduled news the champion knows, None where it asks for none;
    `scores` are the rows of the run's score table; `benchmarks` are champion files that the forecasts are compared with
    (`garch`), `backtest` is the summary of the family's walk-forward record, `signature` says who published
    (`champion.signature`); `extra` holds the keys that this version
    does not know.
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
        """Raises ContractError naming the field and the cure."""
        found = fields.json_object(data, "pointer", MAX_POINTER_BYTES)
        # The model card shows it, and Lambda writes that JSON as a text of its own JSON: all but plain letters grow.
        if len(json.dumps(json.dumps(found))) > MAX_SHOWN_BYTES:
            cure = "publish one with fewer characters beyond ASCII"
            raise ContractError(f"pointer: as an answer it takes more than {MAX_SHOWN_BYTES:,} bytes; {cure}")
        return cls.from_object(found)

    @classmethod
    def from_object(cls, found: Mapping[str, Any]) -> "Pointer":
        """Of the parsed JSON; raises ContractError as `parse` does."""
        read = fields.Reader(found, "pointer")
        version = read.optional("contract_version", read.text)
        if version is not None:  # first: another version may have other fields
            read.version("contract_version", CONTRACT_VERSION)
        read.optional(REASON, lambda name: read.line(name, MAX_REASON))
        champion = read.optional("champion", read.object)
        need = read.required if champion else read.optional
        return cls(
            model_type=read.name("model_type"),
            model_name=read.name("model_name"),
            model_version=read.label("model_version"),
            model_uri=read.text("model_uri"),
            run_id=read.optional("run_id", read.name),
            model_alias=read.optional("model_alias", read.name),
            metrics=read.optional("metrics", read.numbers_by_name) or {},
            baseline_metrics=read.optional("baseline_metrics", read.numbers_by_name) or {},
            contract_version=need("contract_version", read.text),
            generation=read.optional("generation", lambda name: read.whole(name, 1, MAX_GENERATION)),
            pair=need("pair", lambda name: read.matching(name, fields.PAIR)),
            champion=_champion_file(champion) if champion else None,
            trained_through=need("trained_through", read.day),
            events_known_through=read.optional("events_known_through", read.day),
            created_at=need("created_at", read.moment),
            scores=read.scores("scores"),
            golden=tuple(_golden(row) for row in need("golden", read.objects) or ()),
            benchmarks=_benchmarks(read.optional("benchmarks", read.object)),
            backtest=dict(backtest.found) if (backtest := read.optional("backtest", read.object)) else None,
            signature=_signature(read.optional("signature", read.object)),
            extra={name: value for name, value in found.items() if name not in _KNOWN_KEYS},
        )

    def to_object(self) -> dict[str, Any]:
        """As JSON types, keys in the order of the fields; what is None or empty is left out."""
        known = {
            **vars(self),
            "champion": vars(self.champion) if self.champion else None,
            "trained_through": self.trained_through.isoformat() if self.trained_through else None,
            "events_known_through": self.events_known_through.isoformat() if self.events_known_through else None,
            "created_at": fields.utc_text(self.created_at) if self.created_at else None,
            "scores": list(self.scores),
            "golden": [vars(golden) for golden in self.golden],
            "benchmarks": {name: vars(file) for name, file in self.benchmarks.items()},
        }
        extra = known.pop("extra")
        kept = {name: value for name, value in known.items() if value not in (None, {}, [])}
        return {**kept, **extra}

    def to_json(self) -> bytes:
        """UTF-8, stable order, indented by 2, with a newline at the end; `parse` gives the same object back."""
        return fields.record_bytes(self, self.to_object(), Pointer.parse, fields.json_bytes)


@dataclass(frozen=True)
class Active:
    """serving/active.json: the pointer as published, when refresh activated it, and where its bytes are now."""

    pointer: Pointer
    champion: ChampionFile
    generation: int
    activated_at: datetime
    serving_key: str

    @classmethod
    def parse(cls, data: bytes) -> "Active":
        """Raises ContractError naming the field and the cure."""
        found = fields.json_object(data, "active", MAX_ACTIVE_BYTES)
        read = fields.Reader(found, "active")
        pointer = Pointer.from_object(found)
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
        """As a pointer's, with `activated_at` and `serving_key`."""
        added = {"activated_at": fields.utc_text(self.activated_at), "serving_key": self.serving_key}
        return fields.record_bytes(self, self.pointer.to_object() | added, Active.parse, fields.summed_bytes)


# What refresh adds is none of a pointer's extra keys: somebody may publish a copy of active.json.
_KNOWN_KEYS = frozenset(Pointer.__dataclass_fields__) - {"extra"} | {"activated_at", "serving_key"}


def _champion_file(read: fields.Reader) -> ChampionFile:
    return ChampionFile(
        key=read.matching("key", fields.KEY),
        sha256=read.matching("sha256", fields.SHA256),
        size=read.whole("size", 1, MAX_MODEL_BYTES),
    )


def _signature(read: fields.Reader | None) -> dict[str, str] | None:
    if read is None:
        return None
    stack = read.optional("stack", lambda name: read.matching(name, fields.STACK))  # absent before stacks were signed
    return {
        **{name: read.line(name) for name in ("algorithm", "key_id", "value")},
        **({} if stack is None else {"stack": stack}),
    }


def _benchmarks(read: fields.Reader | None) -> dict[str, ChampionFile]:
    """Serving computes the other benchmarks, and a publisher must not replace what a record compares with."""
    if read is None:
        return {}
    if unknown := sorted(read.found.keys() - {FITTED_BENCHMARK}):
        raise ContractError(f"{read.where}: has {unknown[0][:60]!r}; only {FITTED_BENCHMARK} is taken from a pointer")
    return {name: _champion_file(read.object(name)) for name in read.found}


def _golden(read: fields.Reader) -> Golden:
    inputs = read.object("inputs")
    quantiles = read.rows("quantiles")
    mean = read.numbers("mean")
    if len(quantiles) != len(mean):
        raise ContractError(
            f"{read.where}.mean: {len(mean)} values for {len(quantiles)} rows of quantiles; give one a row"
        )
    return Golden({name: _golden_input(inputs, name) for name in inputs.found}, quantiles, mean)


def _golden_input(inputs: fields.Reader, name: str) -> list[float]:
    return inputs.days(name, FIRST_DAY, LAST_DAY) if name in (DATE, TARGET_DATE) else inputs.numbers(name)
