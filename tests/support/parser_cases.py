"""The parsers of external input, with inputs of any size that cause much work."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, timedelta

from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import MAX_HORIZON, MAX_POINTER_BYTES, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.event_source import recognise
from lambda_fn.prices import ecb
from lambda_fn.prices.price_file import parse, parse_tail
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, Problem
from lambda_fn.web.params import central_intervals, parse_query
from lambda_fn.web.price_body import MAX_COLUMNS, parse_body
from tests.support import foreign

CHAMPION = Champion.load(foreign.champion_bytes())
DATED = Champion.load(foreign.champion_bytes(dated=True))
QUESTION = parse_query({"horizon": "1", "level": "50"}, foreign.HORIZON, foreign.LEVELS)
CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
FIRST = date(1990, 1, 1)
Parse = Callable[[bytes], object]


def body(data: bytes) -> object:
    return parse_body(data, CHAMPION, QUESTION)


def padded(text: str, size: int) -> bytes:
    """Repeat a text up to this size."""
    return (text * (size // len(text) + 1))[:size].encode()


def names(size: int) -> bytes:
    """An object with as many names as fit, the first of which it repeats at its end."""
    members = ",".join(f'"n{i:05d}":0' for i in range(size // 11))
    return f'{{{members},"n00000":0}}'.encode()


def columns(size: int) -> bytes:
    """The largest number of columns, each as long as fits."""
    closes = foreign.closes(size // MAX_COLUMNS // 13).round(8).tolist()
    return json.dumps({f"c{i:02d}" if i else "close": closes for i in range(MAX_COLUMNS)}).encode()


def series(size: int) -> bytes:
    """The largest number of series, each as long as fits."""
    closes = foreign.closes(size // MAX_SERIES // 13).round(8).tolist()
    return json.dumps({"series": [{"close": closes}] * MAX_SERIES}).encode()


def series_of_dates(size: int) -> bytes:
    days = foreign.price_rows(MAX_SERIES * size // MAX_BODY)
    return json.dumps({"series": [{"close": CLOSES, "as_of": day.isoformat()} for day in days]}).encode()


def pointer(size: int) -> bytes:
    content = json.loads(foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 1).to_json())
    content["golden"] *= size // 3 // len(json.dumps(content["golden"][0]))
    content["unknown"] = [{"a": [i, {"b": i}]} for i in range(size // 3 // 26)]
    content["metrics"] = {f"m{i:06d}": 1.5 for i in range(size // 3 // 16)}
    return json.dumps(content).encode()


def rows(size: int) -> bytes:
    lines = [f"{FIRST + timedelta(days=i)},1.1,2.2,3.3" for i in range(size // 22)]
    return "\n".join(["date,close,a,b", *lines, ""]).encode()


def header(size: int) -> bytes:
    return b"date,close" + b",a" * (size // 2) + b"\n2026-10-30,1\n"


def rates(size: int) -> bytes:
    lines = [f"{FIRST + timedelta(days=i)},1.1,2.2,N/A," for i in range(size // 24)]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("eurofxref-hist.csv", "\n".join(["Date,USD,JPY,XXX,", *lines]))
    return file.getvalue()


def records(size: int) -> bytes:
    """Records of S3 in messages of SQS, all different."""
    record = {"eventVersion": "2.1", "eventName": "Put", "s3": {"object": {"key": "k"}}}
    inner = [json.dumps({"Records": [record | {"eventVersion": str(i)}]}) for i in range(size // 150)]
    return json.dumps({"Records": [{"eventSource": "aws:sqs", "body": text} for text in inner]}).encode()


def levels(size: int) -> bytes:
    count = size // 21
    return json.dumps([(i + 1) / (count + 1) for i in range(count)]).encode()


def query(data: bytes) -> object:
    return parse_query({"level": data.decode()}, MAX_HORIZON, foreign.LEVELS)


# A parser, its input of about n bytes, and the largest n.
CASES: dict[str, tuple[Parse, Callable[[int], bytes], int]] = {
    "names": (body, names, MAX_BODY - 20),
    "columns": (body, columns, MAX_BODY),
    "series": (body, series, MAX_BODY),
    "dates": (lambda data: parse_body(data, DATED, QUESTION), series_of_dates, MAX_BODY),
    "brackets": (body, lambda size: padded("[", size), MAX_BODY),
    "nested": (body, lambda size: padded('{"close":', size), MAX_BODY),
    "one number": (body, lambda size: b'{"close":[1' + b"0" * (size - 20) + b".5]}", MAX_BODY),
    "one text": (body, lambda size: b'{"close":"' + b"\\u0041" * (size // 6 - 3) + b'"}', MAX_BODY),
    "too many values": (body, lambda size: b'{"close":[1' + b",1" * (size // 2 - 10) + b"]}", MAX_BODY),
    "query": (query, lambda size: padded("50,", size - size % 3)[:-1], 2**16),
    "horizon": (lambda data: parse_query({"horizon": data.decode()}, 5, foreign.LEVELS), lambda n: b"1" * n, 2**16),
    "pointer": (Pointer.parse, pointer, MAX_POINTER_BYTES * 15 // 16),
    "pointer's key": (Pointer.parse, lambda n: b'{"champion":{"key":"' + b"a/" * (n // 2 - 20) + b'"}}', 2**19),
    "price file": (parse, rows, 2**20),
    "price header": (parse, header, 2**20),
    "price tail": (lambda data: parse_tail(data.partition(b"\n")[2], 10**6, ["close", "a"]), rows, 2**20),
    "rates": (lambda data: ecb.quote(ecb.read(data, "rates"), "EURUSD"), rates, 2**20),
    "event": (lambda data: recognise(json.loads(data), {"models/best_model_info.json": "EURUSD"}), records, 2**19),
    "levels": (lambda data: [central_intervals(json.loads(data)) for _ in range(100)], levels, 2**15),
}


def answer(parser: Parse, data: bytes) -> None:
    """Parse the data; a refusal is an answer too."""
    try:
        parser(data)
    except (Problem, ContractError):
        return
