"""Signed champions: whoever can write models/ alone cannot change what is served."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.champion.signature import envelope, key_id, message, verify
from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.refresh import rollback
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
POINTER = "models/best_model_info.json"
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]


def signed(pointer: Pointer, key: int = 0, stack: str = "local") -> Pointer:
    return replace(pointer, signature=envelope(PUBLIC[key], stack, KEYS[key].sign(message(pointer, stack))))


def publish(store: Store, generation: int, key: int | None, data: bytes | None = None) -> Pointer:
    pointer = foreign.publish_to(store, data, generation)
    if key is not None:
        pointer = signed(pointer, key)
        foreign.put(store, POINTER, pointer.to_json())
    return pointer


def asking(settings: Settings, *keys: int) -> Settings:
    return settings._replace(champion_public_keys=tuple(PUBLIC[key] for key in keys))


STRICT, BOTH = asking(Settings.from_env({}), 0), asking(Settings.from_env({}), 0, 1, 2)


def test_a_signed_champion_is_activated_and_an_unsigned_one_refused(store: Store, settings: Settings) -> None:
    strict = asking(settings, 0)
    publish(store, 1, 0)
    assert activate(store, strict, NOW)[:2] == ("activated", 1)
    publish(store, 2, None, foreign.champion_bytes(spread=0.006))
    with pytest.raises(Refused, match=r"pointer\.signature: missing.*CHAMPION_SIGNING_KEY"):
        activate(store, strict, NOW)
    assert activate(store, settings, NOW)[:2] == ("activated", 2)  # where no key is configured


FORGERIES: dict[str, Callable[[Pointer], Pointer]] = {
    "generation": lambda pointer: replace(pointer, generation=3),
    "metrics": lambda pointer: replace(pointer, metrics={"rmse": 0.0001}),
    "scores": lambda pointer: replace(pointer, scores=()),
    "created_at": lambda pointer: replace(pointer, created_at=NOW + timedelta(days=1)),
    "another champion": lambda pointer: replace(pointer, champion=replace(pointer.champion, sha256="0" * 64)),  # type: ignore[type-var]
    "more": lambda pointer: replace(pointer, extra={"note": "x"}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_nothing_of_a_signed_pointer_can_be_changed(name: str) -> None:
    pointer = signed(foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2))
    verify(pointer, STRICT)
    with pytest.raises(ContractError, match=r"^pointer\.signature: .*\bwas changed; "):
        verify(FORGERIES[name](pointer), STRICT)


def test_two_keys_are_valid_at_once_so_that_one_can_be_replaced(store: Store, settings: Settings) -> None:
    both = asking(settings, 0, 1)
    for generation, key in ((1, 0), (2, 1)):
        publish(store, generation, key, foreign.champion_bytes(spread=0.005 + generation / 1000))
        assert activate(store, both, NOW)[:2] == ("activated", generation)
    publish(store, 3, 2, foreign.champion_bytes(spread=0.009))
    with pytest.raises(Refused, match=rf"^pointer\.signature: .*{key_id(PUBLIC[0])}, {key_id(PUBLIC[1])}\b.*; "):
        activate(store, both, NOW)


# Who signed a published champion, and whether each way to activate it accepts it while key 0 alone is configured.
SIGNERS = {"key 0": (0, True), "nobody": (None, False), "a withdrawn key": (1, False), "an unknown key": (2, False)}
WAYS = ("published", "published again", "rollback", "rollback to its generation", "rollback to a rollback")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signer", SIGNERS)
def test_every_way_to_activate_verifies_the_signature(signer: str, way: str, tmp_path: Path) -> None:
    """Generation 1 was activated while no key was configured; then key 0 was, and generation 2 is signed with it."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store, strict, (key, accepted) = open_store(settings), asking(settings, 0), SIGNERS[signer]
    publish(store, 1, key)
    if way == "published":
        check(lambda: activate(store, strict, NOW).outcome, "activated", accepted)
        return
    activate(store, settings, NOW)
    if way == "published again":  # it is active, and stays so: nothing is activated
        check(lambda: activate(store, strict, NOW).outcome, "unchanged", accepted)
        return
    publish(store, 2, 0, foreign.champion_bytes(spread=0.006))
    activate(store, strict, NOW)
    to: object = True
    if way == "rollback to its generation":
        to = 1
    if way == "rollback to a rollback":
        rollback(store, settings, 1, NOW)  # as generation 3, by somebody without the key
        publish(store, 4, 0, foreign.champion_bytes(spread=0.007))
        activate(store, strict, NOW)
        to = 3
    result = rollback(store, strict, to, NOW + timedelta(hours=1))
    assert result["outcome"] == ("activated" if accepted else "refused"), result
    assert accepted or "signature" in result["reason"]


