"""The tests of the infrastructure share one reader of templates, which ends with them."""

from tests.support.infra import aws_tools


def pytest_sessionfinish() -> None:
    aws_tools.close()
