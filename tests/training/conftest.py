"""Real prices for every training test: the ECB's embedded history."""

from datetime import date

import pandas as pd
import pytest

from training.prices.table import PriceTable, load


@pytest.fixture(scope="session")
def ecb() -> PriceTable:
    """The whole table, close and 40 other currencies, as embedded."""
    return load("ecb", today=date(2026, 11, 1))


@pytest.fixture(scope="session")
def prices(ecb: PriceTable) -> pd.DataFrame:
    """The close alone."""
    return ecb.frame[["close"]]
