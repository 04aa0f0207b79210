"""The forms in which people have prices, each known by what is characteristic of it.

An entry names a form, the columns that give it away, what they are called here, and the test file that it reads
(`tests/training/prices/forms/`). A file of no form is read all the same where it has a date and a close: the registry
says where they are under another name, and which lines are none of the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from training.prices import layouts
from training.prices.grid import Grid, plain

OTHER_NAMES = {
    "date": (
        "time",
        "timestamp",
        "datetime",
        "observation_date",
        "time_period",
        "gmt_time",
        "local_time",
        "time_eet",
        "datum",
        "fecha",
    ),
    "close": ("price", "last", "rate", "value", "obs_value"),
}
_OHLC = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Form:
    """One form. `needs` are names of columns, all of which it has; `names` says what its columns are here; `arrange`
    makes a plain grid of one that is arranged otherwise, for a pair, and None of what is not this form; `zone` is that
    of its times of day, where it has any without saying so; `wide` has a column a currency, in units per euro."""

    name: str
    sample: str
    needs: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    arrange: Callable[[Grid, str], Grid | None] | None = None
    zone: str = "UTC"
    wide: bool = False

    def fits(self, names: Sequence[str]) -> bool:
        return bool(self.needs) and set(self.needs) <= set(names)


def _investing(language: str, sample: str, titles: Sequence[str]) -> Form:
    """Titles of date, close, open, high and low."""
    columns = [plain(title) for title in titles]
    needs = tuple(columns) if len(columns) < 5 else tuple(columns[:3])
    return Form(
        f"Investing.com, {language}", sample, needs, dict(zip(columns, ("date", "close", *_OHLC[:3]), strict=True))
    )


FORMS = (
    Form("yfinance with three header rows", "yfinance.csv", arrange=layouts.three_headers),
    Form("Bundesbank", "bundesbank.csv", arrange=layouts.bundesbank),
    Form("HistData", "histdata.csv", arrange=layouts.histdata, zone="Etc/GMT+5"),
    Form("MetaTrader 4", "metatrader4.csv", arrange=layouts.metatrader),
    Form(
        "Yahoo's web page",
        "yahoo-page.csv",
        ("date", "close_close_price_adjusted_for_splits"),
        {"close_close_price_adjusted_for_splits": "close"},
    ),
    Form("Yahoo", "yahoo.csv", ("date", "open", "high", "low", "close", "adj_close", "volume")),
    Form(
        "Investing.com, English",
        "investing-en.csv",
        ("date", "price", "open", "high", "low", "change"),
        {"price": "close"},
    ),
    _investing("German", "investing-de.csv", ("Datum", "Zuletzt", "Eröffn.", "Hoch", "Tief")),
    _investing("French", "investing-fr.csv", ("Date", "Dernier", "Ouv.", " Plus Haut", "Plus Bas")),
    _investing("Spanish", "investing-es.csv", ("Fecha", "Último", "Apertura", "Máximo", "Mínimo")),
    _investing("Italian", "investing-it.csv", ("Data", "Ultimo", "Apertura", "Massimo", "Minimo")),
    _investing("Portuguese", "investing-pt.csv", ("Data", "Último", "Abertura", "Máxima", "Mínima")),
    _investing("Turkish", "investing-tr.csv", ("Tarih", "Şimdi", "Açılış", "Yüksek", "Düşük")),  # noqa: RUF001
    _investing("Russian", "investing-ru.csv", ("Дата", "Цена", "Откр.", "Макс.", "Мин.")),
    _investing("Japanese", "investing-ja.csv", ("日付け", "終値", "始値", "高値", "安値")),
    Form(
        "Stooq, Polish",
        "stooq-pl.csv",
        ("data", "otwarcie", "najwyzszy", "najnizszy", "zamkniecie"),
        {"data": "date", "otwarcie": "open", "najwyzszy": "high", "najnizszy": "low", "zamkniecie": "close"},
    ),
    Form("Stooq, archive", "stooq-archive.csv", ("ticker", "per", "date", "time", "close"), {"vol": "volume"}),
    Form("FRED, old", "fred-old.csv", ("date", "dexuseu"), {"dexuseu": "close"}),
    Form("FRED", "fred.csv", ("observation_date",)),
    Form(
        "ECB's data portal, SDMX",
        "ecb-sdmx.csv",
        ("key", "freq", "currency", "currency_denom", "time_period", "obs_value"),
        {"time_period": "date", "obs_value": "close"},
        arrange=layouts.one_series,
    ),
    Form("ECB's data portal", "ecb-portal.csv", ("date", "time_period"), arrange=layouts.portal),
    Form("ECB's history", "ecb-history.csv", ("date", "usd", "jpy", "gbp", "chf"), wide=True),
    Form("Alpha Vantage", "alpha-vantage.csv", ("timestamp", *_OHLC)),
    Form("Twelve Data", "twelve-data.csv", ("datetime", *_OHLC)),
    Form("Nasdaq Data Link", "nasdaq.csv", ("date", "value")),
    Form(
        "Polygon",
        "polygon.csv",
        ("t", "o", "h", "l", "c"),
        {"t": "date", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"},
    ),
    Form("Dukascopy", "dukascopy.csv", ("gmt_time", *_OHLC)),
    Form("Dukascopy's JForex", "dukascopy-eet.csv", ("time_eet", *_OHLC), zone="EET"),
    Form("MetaTrader 5", "metatrader5.csv", ("date", *_OHLC, "tickvol"), {"tickvol": "volume", "vol": "real_volume"}),
    Form(
        "OANDA",
        "oanda.csv",
        ("time", "mid_o", "mid_h", "mid_l", "mid_c"),
        {"time": "date", "mid_o": "open", "mid_h": "high", "mid_l": "low", "mid_c": "close"},
    ),
    Form("TradingView", "tradingview.csv", ("time", *_OHLC)),
    Form("Stooq", "stooq.csv", ("date", *_OHLC)),
)

DATE_NAMES = frozenset(
    {"date", *OTHER_NAMES["date"]} | {old for form in FORMS for old, new in form.names.items() if new == "date"}
)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row of cells has the title of a column of dates, besides another."""
    names = [plain(cell) for cell in cells]
    return sum(bool(name) for name in names) > 1 and not DATE_NAMES.isdisjoint(names)


def recognise(grid: Grid, pair: str) -> tuple[Form | None, Grid]:
    """The form of a grid, the first of the registry that fits, and the grid as a plain one."""
    names = [plain(title) for title in grid.header]
    for form in FORMS:
        if form.needs and not form.fits(names):
            continue
        if form.arrange is None:
            return form, grid
        arranged = form.arrange(grid, pair)
        if arranged is not None:
            return form, arranged
    return None, grid
