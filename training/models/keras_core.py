"""Recurrent Keras networks as a conditional mean: trained once per refit, exported by tf2onnx, inlined by spox.

A network is compiled once for its shape. Each fit then restores weights and optimiser from its own seed and draws its
own order of examples, so that a refit needs no retracing and never depends on the fits before it.
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.family import Fitted, Sample
from training.models.features import Array, Window, stack
from training.prices.windows import HORIZON

OPSET = 18  # the newest that tf2onnx can write


@dataclass(frozen=True)
class Network:
    """A recurrent layer and its training settings, the constants of a family's file."""

    layer: str  # a class of keras.layers: "LSTM", "GRU"
    units: int
    steps: int
    epochs: int
    batch: int
    learning_rate: float


def fit_network(network: Network, features: tuple[str, ...], sample: Sample) -> Fitted:
    """Fit a network to target / sd by mean squared error; the output layer starts at zero, which is the random walk."""
    rows = stack(features, sample.window, network.steps)
    center, scale = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    inputs = ((rows - center) / scale).astype(np.float32)
    outputs = (sample.target / sample.sd).astype(np.float32)
    weights = train(network, inputs, outputs, sample.seed)
    core = Core(network, len(features), weights)

    def mean(window: Window, sd: Array) -> Array:
        series = stack(features, window, network.steps)
        xp = series.__array_namespace__()
        return core((series - xp.asarray(center)) / xp.asarray(scale)) * sd

    return Fitted(mean, {"units": network.units, "steps": network.steps, "epochs": network.epochs})


def train(
    network: Network, inputs: NDArray[np.float32], outputs: NDArray[np.float32], seed: int
) -> list[NDArray[np.float32]]:
    """Train a network and return its weights; the same arguments give the same bits on one machine.

    Args:
        network: The layer and its training settings.
        inputs: Standardised features, [n, steps, features].
        outputs: Targets in units of the volatility head, [n, horizon].
        seed: Seed of the initial weights and of the order of examples.
    """
    model = compile_network(network, inputs.shape[2])
    rng = np.random.default_rng(seed)
    reset(model, rng)
    order = np.concatenate([rng.permutation(len(inputs)) for _ in range(network.epochs)])
    model.fit(inputs[order], outputs[order], batch_size=network.batch, shuffle=False, verbose=0)
    return [np.array(weight) for weight in model.get_weights()]


@cache  # one entry per network and feature count, reused by every refit: retracing costs three times the training
def compile_network(network: Network, features: int) -> Any:
    """Build a Keras model with a compiled training step; `reset` sets its weights and optimiser."""
    keras = import_keras()
    layer = getattr(keras.layers, network.layer)
    shape = (network.steps, features)
    model = keras.Sequential([keras.Input(shape), layer(network.units), keras.layers.Dense(HORIZON)])
    optimizer = keras.optimizers.Adam(network.learning_rate)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss="mean_squared_error", jit_compile=False)
    return model


def reset(model: Any, rng: np.random.Generator) -> None:
    """Set the weights as `draw_weights` draws them, the output layer to zero, and the optimiser to its first state."""
    recurrent, output = model.layers[0], model.layers[-1]
    for variable in recurrent.weights:
        variable.assign(draw_weights(variable.name, tuple(variable.shape), rng))
    for variable in (*output.weights, *model.optimizer.variables):
        if variable is not model.optimizer.learning_rate:
            variable.assign(np.zeros(variable.shape, variable.dtype))


def draw_weights(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw from Glorot's uniform for matrices (Glorot & Bengio, 2010, equation 16); biases are zero."""
    limit = 0.0 if "bias" in name else np.sqrt(6.0 / sum(shape))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


class Core:
    """The trained network as a function of numpy (Keras) or of a tracer (its ONNX graph, joined by spox.inline)."""

    def __init__(self, network: Network, features: int, weights: list[NDArray[np.float32]]) -> None:
        self._network, self._features, self._weights = network, features, weights

    def __call__(self, series: Array) -> Array:
        """Map [batch, steps, features] float64 to [batch, horizon] float64, computed in float32."""
        model = compile_network(self._network, self._features)
        model.set_weights(self._weights)
        if isinstance(series, np.ndarray):
            output = model(series.astype(np.float32), training=False)
            return np.asarray(output, np.float64)
        import ndonnx
        import spox
        import tensorflow as tf
        import tf2onnx

        signature = [tf.TensorSpec((None, self._network.steps, self._features), tf.float32, name="series")]
        # Constants are created inside the traced function: a tensor from outside would become a required input.
        # No autograph, as there is no Python control flow to convert: it writes a file that it deletes only at exit, so
        # a killed worker would leave it.
        call = tf.function(lambda series: model(series, training=False), input_signature=signature, autograph=False)
        core, _ = tf2onnx.convert.from_function(call, input_signature=signature, opset=OPSET)
        narrow = ndonnx.astype(series, ndonnx.float32).unwrap_spox()
        outputs = spox.inline(core)(**{core.graph.input[0].name: narrow})
        return ndonnx.astype(ndonnx.asarray(next(iter(outputs.values()))), ndonnx.float64)


@cache  # TensorFlow takes its thread settings once, before its first operation
def import_keras() -> Any:
    """Import Keras on TensorFlow, quiet, single-threaded and deterministic, as scores must not depend on timing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums depend on the processor
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    return keras
