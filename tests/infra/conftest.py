"""Fixtures of the tests of the stacks and their commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.infra import aws_account
from tests.support.infra.aws_account import Account


@pytest.fixture(scope="package")
def aws_server() -> Iterator[str]:
    """The address of moto's server."""
    with aws_account.server() as address:
        yield address


@pytest.fixture
def account(aws_server: str, tmp_path: Path) -> Account:
    """An empty AWS account."""
    return aws_account.empty_account(aws_server, tmp_path)
