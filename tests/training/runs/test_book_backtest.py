"""The backtest of books: calibrated where the forecast is right, and against two usual methods."""

import numpy as np
import pandas as pd
import pytest

from training.commands.report_html import book_table_html
from training.runs import book_backtest as books
from training.runs.book_backtest import BOOKS, CURRENCIES, HORIZONS, Scene, book_table, random_books

DAYS, FREEDOM, SD = 1_600, 6.0, 0.005


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Returns with one factor and the tails of a t, and the right standard deviations."""
    rng, size = np.random.default_rng(2), len(CURRENCIES)
    chi = np.sqrt((FREEDOM - 2) / rng.chisquare(FREEDOM, (DAYS, 1)))
    normal = 0.6 * rng.standard_normal((DAYS, 1)) + 0.8 * rng.standard_normal((DAYS, size))
    logs = np.concatenate([np.zeros((1, size)), (SD * chi * normal).cumsum(axis=0)])
    rows = np.arange(600, DAYS)
    sds = np.broadcast_to(SD * np.sqrt(np.array(HORIZONS, float)), (len(rows), size, len(HORIZONS)))
    return book_table(Scene(logs, rows, np.array(sds), np.full(len(rows), FREEDOM)), random_books())


def test_a_right_forecast_is_calibrated(table: pd.DataFrame) -> None:
    for row in table[table["horizon"] == 1].to_dict("records"):
        assert row["covered"] == pytest.approx(row["confidence"], abs=0.012)
        assert row["shortfall"] == pytest.approx(1, abs=0.15)
    assert table.groupby("horizon")["days"].first().to_dict() == {h: DAYS + 1 - 600 - h for h in HORIZONS}
    assert (table[table["confidence"] == 0.99]["vs normal"] > 0).all()  # which has no tails


def test_the_books_are_the_same_for_a_seed() -> None:
    found = random_books()
    assert found.shape == (BOOKS, len(CURRENCIES)) and (found == random_books()).all()
    assert np.abs(found).sum(axis=1) == pytest.approx(1)
    kinds = [found[kind::4] for kind in range(4)]
    assert (kinds[0] > 0).all() and (kinds[1] < 0).all()
    assert ((kinds[2] > 0).any(axis=1) & (kinds[2] < 0).any(axis=1)).mean() > 0.9
    assert ((kinds[3] != 0).sum(axis=1) <= 4).all()
    assert (found != random_books(31)).any()


def test_the_report_has_a_row_for_each_horizon_and_confidence(table: pd.DataFrame) -> None:
    text = book_table_html(table)
    assert text.count("<tr>") == 1 + len(table) == 7
    assert f"{100 * table['covered'][0]:.2f}" in text


class _Stages:
    """Stages that show nothing."""

    def stage(self, *_: object) -> "_Stages":
        return self

    def __enter__(self) -> object:
        return lambda name: None

    def __exit__(self, *_: object) -> None:
        pass


def test_a_scene_has_the_forecasts_of_the_calendar_head() -> None:
    scene = books.make_scene(_Stages(), ("USD", "JPY"), 2026)  # type: ignore[arg-type]
    assert scene.sds.shape[1:] == (2, len(HORIZONS)) and len(scene.rows) > 200
    daily = scene.sds[:, :, 0]
    assert 0.001 < daily.min() and daily.max() < 0.03
    assert (np.diff(scene.sds, axis=2) > 0).all() and (scene.freedom > 3).all()
