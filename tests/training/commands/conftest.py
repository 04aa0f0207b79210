"""A store and a registry in which something is published, for commands that read them."""

from pathlib import Path

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import tracked


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prices, a registry of three models and two generations; a test that writes works on a copy."""
    folder = tmp_path_factory.mktemp("published")
    settings = Settings.from_env({"STORE_DIR": str(folder)})
    store = open_store(settings)
    with tracked.database(folder, tmp_path_factory.getbasetemp()):
        tracked.put_prices(store)
        tracked.publish(store, settings, "arima", 1)
        tracked.publish(store, settings, "lstm", 1)
    return folder