def check(act: Callable[[], str], outcome: str, accepted: bool) -> None:
    if accepted:
        assert act() == outcome
    else:
        with pytest.raises(Refused, match="signature"):
            act()


def test_a_signed_pointer_without_a_generation_is_refused(store: Store, settings: Settings) -> None:
    """It could be published again at any time, and would be newer than what is active."""
    pointer = replace(foreign.publish_to(store), generation=None)
    foreign.put(store, POINTER, signed(pointer).to_json())
    with pytest.raises(Refused, match="generation: missing"):
        activate(store, asking(settings, 0), NOW)


def test_a_signature_is_for_one_stack_and_one_pair(store: Store, settings: Settings) -> None:
    pointer = foreign.publish_to(store, None, 900)
    foreign.put(store, POINTER, signed(pointer, stack="staging").to_json())
    with pytest.raises(Refused, match=r"for the stack staging, but this is local"):
        activate(store, asking(settings, 0), NOW)
    claimed = signed(pointer, stack="staging")
    foreign.put(store, POINTER, replace(claimed, signature={**(claimed.signature or {}), "stack": "local"}).to_json())
    with pytest.raises(Refused, match=r"^pointer\.signature: .*\bwas changed; "):
        activate(store, asking(settings, 0), NOW)
    with pytest.raises(ContractError, match=r"^pointer\.pair: EURUSD\b.*\bGBPUSD; "):
        verify(signed(pointer), STRICT.for_pair("GBPUSD"))


def test_a_signature_of_before_stacks_is_renewed_by_publishing_again(store: Store, settings: Settings) -> None:
    """What is active stays active meanwhile."""
    strict = asking(settings, 0)
    pointer = publish(store, 1, None)
    activate(store, settings, NOW)
    text = json.dumps(replace(pointer, signature=None).to_object(), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest().encode()
    value = KEYS[0].sign(b"champion of a forecast service, version 1\n" + digest)
    old = envelope(PUBLIC[0], "", value)
    del old["stack"]
    foreign.put(store, POINTER, replace(pointer, signature=old).to_json())
    with pytest.raises(Refused, match=r"^pointer\.signature: made before .*; .*CHAMPION_SIGNING_KEY") as caught:
        activate(store, strict, NOW)
    assert caught.value.generation == 1, "is active"
    publish(store, 2, 0)
    assert activate(store, strict, NOW)[:2] == ("activated", 2)


def test_a_pointer_of_the_old_form_cannot_be_signed(store: Store, settings: Settings) -> None:
    old = Path(__file__).parents[2].joinpath("support/best_model_info_old.json").read_bytes()
    foreign.put(store, POINTER, old)
    with pytest.raises(Refused, match=r"^pointer\.signature: .*\bold form\b.*; .*CHAMPION_SIGNING_KEY"):
        activate(store, asking(settings, 0), NOW)


def test_a_signature_survives_being_written_and_read() -> None:
    pointer = signed(foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2))
    verify(Pointer.parse(pointer.to_json()), STRICT)


@given(value=st.text(max_size=90), key_id=st.text(max_size=20), algorithm=st.text(max_size=10))
def test_any_signature_is_judged_and_none_of_these_is_valid(value: str, key_id: str, algorithm: str) -> None:
    pointer = foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2)
    made_up = {"algorithm": algorithm, "key_id": key_id, "value": value}
    with pytest.raises(ContractError, match="signature"):
        verify(replace(pointer, signature=made_up), BOTH)
    real = envelope(PUBLIC[0], "local", base64.b64decode("AA==")) | {"value": value}
    with pytest.raises(ContractError, match="signature"):
        verify(replace(pointer, signature=real), BOTH)


@pytest.mark.parametrize("change", [{"algorithm": "rsa"}, {"value": "$"}])
def test_a_valid_signature_is_written_in_one_way(change: dict[str, str]) -> None:
    """Its algorithm is named, and its value is base64 without other characters."""
    pointer = signed(foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2))
    assert pointer.signature is not None
    verify(pointer, STRICT)
    value = pointer.signature["value"] + change.get("value", "")
    with pytest.raises(ContractError, match="signature"):
        verify(replace(pointer, signature={**pointer.signature, **change, "value": value}), STRICT)


def test_a_signature_does_not_depend_on_the_order_of_members() -> None:
    pointer = signed(
        foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2, metrics={"a": 1.0, "b": 2.0})
    )
    verify(replace(pointer, metrics={"b": 2.0, "a": 1.0}), STRICT)


def test_without_keys_nothing_of_cryptography_is_loaded() -> None:
    code = "import sys, lambda_fn.refresh, lambda_fn.api; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "False", done.stderr
