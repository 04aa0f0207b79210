"""The champion behind FastAPI, Mangum and onnxruntime: session and prices are loaded once, at import.

FastAPI: an `async def` operation that does not wait needs no thread; Pydantic checks the body. Mangum: lifespan off.
onnxruntime: one thread that does not spin.
"""

import csv
import os
from datetime import date, timedelta
from typing import Any

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel

EPOCH = date(1970, 1, 1)


class Sent(BaseModel):
    """The body of a POST."""

    close: list[float]


def _session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(os.environ["RIVAL_CHAMPION"], options, providers=["CPUExecutionProvider"])


def _prices() -> tuple[list[date], list[float]]:
    with open(os.environ["RIVAL_PRICES"], newline="") as file:  # noqa: PTH123  # as a quick script has it
        rows = list(csv.DictReader(file))
    return [date.fromisoformat(row["date"]) for row in rows], [float(row["close"]) for row in rows]


def _after(day: date, days: int) -> list[date]:
    found: list[date] = []
    while len(found) < days:
        day += timedelta(days=1)
        if day.weekday() < 5:
            found.append(day)
    return found


session = _session()
meta = session.get_modelmeta().custom_metadata_map
window, longest = int(meta["window"]), int(meta["horizon"])
levels = [float(level) for level in meta["levels"].strip("[]").split(",")]
dates, closes = _prices()
names = {node.name for node in session.get_inputs()}
app = FastAPI()


def _forecast(close: list[float], horizon: int) -> dict[str, Any]:
    last, days = dates[-1], _after(dates[-1], longest)
    inputs = {
        "close": np.array([close[-window:]]),
        "date": np.array([[(day - EPOCH).days for day in dates[-window:]]], dtype=np.int64),
        "target_date": np.array([[(day - EPOCH).days for day in days]], dtype=np.int64),
    }
    wanted = {name: values for name, values in inputs.items() if name in names}
    quantiles, mean = session.run(["quantiles", "mean"], wanted)
    shown = [
        {
            "date": days[i].isoformat(),
            "mean": round(float(mean[0, i]), 6),
            "quantiles": {f"{level:g}": round(float(price), 6) for level, price in zip(levels, row, strict=True)},
        }
        for i, row in enumerate(quantiles[0, :horizon])
    ]
    return {"as_of": last.isoformat(), "last_close": close[-1], "forecast": shown}


@app.get("/api/predict")
async def predict(horizon: int = 5) -> dict[str, Any]:
    """Of the newest prices."""
    return _forecast(closes, horizon)


@app.post("/api/predict")
async def predict_sent(sent: Sent, horizon: int = 5) -> dict[str, Any]:
    """Of the prices in the body."""
    return _forecast(sent.close, horizon)


handler = Mangum(app, lifespan="off")
