"""`python mlflow_save.py FOLDER`: a small LSTM as MLflow keeps one. It is not trained: no time here depends on that."""

import sys

import keras
import mlflow.tensorflow
import numpy as np
from mlflow.models import infer_signature

WINDOW, OUTPUTS = 60, 5 * 11  # horizon times levels
keras.utils.set_random_seed(0)
inputs = keras.Input((WINDOW, 1))
outputs = keras.layers.Dense(OUTPUTS)(keras.layers.LSTM(32)(inputs))
model = keras.Model(inputs, outputs)
example = np.zeros((1, WINDOW, 1), dtype=np.float32)
signature = infer_signature(example, np.zeros((1, OUTPUTS), dtype=np.float32))
mlflow.tensorflow.save_model(model, sys.argv[1], signature=signature)
