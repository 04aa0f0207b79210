"""Keys of the store's objects, the same in a bucket and a folder; pairs other than EURUSD have their own folders."""

from datetime import date

from lambda_fn.settings import DEFAULT_PAIR

ACTIVE_KEY = "serving/active.json"
PAIRS_KEY = "serving/pairs.json"
BOOK_KEY = "serving/book.json"
BOOK_RECORD_KEY = "serving/book-record.json"


def history_key(generation: int, pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('models', pair)}/history/{generation:08d}.json"


def champion_key(sha256: str, pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('models', pair)}/champions/{sha256}.onnx"


def active_key(pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/active.json"


def serving_key(sha256: str, pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/champions/{sha256}.onnx"


def activated_key(generation: int, pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/history/{generation:08d}.json"


def chosen_key(pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/chosen.json"


def refused_key(pointer_sha256: str, pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/refused/{pointer_sha256}.json"


def price_key(pair: str, source: str) -> str:
    return f"prices/{pair}-{source}.csv"


def forecast_key(pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/forecast.json"


def record_key(pair: str = DEFAULT_PAIR) -> str:
    return f"{_folder('serving', pair)}/record.json"


def ledger_key(pair: str, as_of: date) -> str:
    return f"record/{pair}/{as_of.isoformat()}.json"


def book_ledger_key(as_of: date) -> str:
    return f"record/book/{as_of.isoformat()}.json"


def scores_key(pair: str) -> str:
    return f"record/{pair}.csv"


def backtest_key(pair: str) -> str:
    return f"record/{pair}-backtest.csv"


def _folder(top: str, pair: str) -> str:
    return top if pair == DEFAULT_PAIR else f"{top}/{pair}"
