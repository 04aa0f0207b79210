"""Versions of the API: listed, taken back to the one before the live one, and removed when old."""

import pytest

from infra import releases
from tests.support.infra.aws_account import REGION, Account

STACK, SHELL = "eurusd-forecast", {"AWS_REGION": REGION}


@pytest.fixture
def stack(account: Account) -> Account:
    """An account in which version 3 of 4 is live: a canary took version 4 back."""
    account.create_stack(STACK, {"ApiFunctionName": "api"})
    account.create_function("api", versions=4, live=3)
    return account


def live(account: Account) -> str:
    name: str = account.client("lambda").get_alias(FunctionName="api", Name="live")["FunctionVersion"]
    return name


def test_back_is_the_version_before_the_live_one(stack: Account) -> None:
    done = stack.run("infra.releases", STACK, **SHELL)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "2", "3", "4"], done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" live")] == ["3"]
    done = stack.run("infra.releases", STACK, "--back", **SHELL)
    assert (done.returncode, live(stack)) == (0, "2"), done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" live")] == ["2"]


def test_a_version_can_be_named_and_must_exist(stack: Account) -> None:
    with stack.variables():
        releases.activate("api", 4, stack.session())
        assert live(stack) == "4"
        with pytest.raises(releases.ReleaseError, match=r"^--to: no version 7; the versions are 1, 2, 3, 4$"):
            releases.activate("api", 7, stack.session())
        releases.activate("api", 1, stack.session())
    done = stack.run("infra.releases", STACK, "--back", **SHELL)
    assert done.returncode == 1 and done.stderr.startswith("1: no older ")


def test_versions_are_numbers_and_come_by_pages(account: Account) -> None:
    account.create_function("api", versions=52, live=52)
    with account.variables():
        assert releases.read_releases("api", account.session()).previous == 51
        assert releases.remove_old("api", account.session()) == list(range(1, 42))
        assert releases.remove_old("api", account.session()) == []
        assert list(releases.read_releases("api", account.session()).times) == list(range(42, 53))
