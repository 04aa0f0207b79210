"""The titles that sources give the columns of a price table, in many languages, as the names used here."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_DATE = """date dates dt dtyyyymmdd yyyymmdd trade_date trading_date exchange_date price_date rate_date
quote_date as_of_date effective_date observation_date datum stichtag handelstag fecha dia data giorno jour
séance tarih gün дата день 日付け 日付 日期 交易日期 날짜 일자 dato päivämäärä päiväys dátum ngày tanggal"""
_STAMP = """timestamp datetime date_time datetime_utc ts t time_period gmt_time utc_time local_time time_eet
time_utc time_gmt bar_time period_start start_time open_time serial zeitpunkt fecha_hora 日時 datum_och_tid"""
_TIME = "time zeit uhrzeit hora heure ora orario saat время godzina czas tijd tid 時刻 時間 时间 시간"
_CLOSE = """close closing closing_price close_price price_close closeprice close_last closing_rate c schluss
schlusskurs schlußkurs schlußstand schlusspreis cierre precio_de_cierre clôture cloture cours_de_clôture
chiusura prezzo_di_chiusura fechamento preço_de_fechamento fecho kapaniş kapaniş_fiyati закрытие закр
цена_закрытия 終値 zamkniecie zamknięcie kurs_zamkniecia kurs_zamknięcia slot slotkoers sluitkoers stängning
slutkurs sluttkurs lukukurssi päätöskurssi záró záróár zavírací 收盘 收盘价 收市 收市价 종가 penutupan đóng_cửa
κλείσιμο închidere close_close_price_adjusted_for_splits"""
_LAST = """last last_price lastprice price px px_last trade_price trdprc_1 hst_close rate exchange_rate fx_rate
value obs_value mid mid_price midprice mid_rate mid_close spot quote wert kurs letzter letzter_kurs zuletzt
dernier dernier_cours cours último ultimo precio preço prezzo valor valore son şimdi fiyat цена последняя курс
現在値 価格 最新价 现价 현재가 laatste koers senast terakhir lần_cuối"""
_OPEN = """open opening opening_price open_price price_open openprice px_open o eröffnung eröffn eröffnungskurs
erster erster_kurs anfangskurs apertura abertura ouverture ouv açiliş открытие откр цена_открытия 始値 otwarcie
kurs_otwarcia openingskoers öppning åpning avaus nyitó 开盘 开盘价 开市 시가 pembukaan mở"""
_HIGH = """high high_price price_high highprice px_high h hoch höchst höchstkurs tageshoch máximo máxima max máx
plus_haut haut massimo yüksek en_yüksek максимум макс 高値 najwyzszy najwyższy hoog hoogste högst høy ylin
legmagasabb 最高 最高价 고가 tertinggi cao"""
_LOW = """low low_price price_low lowprice px_low l tief tiefst tiefstkurs tagestief mínimo mínima min mín
plus_bas bas minimo düşük en_düşük минимум мин 安値 najnizszy najniższy laag laagste lägst lav alin
legalacsonyabb 最低 最低价 저가 terendah thấp"""
_VOLUME = "volume vol v tickvol tick_volume volumen volumes"


def plain(title: str) -> str:
    """A column's title as a name: lower-case words joined by underscores, without accents."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return re.sub(r"\W+", "_", letters.lower().replace("\u0131", "i")).strip("_")  # Turkish has an i without a dot


def _named(fields: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    return {plain(title): field for field, titles in fields for title in titles.split()}


# Which of several columns is taken: date before stamp before time, and close before last.
FIELDS = _named(
    (
        ("volume", _VOLUME),
        ("low", _LOW),
        ("high", _HIGH),
        ("open", _OPEN),
        ("last", _LAST),
        ("close", _CLOSE),
        ("time", _TIME),
        ("stamp", _STAMP),
        ("date", _DATE),
    )
)
PRICES = ("open", "high", "low", "close")
_SIDES = ("bid", "ask", "mid")


def field_of(title: str) -> tuple[str, str]:
    """The field of a plain title, empty where it has none, and its side: `bid`, `ask` or `mid`, else empty.

    A side alone, and with a word such as `price`, is that side's close.
    """
    if title in FIELDS and not title.startswith("mid"):
        return FIELDS[title], ""
    parts = re.split(r"_+|(?<=^bid)|(?<=^ask)|(?<=^mid)|(?=bid$|ask$|mid$)", title)
    parts = [word for word in parts if word not in ("", "universal", "primary")]
    sides = [word for word in parts if word in _SIDES]
    if len(sides) != 1:
        return "", ""
    rest = "_".join(word for word in parts if word != sides[0])
    field = FIELDS.get(rest, "") if rest else "close"
    field = "close" if field == "last" else field
    return (field, sides[0]) if field in PRICES else ("", "")
