"""A small LSTM on the last days' features, in units of the volatility head: its mean is network * sd.

Long short-term memory: Hochreiter & Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735.
"""

from functools import partial

from training.models.family import Family
from training.models.keras_core import Network, fit_network

FEATURES = ("Return",)
NETWORK = Network(
    layer="LSTM",
    units=16,  # daily returns carry next to no signal: more units fit noise
    steps=20,  # a month of business days
    epochs=4,  # with this rate enough to learn a series that repeats itself (a test), and little of the noise
    batch=256,
    learning_rate=5e-3,
)

FAMILY = Family(
    name="lstm",
    model_type="LSTM",
    features=FEATURES,
    fit=partial(fit_network, NETWORK, FEATURES),
    random=True,
    shrunk=True,
    parity=1e-6,  # the core computes in float32
    batching=1e-8,
)
