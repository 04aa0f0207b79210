"""Summaries of records and backtests: one odd member of any part is refused by its name."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambda_fn.fields import ContractError, summed_bytes
from lambda_fn.record.summary_checks import check_backtest, parse_pairs, parse_record

Json = dict[str, Any]
PAIR = "EURUSD"
FIGURES: Json = {
    "coverage": {"80": {"value": 0.8, "low": 0.7, "high": 0.9}},
    "skill": {"garch": {"value": -0.1, "low": None, "high": None}},
}
HORIZON: Json = {"horizon": 1, "n": 20, **FIGURES}
PERIOD: Json = {"days": 20, "from": "2026-10-01", "through": "2026-10-30"}
SUMMARY: Json = {
    **PERIOD,
    "horizons": [{**HORIZON, "pinball": 0.1}],
    "reliability": [{"from": 0.0, "to": 0.1, "share": 0.1, "low": 0.0, "high": 0.3}],
    "events": [{"event": "CPI", "n": 5, "coverage": FIGURES["coverage"]}],
    "t_garch": 5.8,
    "note": "Examined with hindsight.",
}
POOLED: Json = {"pairs": 2, **PERIOD, "horizons": [HORIZON]}
ROW: Json = {"pair": PAIR, "as_of": "2026-10-30", "last_close": 1.1, "champion": "EURUSD_Foreign"}
RECORD: Json = {
    **{"contract_version": "1", "pair": PAIR, "live": SUMMARY, "late": SUMMARY, "backtest": SUMMARY, "newest": []}
}
PAIRS: Json = {
    "contract_version": "1",
    "pairs": [{**ROW, "live": {"days": 20, **FIGURES}, "backtest": {"days": 20, **FIGURES}}],
    "pooled": {"live": POOLED, "backtest": POOLED},
}
Path = tuple[str | int, ...]


def with_odd(record: Json, path: Path, value: object) -> Json:
    changed: Json = json.loads(json.dumps(record))  # parts that are the same become several
    part: Any = changed
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return changed


def place(path: Path) -> str:
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in path)


ODD_FIGURES: list[tuple[Path, object]] = [
    (("coverage",), []),
    (("skill",), None),
    (("coverage", "80", "value"), 1.1),
    (("coverage", "80", "high"), None),
    (("skill", "garch", "value"), -1.1e9),
]
ODD_HORIZON: list[tuple[Path, object]] = [(("horizon",), 0), (("n",), 0), *ODD_FIGURES]
ODD_SUMMARY: list[tuple[Path, object]] = [
    (("days",), -1),
    (("from",), "today"),
    (("reliability", 0, "share"), 1.1),
    (("events", 0, "event"), ""),
    (("t_garch",), "5.8"),
    (("note",), 5.8),
    (("events", 0, "n"), 0),
    (("events", 0, "coverage", "80", "value"), 1.1),
    (("horizons", 0, "pinball"), 1.1e9),
    *((("horizons", 0, *path), value) for path, value in ODD_HORIZON),
]
ODD_POOLED: list[tuple[Path, object]] = [
    (("pairs",), -1),
    (("through",), "today"),
    *((("horizons", 0, *path), value) for path, value in ODD_HORIZON),
]
ODD_BRIEF: list[tuple[Path, object]] = [(("days",), -1), *ODD_FIGURES]


def within(parts: list[Path], odd: list[tuple[Path, object]]) -> list[tuple[Path, object]]:
    return [((*part, *path), value) for part in parts for path, value in odd]


ODD: dict[str, list[tuple[Path, object]]] = {
    "record": within([("live",), ("late",), ("backtest",)], ODD_SUMMARY),
    "pairs": [
        *within([("pooled", "live"), ("pooled", "backtest")], ODD_POOLED),
        *within([("pairs", 0, "live"), ("pairs", 0, "backtest")], ODD_BRIEF),
        (("pairs", 0, "last_close"), 0),
    ],
    "pointer.backtest": ODD_SUMMARY,
}
PARSERS: dict[str, tuple[Json, Callable[[Json], object]]] = {
    "record": (RECORD, lambda record: parse_record(summed_bytes(record), PAIR)),
    "pairs": (PAIRS, lambda record: parse_pairs(summed_bytes(record))),
    "pointer.backtest": (SUMMARY, check_backtest),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_sound_summary_is_taken(name: str) -> None:
    record, parse = PARSERS[name]
    parse(record)


@pytest.mark.parametrize(("name", "path", "value"), [(name, *odd) for name, rows in ODD.items() for odd in rows])
def test_an_odd_member_is_refused(name: str, path: Path, value: object) -> None:
    record, parse = PARSERS[name]
    with pytest.raises(ContractError) as refused:
        parse(with_odd(record, path, value))
    assert str(refused.value).startswith(f"{name}{place(path)}")


def test_a_loss_of_a_billion_is_shown() -> None:
    record, parse = PARSERS["record"]
    parse(with_odd(record, ("live", "horizons", 0, "pinball"), 1e9))
