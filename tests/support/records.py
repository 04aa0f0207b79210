"""Records made up without a champion."""

from datetime import UTC, date, datetime, time

from lambda_fn.prices.business_days import next_business_days
from lambda_fn.record.official_forecast import Official


def official(
    as_of: date = date(2026, 10, 30), horizon: int = 5, source: str = "ecb", pair: str = "EURUSD", generation: int = 1
) -> Official:
    """Make an official forecast from a close of 1.1."""
    champion = {
        **{"name": f"{pair}_Foreign", "type": "Foreign", "version": "1", "family": "foreign", "generation": generation},
        **{"sha256": "0" * 64, "trained_through": as_of.isoformat(), "features": ["close"], "scores": []},
        **{"run_id": None, "activated_at": "2026-01-01T00:00:00Z"},
    }
    return Official(
        pair=pair,
        source=source,
        generation=generation,
        as_of=as_of,
        last_close=1.1,
        days=tuple(next_business_days(as_of, horizon, source)),
        levels=(0.025, 0.5, 0.975),
        quantiles=[[1.0, 1.1, 1.2]] * horizon,
        mean=[1.1] * horizon,
        benchmarks={"constant": [[1.0, 1.1, 1.2]] * horizon},
        closes={as_of.isoformat(): 1.1},
        inputs_sha256="0" * 64,
        champion=champion,
        card={"inputs": {"window": 20}},
        made_at=datetime.combine(as_of, time(17), UTC),
    )
