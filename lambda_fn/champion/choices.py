"""The record of what was seen in MLflow, serving/chosen.json: the hourly refresh acts on a new choice only.

So it neither repeats a choice that was refused nor undoes a rollback. There is no record where MLflow is not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from lambda_fn import fields
from lambda_fn.contract import Pointer, record_bytes
from lambda_fn.fields import CONTRACT_VERSION, ContractError
from lambda_fn.store import schema
from lambda_fn.store.keys import chosen_key
from lambda_fn.store.object_store import Store

MAX_VERSIONS = 100
_VERSIONS = schema.list_of(schema.line(300), MAX_VERSIONS)


@dataclass(frozen=True)
class Choices:
    """What was seen in MLflow; versions are models:/NAME/3.

    `holders` had the alias champion from `seen_at` on. `considered` were activated or rolled back since.
    `shown_generation` is the generation that MLflow's page shows as active.
    """

    pair: Annotated[str, schema.PAIR]
    seen_at: datetime
    holders: Annotated[tuple[str, ...], _VERSIONS] = ()
    considered: Annotated[tuple[str, ...], _VERSIONS] = ()
    shown_generation: Annotated[int | None, schema.GENERATION] = None

    @classmethod
    def parse(cls, data: bytes, pair: str) -> "Choices":
        """Parse the record of a pair. Raises ContractError."""
        return schema.parse(cls, schema.keyed_object(data, "chosen", pair=pair), "chosen")

    def to_json(self) -> bytes:
        """Return the bytes of the record. Raises ContractError unless `parse` gives the same object back."""
        members = {"contract_version": CONTRACT_VERSION, **schema.dump(self)}
        return record_bytes(self, members, lambda data: Choices.parse(data, self.pair), fields.summed_bytes)

    def is_new(self, uri: str) -> bool:
        """Return whether the version has not been seen with the alias."""
        return uri not in (*self.holders, *self.considered)


def version_uri(pointer: Pointer) -> str:
    """Return the URI of the version of a pointer by its number."""
    return f"models:/{pointer.model_name}/{pointer.model_version}"


def read_choices(store: Store, pair: str) -> Choices | None:
    """Read the record; None if there is none or it cannot be read. Raises Unavailable."""
    blob = store.find(chosen_key(pair))
    return _parse(blob.data if blob else None, pair)


def save_choices(store: Store, choices: Choices) -> None:
    """Write the record, in place of any other."""
    data = replace(choices, holders=choices.holders[:MAX_VERSIONS]).to_json()
    store.update(chosen_key(choices.pair), lambda _: (data, None))


def add_considered(store: Store, pair: str, pointers: Sequence[Pointer]) -> None:
    """Add versions that were activated or rolled back to the record, if there is one."""

    def change(data: bytes | None) -> tuple[bytes | None, None]:
        choices = _parse(data, pair)
        if choices is None:
            return None, None
        considered = tuple(dict.fromkeys((*choices.considered, *map(version_uri, pointers))))[-MAX_VERSIONS:]
        return replace(choices, considered=considered).to_json(), None

    store.update(chosen_key(pair), change)


def _parse(data: bytes | None, pair: str) -> Choices | None:
    try:
        return None if data is None else Choices.parse(data, pair)
    except ContractError:
        return None  # the next look writes a new one
