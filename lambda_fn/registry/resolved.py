"""Which champion a pointer means, of either form."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import Pointer
from lambda_fn.registry.old_form import complete
from lambda_fn.settings import Settings


class Resolved(NamedTuple):
    """A pointer that names its champion file; `data` are the file's bytes when the store does not have them."""

    pointer: Pointer
    data: bytes | None


def resolve(
    pointer: Pointer, settings: Settings, environ: Mapping[str, str], now: datetime, sandbox: Sandbox
) -> Resolved:
    """The champion that the pointer means, the one place that knows how to find it: the file that it names or, in the
    old form, what MLflow has at its model_uri. Raises ContractError with the cure, and Unavailable."""
    if pointer.champion is not None:
        return Resolved(pointer, None)
    return Resolved(*complete(pointer, settings, environ, now, sandbox))
