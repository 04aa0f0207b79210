"""Formats whose tables are arranged in their own way, or whose times are in a zone that the file does not name.

Every other file is read by the titles of its columns (`training.prices.titles`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.prices import layouts
from training.prices.grid import Grid
from training.prices.titles import plain


@dataclass(frozen=True)
class Form:
    """One format. `needs` are columns that it has; `arrange` makes a plain grid for a pair, and None of any other
    table; `zone` is that of its times of day."""

    name: str
    needs: tuple[str, ...] = ()
    arrange: Callable[[Grid, str], Grid | None] | None = None
    zone: str = "UTC"

    def fits(self, names: Sequence[str]) -> bool:
        return set(self.needs) <= set(names)


FORMS = (
    Form("yfinance with three header rows", arrange=layouts.three_headers),
    Form("Bundesbank", arrange=layouts.bundesbank),
    Form("HistData", arrange=layouts.histdata, zone="Etc/GMT+5"),
    Form("MetaTrader 4", arrange=layouts.metatrader),
    Form(
        "ECB's data portal, SDMX",
        ("key", "freq", "currency", "currency_denom", "time_period", "obs_value"),
        layouts.one_series,
    ),
    Form("ECB's data portal", ("date", "time_period"), layouts.portal),
    Form("dates across the columns", arrange=layouts.transposed),
    Form("Dukascopy's JForex", ("time_eet",), zone="EET"),
)


def recognise(grid: Grid, pair: str) -> tuple[Form | None, Grid]:
    """The format of a grid, the first that fits, and the grid as a plain one."""
    names = [plain(title) for title in grid.header]
    for form in FORMS:
        if not form.fits(names):
            continue
        if form.arrange is None:
            return form, grid
        arranged = form.arrange(grid, pair)
        if arranged is not None:
            return form, arranged
    return None, layouts.unstacked(grid, pair)
