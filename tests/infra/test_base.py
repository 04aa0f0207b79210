"""The base image of a production build: its digest is written down, fetched and found again in what was built.

By a command `docker` that knows two images: no registry can be reached here.
"""

import re
from pathlib import Path

import pytest

from infra import base, image
from infra.preflight import check_machine

NAME = "public.ecr.aws/lambda/python"
DIGEST = f"{NAME}@sha256:{'ab' * 32}"
DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
    *RepoDigests*) echo '{digests}' ;;
    *"inspect built"*) echo '["sha256:1", "sha256:2", "sha256:3"]' ;;
    *"inspect another"*) echo '["sha256:9", "sha256:2", "sha256:3"]' ;;
    *RootFS*) echo '["sha256:1", "sha256:2"]' ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What docker was asked, a line a call."""
    log = tmp_path / "calls"
    docker(tmp_path, f'["mirror.example/python@sha256:00", "{DIGEST}"]')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(base, "PINNED", tmp_path / "base_image.txt")
    return log


def docker(folder: Path, digests: str) -> None:
    (folder / "docker").write_text(DOCKER.format(log=folder / "calls", digests=digests))
    (folder / "docker").chmod(0o755)


def test_what_the_tag_means_is_written_down_and_fetched(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert base.main() == 0
    assert capsys.readouterr().out == f"base_image.txt: {DIGEST}\n"
    assert calls.read_text().splitlines()[0] == f"pull {NAME}:3.12"
    calls.unlink()
    assert base.fetch("arm64") == DIGEST
    assert calls.read_text().splitlines() == [
        f"pull --platform linux/arm64 {DIGEST}",
        f"tag {DIGEST} {image.base_image()}",
    ]


@pytest.mark.parametrize("digests", ["[]", "null", '["mirror.example/python@sha256:00"]'])
def test_an_image_of_no_registry_has_no_digest(
    digests: str, calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docker(tmp_path, digests)
    assert base.main() == 1
    *_, message = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"{image.base_image()} has no digest: .*; pull .*", message)
    assert not base.PINNED.exists()


def test_an_image_on_another_base_is_noticed(calls: Path) -> None:
    base.check("built", DIGEST)
    with pytest.raises(base.NotPinned, match=f"^another .* {DIGEST}: docker image rm {image.base_image()},"):
        base.check("another", DIGEST)


@pytest.mark.parametrize(
    "content", [None, "public.ecr.aws/lambda/python:3.12", f"{NAME}@sha256:ab", f"other@sha256:{'ab' * 32}"]
)
def test_production_is_not_built_on_a_tag(content: str | None, calls: Path) -> None:
    if content:
        base.PINNED.write_text(content)
    findings = [each for each in check_machine("production", "x86_64") if "base_image" in each.text]
    assert [each.fatal for each in findings] == [True] and "make digests" in findings[0].text
    with pytest.raises(base.NotPinned):
        base.fetch()


def test_docker_fails_in_its_own_words(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 3\n")
    assert base.main() == 3
