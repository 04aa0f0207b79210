"""The demo's image: what it installs and runs, and that no other image has a model."""

import re

import pytest

from tests.support.infra import dockerfiles
from tests.support.infra.aws_tools import ROOT
from tests.support.infra.dockerfiles import DEMO

INSTRUCTIONS = dockerfiles.instructions(DEMO)
TRAINING = r"-m training run"


def test_its_packages_are_those_of_the_other_images() -> None:
    """The same lines, so that a builder has them in its cache."""
    others = [*dockerfiles.installations("infra/training.Dockerfile"), *dockerfiles.installations("Dockerfile.lambda")]
    assert dockerfiles.installations(DEMO) == others


def test_it_serves_as_a_plain_user_and_is_the_last_stage() -> None:
    training, demo = re.split(r"^FROM .* AS demo$", INSTRUCTIONS, flags=re.MULTILINE)
    assert len(re.findall(TRAINING, training)) == 1 and not re.findall(TRAINING, demo)
    assert re.findall(r"^USER (\S+)", demo, re.MULTILINE) == ["1000:1000"]
    assert "exec python -m lambda_fn.server --host 0.0.0.0" in demo


@pytest.mark.parametrize("name", sorted({*dockerfiles.FILES} - {DEMO}))
def test_no_other_image_trains_or_copies_a_model(name: str) -> None:
    assert not re.search(TRAINING, dockerfiles.instructions(name))
    assert not {source.split("/")[0] for source in dockerfiles.copied(name)} & {"models", "serving", "prices", "--from"}


def test_nothing_is_deployed_from_it() -> None:
    files = [ROOT / "template.yaml", ROOT / "samconfig.toml"]
    files += [path for path in (ROOT / "infra").iterdir() if path.suffix in (".yaml", ".yml", ".py")]
    assert len(files) > 10
    assert [file.name for file in files if re.search(r"--target[= ]demo|eurusd-demo", file.read_text())] == []
