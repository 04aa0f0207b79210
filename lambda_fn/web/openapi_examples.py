"""The examples of the OpenAPI document. Serving never imports this."""

import json
import math
from typing import Any

from lambda_fn.web.errors import bad_body

CLOSES = 513  # the window of the families of this project
SENT_EXAMPLES: dict[str, Any] = {
    "one": {
        "summary": f"One series of {CLOSES} closes, made up; several are {{series: [...]}} of such objects",
        "value": {
            "close": [round(1.1 + 0.02 * math.sin(i / 40) + 0.003 * math.sin(2.3 * i), 4) for i in range(CLOSES)],
            "as_of": "2026-10-30",
        },
    },
}

ANSWER_EXAMPLE: dict[str, Any] = {
    "pair": "EURUSD",
    "as_of": "2026-10-30",
    "last_close": 1.1021,
    "forecast": [
        {
            "date": "2026-11-02",
            "horizon": 1,
            "mean": 1.1021,
            "median": 1.1021,
            "quantiles": {"0.1": 1.097042, "0.5": 1.1021, "0.9": 1.107182},
            "intervals": {"80": {"lower": 1.097042, "upper": 1.107182}},
            "returns": {
                "mean": 0.0,
                "median": 0.0,
                "quantiles": {"0.1": -0.00458942, "0.5": 0.0, "0.9": 0.0046112},
                "intervals": {"80": {"lower": -0.00458942, "upper": 0.0046112}},
            },
        }
    ],
    "champion": {
        "name": "EURUSD_LSTM",
        "type": "LSTM",
        "version": "3",
        "generation": 3,
        "sha256": "0123456789abcdef" * 4,
        "family": "lstm",
        "trained_through": "2026-10-30",
        "features": ["Return", "MA_5"],
        "scores": [{"horizon": 1, "pinball": 0.0807, "skill_constant": 0.053, "skill_ewma": 0.005, "skill_garch": 0.0}],
        "run_id": "0123456789abcdef0123456789abcdef",
        "activated_at": "2026-10-30T16:10:00Z",
    },
    "prices": "ecb",
    "made_at": "2026-10-30T16:10:02Z",
    "age": {
        "business_days": 0,
        "state": "fresh",
        "sentence": "the forecast is from the close of 2026-10-30, 0 business days ago, the newest",
    },
    "checked_at": "2026-10-30T16:11:00Z",
    "stale": False,
    "stale_reason": None,
}

PROBLEM_EXAMPLE: dict[str, Any] = json.loads(
    bad_body("series[2].close[17]", "series[2].close[17] is null, not a number", "send a price").body()
)
