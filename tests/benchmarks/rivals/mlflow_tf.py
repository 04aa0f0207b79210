"""A model of MLflow's registry in a handler: mlflow.tensorflow loads it once, at import.

TensorFlow: one thread, no messages; Keras: the model is called inside a tf.function, as `predict` is for large batches.
"""

import csv
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from typing import Any

import mlflow.tensorflow
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
model = mlflow.tensorflow.load_model(os.environ["RIVAL_MODEL"])
window, horizon = model.input_shape[1], 5
call = tf.function(model, input_signature=[tf.TensorSpec((1, window, 1), tf.float32)])
with open(os.environ["RIVAL_PRICES"], newline="") as file:  # noqa: PTH123  # as a quick script has it
    closes = [float(row["close"]) for row in csv.DictReader(file)]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The quantiles of the next days: of the newest prices, or of those in the body."""
    close = json.loads(event["body"])["close"] if event.get("body") else closes
    moves = np.diff(np.log(np.array(close[-window - 1 :])))
    rows = np.asarray(call(moves[None, :, None].astype(np.float32)))[0].reshape(horizon, -1)
    prices = close[-1] * np.exp(np.sort(rows, axis=1))
    body = json.dumps({"last_close": close[-1], "forecast": [[round(float(p), 6) for p in row] for row in prices]})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
