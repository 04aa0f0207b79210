"""A folder with an official forecast of 21 days, a live record of many days and a backtest: what a page can show."""

import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.price_file import parse, serialise
from lambda_fn.record import correlations, issue, reference_books, track_record
from lambda_fn.refresh import refresh
from lambda_fn.settings import DEFAULT_PAIR, Settings
from lambda_fn.store.keys import forecast_key, ledger_key, price_key
from lambda_fn.store.s3 import open_store
from tests.support import foreign

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
HORIZON = 21
ROWS = 200
AFTER_CLOSE = time(17, 0)
FAMILIES = ("page", "linear_regression", "calendar_cpi", "garch", "ewma", "constant")


def score(family: str, position: int) -> dict[str, Any]:
    """A row of a score table, as a run writes it."""
    skill = 0.012 - 0.01 * position
    return {
        "family": family,
        "horizon": 1,
        "n": 4310,
        "pinball": 0.0797 + 0.001 * position,
        "skill_garch": skill,
        "skill_garch_low": skill - 0.004,
        "skill_garch_high": skill + 0.004,
        "coverage_80": 0.8 + 0.01 * position,
    }


BACKTEST: dict[str, Any] = {
    "family": "page",
    "days": 4310,
    "from": "2009-12-31",
    "through": "2026-10-29",
    "horizons": [
        {
            "horizon": 1,
            "n": 4310,
            "pinball": 0.0797,
            "coverage": {"80": {"value": 0.798144, "low": 0.785898, "high": 0.809859}},
            "skill": {"garch": {"value": 0.012232, "low": 0.007929, "high": 0.016536}},
        }
    ],
    "reliability": [
        {"from": i / 10, "to": (i + 1) / 10, "share": 0.1 + 0.001 * (-1) ** i, "low": 0.091, "high": 0.109}
        for i in range(10)
    ],
    "t_garch": 5.8,
    "note": "Examined with hindsight: a made-up reason.",
    "events": [
        {"event": "CPI", "n": 199, "coverage": {"80": {"value": 0.718593, "low": 0.652446, "high": 0.776501}}},
        {"event": "none", "n": 3621, "coverage": {"80": {"value": 0.804474, "low": 0.791229, "high": 0.81707}}},
    ],
}


def business_day_ago(days: int, today: date) -> date:
    """The business day of the ECB's prices such that so many have begun since."""
    found = today
    while days or not is_business_day(found, "ecb"):
        days -= is_business_day(found, "ecb")
        found -= timedelta(days=1)
    return found


def at(day: date) -> datetime:
    """The time at which the forecast after this day's close is made."""
    return datetime.combine(day, AFTER_CLOSE, UTC)


def fill(
    folder: Path, as_of: date, scored: int = 0, spread: float = 0.02, pair: str = DEFAULT_PAIR, **of_champion: Any
) -> None:
    """Publishes and activates a champion in `folder`, then makes the forecasts of the last `scored` days before
    `as_of`, each when its prices were new, and that of `as_of`, and scores what is known then."""
    settings = Settings.from_env({"STORE_DIR": str(folder)}).for_pair(pair)
    store = open_store(settings)
    whole = parse(foreign.price_file(ROWS, as_of=as_of))
    key = price_key(settings.pair, "ecb")
    scores = tuple(score(family, i) for i, family in enumerate(FAMILIES))
    known: dict[str, Any] = {
        "levels": LEVELS,
        "horizon": HORIZON,
        "family": "page",
        "trained_through": as_of,
        "pair": pair,
    }
    champion = foreign.champion_bytes(spread=spread, **(known | of_champion))
    foreign.publish_to(
        store,
        champion,
        prices=foreign.price_file(ROWS, as_of=as_of),
        key=settings.model_info_key,
        model_name=f"{pair}_Foreign",
        scores=scores,
        backtest=BACKTEST,
    )
    now = at(as_of)
    refresh(store, settings, now)
    store.delete(forecast_key(settings.pair))
    store.delete(ledger_key(settings.pair, as_of))
    for rows in range(ROWS - scored, ROWS + 1):
        close = whole.columns["close"][:rows].tolist()
        foreign.put(store, key, serialise(whole.dates[:rows], {"close": close}))
        made = issue.issue_forecast(store, settings, at(whole.dates[rows - 1]))
        assert made.outcome == "made", made.reason
        stored = at(whole.dates[rows - 1]).timestamp()
        os.utime(folder / ledger_key(settings.pair, whole.dates[rows - 1]), (stored, stored))
    track_record.update(store, settings.pair, now)
    correlations.write(store, settings.pairs, now)
    reference_books.update(store, settings.pairs, now)
