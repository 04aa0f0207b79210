"""The table of formats: every kind of price file that is known, and what becomes of it.

`READ` files give the closes that they were written from. Others are refused with a message that states the facts.
"""

import bz2
import lzma
import pickle
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from tests.support.hourly import fixings
from tests.support.price_forms import WRITERS, bars_of
from tests.support.price_sources import (
    USD,
    bars,
    by_day,
    by_stamp,
    ecb,
    h10,
    js,
    lines,
    localised,
    millis,
    nbp,
    ohlc,
    packed,
    plain_bar,
    rate,
    rba,
    records,
    sheets,
    snb,
    tickers,
    wide,
    with_sundays,
    written,
)
from training.prices.read_options import PLAIN, Reading

READ: tuple[str, ...] = ()


class Format(NamedTuple):
    name: str
    data: str | bytes | Callable[[], str | bytes]
    facts: tuple[str, ...] = READ
    pair: str = "EURUSD"
    reading: Reading = PLAIN


CLOSE = "Date,Close"
PLAIN_CSV = lines(CLOSE, lambda day, price: f"{day:%Y-%m-%d},{price}")
ISO = "%Y-%m-%d"
MANY = [f"c{i}" for i in range(5000)]
BARS = bars_of((day.date(), price) for day, price in by_stamp())
CLOSED = {"histdata.csv": Reading(resample="17:00 Etc/GMT+5")}
TABLE = [
    # Each also has its file in tests/training/prices/forms
    *(Format(name, write(BARS), reading=CLOSED.get(name, PLAIN)) for name, write in WRITERS.items()),
    # Central banks
    Format("Fed H.10", lines("Time Period,RXI$US_N.B.EU", lambda day, price: f"{day:%Y-%m-%d},{price:.4f}")),
    Format(
        "Fed H.10, several series",
        lines(
            '"Series Description","SPOT - EURO AREA ","UNITED KINGDOM, US$/POUND"\n"Unit:","Currency:_Per_EUR",'
            '"Currency:_Per_GBP"\n"Multiplier:","1","1"\n"Currency:","USD","USD"\n"Unique Identifier: ",'
            '"H10/H10/RXI$US_N.B.EU","H10/H10/RXI$US_N.B.UK"\n"Time Period","RXI$US_N.B.EU","RXI$US_N.B.UK"',
            h10,
        ),
    ),
    Format(
        "FRED, several series",
        lines("observation_date,DEXUSEU,DEXUSUK", h10),
    ),
    Format("FRED, JSON", js({"observations": records(lambda d, p: {"date": f"{d:%Y-%m-%d}", "value": str(p)})})),
    Format(
        "Bank of England", lines("DATE,XUDLUSS", lambda d, p: f"{d:%d %b %Y},{rate('GBPUSD')[d]:.6f}"), pair="GBPUSD"
    ),
    Format(
        "Bank of England, the euro in pounds",
        lines(
            "DATE,XUDLUSS,XUDLERS", lambda d, p: f"{d:%d %b %Y},{rate('GBPUSD')[d]:.6f},{1 / ecb()['EURGBP'][d]:.6f}"
        ),
    ),
    Format("RBA F11.1", rba(), pair="AUDUSD"),
    Format("RBA F11.1, the euro in Australian dollars", rba()),
    Format("SNB", lines('"CubeId";"devkud"\n\n"Date";"D0";"D1";"Value"', snb), pair="EURCHF"),
    Format("SNB, the dollar in francs", lines('"CubeId";"devkud"\n\n"Date";"D0";"D1";"Value"', snb)),
    Format(
        "NBP",
        lines("data;1USD;1EUR;100JPY;nr tabeli;pelny numer tabeli;\n;dolar amerykański;euro;jen;;;", nbp).encode(
            "cp1250"
        ),
        pair="EURPLN",
    ),
    Format("NBP, the yen in zloty", lines("data;1USD;1EUR;100JPY;nr tabeli;pelny numer tabeli;", nbp), pair="EURJPY"),
    Format(
        "CNB",
        lines(
            "Date|1 AUD|1 EUR|1 USD",
            lambda d, p: f"{d:%d.%m.%Y}|1|{ecb()['EURCZK'][d]:.4f}|{ecb()['EURCZK'][d] / p:.6f}",
        ),
    ),
    Format("Riksbank", lines("Date;SEKEURPMI", lambda d, p: f"{d:%Y-%m-%d};{ecb()['EURSEK'][d]}"), pair="EURSEK"),
    Format(
        "Bank of Canada",
        lines(
            '"TERMS AND CONDITIONS"\n"https://www.bankofcanada.ca/terms/"\n\n"SERIES"\n"id","label"\n"FXEURCAD","EUR/CAD"\n\n'
            '"OBSERVATIONS"\n"date","FXEURCAD"',
            lambda d, p: f'"{d:%Y-%m-%d}","{ecb()["EURCAD"][d]}"',
        ),
        pair="EURCAD",
    ),
    Format(
        "Norges Bank",
        lines("FREQ;BASE_CUR;QUOTE_CUR;TIME_PERIOD;OBS_VALUE", lambda d, p: f"B;EUR;USD;{d:%Y-%m-%d};{p:.4f}"),
    ),
    Format("IMF", lines("Rates\t\n\t\nDate\tEuro(EUR)\tU.K. pound(GBP)", lambda d, p: f"{d:%d-%b-%Y}\t{p:.4f}\t1.3")),
    Format(
        "BIS, days across",
        "FREQ:Frequency,CURRENCY:Currency,"
        + ",".join(f"{day:%Y-%m-%d}" for day, _ in by_stamp())
        + "\nD: Daily,USD: US dollar,"
        + ",".join(f"{price:.4f}" for price in USD)
        + "\n",
    ),
    Format("euro table", wide(["EURUSD", "EURGBP", "EURJPY"], lambda pair: pair[3:]), pair="GBPUSD"),
    Format("dollar table", wide(["USDEUR", "USDGBP", "USDJPY"], lambda pair: pair[3:], 9)),
    Format("dollar table with its base", wide(["USDUSD", "USDEUR", "USDJPY"], lambda pair: pair[3:], 9)),
    Format("zloty table", wide(["EURPLN", "USDPLN"], lambda pair: pair[:3]), ("EURUSD, ", "--base PLN --invert")),
    Format(
        "zloty table, as advised",
        wide(["EURPLN", "USDPLN"], lambda pair: pair[:3]),
        reading=Reading(base="PLN", invert=True),
    ),
    Format(
        "currencies below each other",
        lines("date,currency,rate", lambda d, p: f"{d:%Y-%m-%d},USD,{p}\n{d:%Y-%m-%d},GBP,0.85"),
    ),
    # Platforms and terminals
    Format("cTrader", bars("Date,Time,Open,High,Low,Close", lambda d, b: plain_bar(d, b).replace(",", ",00:00,", 1))),
    Format("NinjaTrader", bars("", lambda d, b: f"{plain_bar(d, b)},0".replace(",", ";").replace("-", ""))),
    Format(
        "TradeStation",
        bars(
            '"Date","Time","Open","High","Low","Close","Up","Down"',
            lambda d, b: f"{d:%m/%d/%Y},1700,{plain_bar(d, b)[11:]},0,0",
            end="\r\n",
        ),
    ),
    Format(
        "Forex Tester",
        bars(
            "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
            lambda d, b: f"EURUSD,{d:%Y%m%d},000000,{plain_bar(d, b)[11:]},4",
        ),
    ),
    Format(
        "MetaStock",
        bars(
            "<TICKER>,<NAME>,<PER>,<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>",
            lambda d, b: f"EURUSD,EURO FX,D,{d:%m/%d/%Y},{plain_bar(d, b)[11:]}",
        ),
    ),
    Format(
        "TradingView with indicators",
        bars(
            "time,open,high,low,close,Shapes,Shapes,Plot,Plot",
            lambda d, b: f"{int(d.timestamp())},{plain_bar(d, b)[11:]},0,0,1.1,",
        ),
    ),
    Format("Bloomberg", lines("Dates,EURUSD Curncy", lambda d, p: f"{d:%d/%m/%Y},{p}")),
    Format(
        "Bloomberg, BDH",
        lines(
            "Security,EURUSD Curncy\nStart Date,01/01/2024\nPeriod,D\n\nDate,PX_LAST", lambda d, p: f"{d:%d/%m/%Y},{p}"
        ),
    ),
    Format("Bloomberg, bars", bars("Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST", plain_bar)),
    Format(
        "Refinitiv",
        bars("Exchange Date,Open,High,Low,Close", lambda d, b: f"{d:%d-%b-%Y},{plain_bar(d, b)[11:]}", newest=True),
    ),
    Format(
        "Refinitiv, bid and ask",
        lines(
            "Exchange Date,Bid,Ask,Net,%Chg",
            lambda d, p: f"{d:%d-%b-%Y},{p - 0.0001:.4f},{p + 0.0001:.4f},0.1,0.1",
            newest=True,
        ),
    ),
    Format(
        "FXCM, bid and ask",
        bars(
            "DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose",
            lambda d, b: f"{plain_bar(d, b)},{plain_bar(d, b)[11:]}",
        ),
    ),
    Format("Sunday rows", with_sundays),
    Format("a column a pair", wide(["EURUSD", "GBPUSD", "USDJPY"], decimals=4)),
    Format("a column a pair, with slashes", wide(["EURUSD", "GBPUSD"], lambda pair: f"{pair[:3]}/{pair[3:]}", 4)),
    Format("a column of the pair turned over", wide(["USDEUR", "USDGBP"], decimals=9)),
    Format(
        "thousands of columns",
        lines(",".join(["Date", "Close", *MANY]), lambda d, p: f"{d:%Y-%m-%d},{p}" + ",1" * 5000),
    ),
    Format(
        "pairs below each other",
        lines("date,symbol,close", lambda d, p: f"{d:%Y-%m-%d},EURUSD,{p}\n{d:%Y-%m-%d},USDJPY,150"),
    ),
    Format(
        "a day's serial number with the hour",
        lines("Serial,Close", lambda d, p: f"{(d - pd.Timestamp('1899-12-30')).days + 0.5},{p}"),
    ),
    Format("columns by blanks", ohlc().rename(columns=str.lower).to_string()),
    Format("Markdown", lines("| Date | Close |\n|---|---|", lambda d, p: f"| {d:%Y-%m-%d} | {p} |")),
    # Languages
    Format("German", localised("Datum", "Schluss", "Eröffnung", "Hoch", "Tief")),
    Format("German, exchange", localised("Datum", "Schlusskurs", "Erster", "Tageshoch", "Tagestief")),
    Format("Spanish", localised("Fecha", "Cierre", "Apertura", "Máximo", "Mínimo")),
    Format("French", localised("Date", "Clôture", "Ouverture", "Plus haut", "Plus bas", "%d/%m/%Y")),
    Format("Italian", localised("Data", "Chiusura", "Apertura", "Massimo", "Minimo")),
    Format("Portuguese", localised("Data", "Fechamento", "Abertura", "Máxima", "Mínima")),
    Format("Turkish", localised("Tarih", "Kapan\u0131ş", "Aç\u0131l\u0131ş", "Yüksek", "Düşük")),
    Format("Russian", localised("Дата", "Закрытие", "Открытие", "Максимум", "Минимум")),
    Format("Japanese", localised("日付", "終値", "始値", "高値", "安値", "%Y年%m月%d日")),
    Format("Polish", localised("Data", "Zamknięcie", "Otwarcie", "Najwyższy", "Najniższy")),
    Format(
        "German decimals of the yen",
        lines(
            "Datum,Schluss",
            lambda d, p: f'{d:%d.%m.%Y},"{p:.3f}"'.replace(".", ",").replace(",", ".", 2),
            rate("USDJPY").round(3),
        ),
        pair="USDJPY",
    ),
    Format(
        "German decimals of the yen per euro",
        lines("Datum,Schluss", lambda d, p: f'{d:%d.%m.%Y},"' + f'{p:.3f}"'.replace(".", ","), ecb()["EURJPY"]),
        pair="EURJPY",
    ),
    # JSON
    Format(
        "Alpha Vantage, JSON",
        js(
            {
                "Meta Data": {"2. From Symbol": "EUR"},
                "Time Series FX (Daily)": by_day(lambda d, p: {"1. open": str(p), "4. close": str(p)}),
            }
        ),
    ),
    Format(
        "Twelve Data, JSON",
        js(
            {
                "meta": {"symbol": "EUR/USD"},
                "values": records(lambda d, p: {"datetime": f"{d:%Y-%m-%d}", "open": str(p), "close": str(p)})[::-1],
            }
        ),
    ),
    Format(
        "OANDA, JSON",
        js(
            {
                "instrument": "EUR_USD",
                "candles": [
                    *records(
                        lambda d, p: {
                            "complete": True,
                            "time": f"{d - pd.Timedelta(hours=2):%Y-%m-%dT%H:%M:%S}.000000000Z",
                            "mid": {"c": str(p)},
                        }
                    ),
                    {"complete": False, "time": "2026-11-01T22:00:00.000000000Z", "mid": {"c": "1.2"}},
                ],
            }
        ),
    ),
    Format("CCXT, JSON", js(records(lambda d, p: [millis(d), p, p + 0.001, p - 0.001, p, 1.0]))),
    Format(
        "Kraken, JSON",
        js(
            {
                "error": [],
                "result": {
                    "EURUSD": records(lambda d, p: [millis(d) // 1000, str(p), str(p), str(p), str(p), str(p), "1", 2])
                },
            }
        ),
    ),
    Format("Frankfurter, JSON", js({"base": "EUR", "rates": by_day(lambda d, p: {"USD": p, "GBP": 0.85})})),
    Format("Frankfurter, JSON of dollars", js({"base": "USD", "rates": by_day(lambda d, p: {"EUR": round(1 / p, 9)})})),
    Format(
        "Polygon, JSON", js({"ticker": "C:EURUSD", "results": records(lambda d, p: {"t": millis(d), "o": p, "c": p})})
    ),
    Format(
        "Yahoo's chart, JSON",
        js(
            {
                "chart": {
                    "result": [
                        {
                            "meta": {"symbol": "EURUSD=X"},
                            "timestamp": records(lambda d, p: millis(d) // 1000),
                            "indicators": {
                                "quote": [{"close": records(lambda d, p: p), "open": records(lambda d, p: p)}]
                            },
                        }
                    ]
                }
            }
        ),
    ),
    Format("pandas, JSON of records", js(records(lambda d, p: {"Date": f"{d:%Y-%m-%d}", "Close": p}))),
    Format("pandas, JSON of columns", js({"Open": by_day(lambda d, p: p), "Close": by_day(lambda d, p: p)})),
    Format("pandas, JSON of one column by milliseconds", js({"Close": {str(millis(d)): p for d, p in by_stamp()}})),
    Format("pandas, JSON by index", js(by_day(lambda d, p: {"Close": p}))),
    Format(
        "pandas, JSON split",
        js({"columns": ["Close"], "index": records(lambda d, p: f"{d:%Y-%m-%d}"), "data": records(lambda d, p: [p])}),
    ),
    Format("JSON, an object a line", lines("", lambda d, p: js({"date": f"{d:%Y-%m-%d}", "close": p}))),
    Format(
        "JSON without prices", '{"Note": "the limit of calls is reached"}', ("is JSON ", """'{"Note": "the limit """)
    ),
    # Frames and sheets
    Format("Parquet", lambda: written(lambda out: ohlc().to_parquet(out))),
    Format("Parquet of float32", lambda: written(lambda out: ohlc().astype("float32").to_parquet(out))),
    Format("Parquet with a zone", lambda: written(lambda out: ohlc().tz_localize("America/New_York").to_parquet(out))),
    Format("yfinance, Parquet", lambda: written(lambda out: tickers("EURUSD=X").to_parquet(out))),
    Format("yfinance, Parquet of two", lambda: written(lambda out: tickers("EURUSD=X", "GBPUSD=X").to_parquet(out))),
    Format("yfinance, CSV of two", lambda: str(tickers("EURUSD=X", "GBPUSD=X").to_csv())),
    Format(
        "Parquet without dates",
        lambda: written(lambda out: ohlc().reset_index(drop=True).to_parquet(out)),
        ("no column date; ", "--date-column"),
    ),
    Format("Excel", lambda: sheets(Sheet1=ohlc())),
    Format("Excel, the second sheet", lambda: sheets(Info=pd.DataFrame({"About": ["exported"]}), EURUSD=ohlc())),
    Format(
        "zip of years",
        packed(
            a__csv=PLAIN_CSV[:-1].rsplit("\n", 100)[0] + "\n",
            b__csv=CLOSE + "\n" + "\n".join(PLAIN_CSV[:-1].rsplit("\n", 100)[1:]),
        ),
    ),
    Format("zip of a table and its description", packed(EURUSD__csv=PLAIN_CSV, EURUSD__txt="Files: 1")),
    # Refused by name
    Format(
        "OpenDocument",
        packed(mimetype="application/vnd.oasis.opendocument.spreadsheet", content__xml="<x/>"),
        ("(.ods); ", ".xlsx"),
    ),
    Format("bzip2", bz2.compress(PLAIN_CSV.encode()), ("(.bz2); ", "bunzip2", ".gz")),
    Format("xz", lzma.compress(PLAIN_CSV.encode()), ("(.xz); ", "unxz", ".gz")),
    Format(
        "Feather",
        lambda: written(lambda out: ohlc().reset_index().to_feather(out)),
        ("Feather file; ", "pd.read_feather(name).to_parquet(name)"),
    ),
    Format("pickle", pickle.dumps(ohlc()), ("a pickle, ", "pd.read_pickle(name).to_parquet(name)")),
    Format(
        "monthly rows of the 1st",
        lines("DATE,EUR", lambda d, p: f"{d:%Y-%m-%d},{p:.4f}", fixings("EURUSD", 5000).resample("MS").mean()),
        ("monthly rows, 31 days ",),
    ),
    Format(
        "quarterly rows of the 1st",
        lines("DATE,EUR", lambda d, p: f"{d:%Y-%m-%d},{p:.4f}", fixings("EURUSD", 5000).resample("QS").mean()),
        ("quarterly rows, 91.5 days ",),
    ),
    Format(
        "rows that are repeated with a time",
        lines(CLOSE, lambda d, p: f"{d:%Y-%m-%d} 17:00,{p}\n{d:%Y-%m-%d} 17:00,{p}"),
        ("260 duplicate dates: ", "(row 3, also row 2)"),
    ),
    Format(
        "header by commas, rows by tabs",
        lines("Date,Close,Volume", lambda d, p: f"{d:%Y-%m-%d}\t{p}\t0"),
        ("different separators: ", "',' between", "'\\t' between"),
    ),
    Format(
        "header by blanks, rows by commas",
        lines('"Date" "Time" "Close"', lambda d, p: f"{d:%Y.%m.%d},00:00,{p}"),
        ("different separators: blanks between ",),
    ),
    Format(
        "each line one quoted cell",
        lines('"Date,Close"', lambda d, p: f'"{d:%Y-%m-%d},{p}"'),
        ("one quoted cell, with ',' ",),
    ),
    Format(
        "two columns called close",
        lines("Date,Close,Close", lambda d, p: f"{d:%Y-%m-%d},{p},{p}"),
        ("two columns ", " close; "),
    ),
]
