"""The keys of the store, who reads them, and policies decided as IAM decides them."""

from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from lambda_fn.store import keys

BUCKET = "arn:aws:s3:::eurusd-forecast-dev-123456789012"
POINTER = "models/best_model_info.json"
CHAMPION = keys.champion_key("0" * 64)
ACTIVE = keys.active_key("EURUSD")
SERVED = keys.serving_key("0" * 64, "EURUSD")
REFUSED = keys.refused_key("0" * 64, "EURUSD")
PRICES = keys.price_key("EURUSD", "ecb")
FORECAST, RECORD = keys.forecast_key("EURUSD"), keys.record_key("EURUSD")
LEDGER = keys.ledger_key("EURUSD", date(2026, 10, 30))
SCORES, BACKTEST = keys.scores_key("EURUSD"), keys.backtest_key("EURUSD")
KEYS = (
    POINTER,
    keys.history_key(1),
    CHAMPION,
    ACTIVE,
    SERVED,
    REFUSED,
    PRICES,
    FORECAST,
    RECORD,
    LEDGER,
    keys.PAIRS_KEY,
    SCORES,
    BACKTEST,
    "prices/refused/x.zip",
    "runs/1/x",
    "x",
)
READS = {
    "ApiRole": {ACTIVE, SERVED, REFUSED, FORECAST, RECORD, LEDGER, SCORES, BACKTEST, keys.PAIRS_KEY},
    "RefreshRole": set(KEYS) - {"runs/1/x", "x"},
    "IngestRole": set(KEYS) - {POINTER, keys.history_key(1), CHAMPION, "runs/1/x", "x"},
}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    """Whether a statement allows it; the conditions in use narrow what is listed and nothing else."""
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    return any(
        any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
        for statement in statements
    )
