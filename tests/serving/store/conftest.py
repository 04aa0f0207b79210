"""A laptop: nothing in the environment says who one is."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.laptop import KEYS


@pytest.fixture
def laptop(
    bucket_environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A home without ~/.aws, and an environment without keys; the bucket's other variables are set."""
    for name in (*KEYS, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # botocore's word: this machine has no role
    (tmp_path / ".aws").mkdir()
    yield {name: value for name, value in bucket_environ.items() if name not in KEYS} | {"HOME": str(tmp_path)}
