"""The end of what the tests of the infrastructure share."""

from tests.support.infra import aws_tools


def pytest_sessionfinish() -> None:
    aws_tools.close()
