"""The region of every command: the runbook's variable, boto3's, or the profile's, for children too."""

import re
from pathlib import Path

import pytest

import infra
from infra.session import SessionError, child_environ, open_session
from tests.support.infra.aws_account import Account


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose default profile has a region of its own."""
    (tmp_path / "config").write_text("[default]\nregion = us-west-2\n[profile other]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
        ({"AWS_REGION": " ", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({}, "us-west-2"),
        ({"AWS_PROFILE": "", "AWS_REGION": ""}, "us-west-2"),
        ({"AWS_PROFILE": "other", "AWS_REGION": "eu-west-3"}, "eu-west-3"),
    ],
)
def test_the_region(environ: dict[str, str], region: str) -> None:
    session = open_session(environ)
    assert session.region_name == region
    child = child_environ({**environ, "HOME": "/"}, session)
    assert (child["AWS_REGION"], child["AWS_DEFAULT_REGION"], child["HOME"]) == (region, region, "/")


@pytest.mark.usefixtures("profile")
def test_no_region_or_profile_names_the_variable() -> None:
    with pytest.raises(SessionError, match=r"^AWS_REGION: not set"):
        open_session({"AWS_PROFILE": "other"})
    with pytest.raises(SessionError, match=r"^AWS_PROFILE: .*nobody.*; "):
        open_session({"AWS_PROFILE": "nobody", "AWS_REGION": "eu-central-1"})


def test_no_command_opens_another_session() -> None:
    """boto3's own one reads another variable for the region."""
    others = [path for path in Path(infra.__file__).parent.glob("*.py") if path.name != "session.py"]
    assert [path.name for path in others if re.search(r"boto3\.(Session|client|resource)\(", path.read_text())] == []


@pytest.mark.parametrize("module", ["infra.hook", "infra.outputs", "infra.redrive", "infra.releases"])
def test_commands_look_into_the_region_that_the_runbook_exports(module: str, account: Account) -> None:
    """Although the profile names another, in which a stack of the same name is."""
    (account.folder / "config").write_text("[default]\nregion = us-west-2\n")
    account.create_stack("eurusd-forecast", {"StoreBucket": "a-bucket"}, region="us-west-2")
    file = {"AWS_CONFIG_FILE": str(account.folder / "config"), "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    done = account.run(module, "eurusd-forecast", AWS_REGION="eu-west-1", **file)
    assert done.returncode == 1 and "does not exist" in done.stderr
    done = account.run("infra.outputs", "eurusd-forecast", **file)
    assert "AWS_REGION=us-west-2" in done.stdout
