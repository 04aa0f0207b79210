"""Training signs what it publishes, with a key of its own or one of AWS KMS."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lambda_fn.champion.signature import message, verify
from lambda_fn.contract import Pointer
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from tests.support import foreign
from training.publishing.promotion import promote, read_active
from training.publishing.publish import rollback
from training.publishing.signing import SigningError, make_key, make_signer

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)


def keyed(settings: Settings, private: str, *public: str) -> Settings:
    keys = tuple(base64.b64decode(key) for key in public)
    return settings._replace(champion_signing_key=private, champion_public_keys=keys)


def pointer(data: bytes) -> Pointer:
    return replace(foreign.pointer_to(data, foreign.price_file(), None), generation=1)


def publish(store: Store, settings: Settings, data: bytes) -> None:
    store.create("prices/EURUSD-ecb.csv", foreign.price_file())
    found = pointer(data)
    assert found.champion is not None
    promote(store, settings, found, found.champion, data, NOW, lambda moved: None)


def test_what_is_published_and_rolled_back_is_signed(tmp_path: Path) -> None:
    private, public = make_key()
    settings = keyed(Settings.from_env({"STORE_DIR": str(tmp_path)}), private, public)
    from lambda_fn.store.s3 import open_store

    store = open_store(settings)
    for spread in (0.005, 0.006):
        publish(store, settings, foreign.champion_bytes(spread=spread))
    rollback(store, settings, None, NOW)
    active = read_active(store, "EURUSD")
    assert active is not None and active.generation == 3
    verify(active.pointer, settings)
    for generation in (1, 2, 3):
        verify(Pointer.parse(store.read(f"models/history/{generation:08d}.json").data), settings)


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    private, public = make_key()
    (tmp_path / "key").write_text(private + "\n")
    settings = keyed(Settings.from_env({}), str(tmp_path / "key"), public)
    verify(make_signer(settings)(pointer(foreign.champion_bytes())), settings)


def test_without_a_key_nothing_is_signed_unless_it_must_be() -> None:
    settings = Settings.from_env({})
    assert make_signer(settings)(pointer(foreign.champion_bytes())).signature is None
    with pytest.raises(SigningError, match="CHAMPION_SIGNING_KEY: required"):
        make_signer(keyed(settings, "", make_key()[1]))


@pytest.mark.parametrize("given", ["a-secret", "c2hvcnQ=", "/nowhere/key"])
def test_a_wrong_key_is_named_by_its_variable_and_never_shown(given: str) -> None:
    settings = keyed(Settings.from_env({}), given)
    with pytest.raises(SigningError, match="CHAMPION_SIGNING_KEY: neither") as caught:
        make_signer(settings)
    assert given not in str(caught.value)
    assert given not in repr(settings)


def test_a_key_that_serving_does_not_know_is_refused_before_anything_is_written() -> None:
    settings = keyed(Settings.from_env({}), make_key()[0], make_key()[1])
    with pytest.raises(SigningError, match=r"^CHAMPION_SIGNING_KEY: not the key .* CHAMPION_PUBLIC_KEYS, .*; "):
        make_signer(settings)(pointer(foreign.champion_bytes()))


def test_a_key_of_kms_signs_the_message_as_it_is() -> None:
    key = Ed25519PrivateKey.generate()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    settings = keyed(Settings.from_env({}), "awskms:alias/champions", public)
    found = pointer(foreign.champion_bytes())
    signed = message(found, "local")
    import boto3

    client = boto3.client("kms", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("get_public_key", {"PublicKey": spki}, {"KeyId": "alias/champions"})
        asked = {
            "KeyId": "alias/champions",
            "Message": signed,
            "MessageType": "RAW",
            "SigningAlgorithm": "ED25519_SHA_512",
        }
        stub.add_response("sign", {"Signature": key.sign(signed)}, asked)
        verify(make_signer(settings, lambda region: client)(found), settings)
        stub.add_client_error("get_public_key", "AccessDeniedException")
        with pytest.raises(SigningError, match="kms:GetPublicKey and kms:Sign"):
            make_signer(settings, lambda region: client)


def test_the_command_makes_a_pair(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "keys", "--json"]
    environ = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    settings = Settings.from_env(made)
    verify(make_signer(settings)(pointer(foreign.champion_bytes())), settings)
