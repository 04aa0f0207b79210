"""Show on MLflow's page what is active: a tag on the version, and the aliases of a version that was chosen there.

A failure here is logged and stops nothing.
"""

import logging
from collections.abc import Collection
from typing import NamedTuple

from lambda_fn.champion.candidate import is_chosen
from lambda_fn.champion.choices import version_uri
from lambda_fn.champion.rollback import ACTIVATED, RollbackError, list_generations, read_generation
from lambda_fn.contract import REASON, Active
from lambda_fn.fields import ContractError
from lambda_fn.registry.mlflow_client import Alias, MlflowServer, Version
from lambda_fn.registry.webhook import ALIAS
from lambda_fn.store.object_store import Store, Unavailable

TAG = "serving"
CHALLENGER = "challenger"
MAX_TAG = 1_000  # characters; MLflow allows 100,000
_log = logging.getLogger(__name__)


class Registry(NamedTuple):
    """An MLflow server, and the aliases of a pair there."""

    server: MlflowServer
    aliases: list[Alias]

    def holders(self) -> list[Alias]:
        """Return the versions with the alias champion: one, unless somebody gave it to several models."""
        return [alias for alias in self.aliases if alias.alias == ALIAS]

    def holder_uris(self) -> tuple[str, ...]:
        """Return the URIs of these versions."""
        return tuple(alias.uri for alias in self.holders())


def show_active(registry: Registry, store: Store, pair: str, active: Active, earlier: Collection[str]) -> bool:
    """Show the active version, and which one it has replaced. Returns False if MLflow does not answer.

    Args:
        registry: the server, and the aliases before the activation.
        store: has the earlier activations.
        pair: the currency pair.
        active: the activation to show.
        earlier: versions that were seen with the alias before. Another one was chosen since, and keeps its alias.

    Raises Unavailable when the store does not answer.
    """
    server, pointer = registry.server, active.pointer
    former = _find_former(store, pair, active)
    state = f"active as generation {active.generation} since {active.activated_at:%Y-%m-%d %H:%M} UTC"
    try:
        server.set_tag(pointer.model_name, pointer.model_version, TAG, state)
        if is_chosen(pointer):  # training moves the aliases of what it publishes
            _move_aliases(registry, active, former, earlier)
        if former:
            reason = f"replaced by generation {active.generation}: {pointer.extra.get(REASON, version_uri(pointer))}"
            server.set_tag(former.pointer.model_name, former.pointer.model_version, TAG, reason[:MAX_TAG])
    except Unavailable as error:
        _log.warning("MLflow does not show generation %d yet: %s", active.generation, error)
        return False
    except ContractError as error:  # a version that was deleted, which no retry can show
        _log.warning("MLflow cannot show generation %d: %s", active.generation, error)
    return True


def show_refusal(registry: Registry, version: Version, reason: str) -> None:
    """Show why a version was refused."""
    try:
        registry.server.set_tag(version.name, version.number, TAG, f"refused: {reason}"[:MAX_TAG])
    except (Unavailable, ContractError) as error:
        _log.warning("MLflow does not show the refusal of %s: %s", version.uri, error)


def _find_former(store: Store, pair: str, active: Active) -> Active | None:
    """Return the last activation of another version."""
    for generation in reversed(list_generations(store, pair)):
        if generation < active.generation:
            try:
                former = read_generation(store, pair, generation, (ACTIVATED,))
            except RollbackError as error:
                _log.warning("%s", error)
                continue
            if version_uri(former.pointer) != version_uri(active.pointer):
                return former
    return None


def _move_aliases(registry: Registry, active: Active, former: Active | None, earlier: Collection[str]) -> None:
    """Take the alias champion from other models, and make the former champion the challenger."""
    before = {*earlier, *([version_uri(former.pointer)] if former else [])}
    for alias in registry.holders():
        if alias.name != active.pointer.model_name and alias.uri in before:
            registry.server.delete_alias(alias)
    if former is None:
        return
    challenger = Alias(CHALLENGER, former.pointer.model_name, former.pointer.model_version)
    registry.server.set_alias(challenger)
    for alias in registry.aliases:
        if alias.alias == CHALLENGER and alias.name != challenger.name:
            registry.server.delete_alias(alias)
