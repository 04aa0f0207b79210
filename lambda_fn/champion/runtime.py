"""A champion loaded in this process by onnxruntime: the sandbox's child and training run it, with a limit of time."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from lambda_fn.champion.base import BaseChampion, ForecastError, TooSlow
from lambda_fn.champion.onnx_validator import check_allowed
from lambda_fn.contract import DATE, TARGET_DATE, Metadata
from lambda_fn.fields import ContractError

LOOKS_EVERY_S = 0.25


class Watchdog:
    """One thread for all runs of a process, started with the first. It looks now and then whether a run is over its
    time: a timer of its own for each run would cost ten times what a forecast does."""

    def __init__(self) -> None:
        self._due: dict[int, tuple[float, ort.RunOptions]] = {}
        self._pid = 0  # of the process in which the thread runs: a forked one has none
        self._lock = threading.Lock()

    @contextmanager
    def over(self, options: ort.RunOptions, seconds: float) -> Iterator[None]:
        """Sets `options.terminate` when the block takes longer than that: its run then ends with an error."""
        self._start()
        self._due[id(options)] = time.monotonic() + seconds, options
        try:
            yield
        finally:
            del self._due[id(options)]

    def _start(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                threading.Thread(target=self._look, name="watchdog", daemon=True).start()
                self._pid = os.getpid()

    def _look(self) -> None:
        while True:
            time.sleep(LOOKS_EVERY_S)
            now = time.monotonic()
            for due, options in list(self._due.values()):
                if now > due:
                    options.terminate = True


MAX_RUN_S = 5.0  # a batch of 100 takes 15 ms; the API's callers are answered within ten seconds
_watchdog = Watchdog()  # one thread a process, which its first run starts
# onnxruntime has no common base for its errors; the built-in two come from its Python layer.
_RUN_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)


Inputs = Mapping[str, NDArray[Any]]


class Forecast(NamedTuple):
    """Prices, float64: quantiles [batch, horizon, levels], non-decreasing over levels; mean [batch, horizon]."""

    quantiles: NDArray[np.float64]
    mean: NDArray[np.float64]


class Champion(BaseChampion):
    """One loaded champion file."""

    def __init__(self, session: ort.InferenceSession, metadata: Metadata, sha256: str, max_run_s: float) -> None:
        super().__init__(metadata, sha256, [node.name for node in session.get_inputs()])
        self._session = session
        self._max_run_s = max_run_s

    @classmethod
    def load(cls, data: bytes, max_run_s: float = MAX_RUN_S) -> "Champion":
        """Checks the file, makes a session of one thread and runs it once on made-up prices. No run of it will take
        longer than `max_run_s`.

        Raises ContractError for anything that the contract does not allow.
        """
        check_allowed(data)
        try:
            session = ort.InferenceSession(
                data, _session_options(), providers=["CPUExecutionProvider"], enable_fallback=0
            )
            props = session.get_modelmeta().custom_metadata_map
            inputs = {node.name: (node.type, node.shape) for node in session.get_inputs()}
            outputs = {node.name for node in session.get_outputs()}
        except _RUN_ERRORS as error:
            raise ContractError(f"champion: onnxruntime cannot load it: {_first_line(error)}") from error
        metadata = Metadata.parse(props)
        _check_signature(inputs, outputs, metadata)
        champion = cls(session, metadata, hashlib.sha256(data).hexdigest(), max_run_s)
        champion._try_out()
        return champion

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecast a batch: each price column float64 [batch, window], oldest first, and `date` int64 [batch, window]
        and `target_date` int64 [batch, horizon] in days since 1970-01-01 where the champion takes them.

        Raises ForecastError when an input is missing or misshapen, or when the numbers are no forecast
        (`plausible.fault`), and TooSlow.
        """
        forecast = self.run(inputs)
        self.check(forecast.quantiles.tolist(), forecast.mean.tolist())
        return forecast

    def plausible_forecast(self, inputs: Inputs) -> Forecast:
        """As `forecast`, for a forecast that is served: raises ForecastError also when it does not suit these closes
        (`plausible.fault_for`)."""
        forecast = self.run(inputs)
        self.check_plausible(forecast.quantiles.tolist(), forecast.mean.tolist(), inputs["close"].tolist())
        return forecast

    def run(self, inputs: Inputs) -> Forecast:
        """Run the model. Raises ForecastError and TooSlow; nothing is said about its numbers."""
        options = ort.RunOptions()
        if any(len(values) > 1 for values in inputs.values()):
            # memory that a batch took is given back, or it would stay for ever; one window pays nothing for that
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            with _watchdog.over(options, self._max_run_s):
                quantiles, mean = self._session.run(["quantiles", "mean"], dict(inputs), options)
        except _RUN_ERRORS as error:
            if options.terminate:
                raise TooSlow(f"the champion took more than {self._max_run_s:g} s and was stopped") from error
            raise ForecastError(f"the champion cannot run on these inputs: {_first_line(error)}") from error
        return Forecast(np.asarray(quantiles), np.asarray(mean))

    def _try_out(self) -> None:
        """Two windows at once: declared output shapes are not to be trusted, a batch of one could hide a fixed one."""
        batch, window, horizon = 2, self.metadata.window, self.metadata.horizon
        prices = np.tile(1 + 0.01 * np.sin(np.arange(float(window))), (batch, 1))
        inputs: dict[str, NDArray[Any]] = {name: prices for name in self.columns}
        if self.wants_date:
            inputs[DATE] = np.tile(np.arange(window, dtype=np.int64), (batch, 1))
        if self.wants_target_date:
            inputs[TARGET_DATE] = np.tile(np.arange(window, window + horizon, dtype=np.int64), (batch, 1))
        try:
            forecast = self.run(inputs)
        except ForecastError as error:
            raise ContractError(f"champion: {error}") from error
        _check_output("quantiles", forecast.quantiles, (batch, horizon, len(self.metadata.levels)))
        _check_output("mean", forecast.mean, (batch, horizon))


def _session_options() -> ort.SessionOptions:
    """One thread that does not spin: a forecast takes 0.1 ms, and a process serves one request at a time."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # never the runtime's own format
    # where data outside of the file would be looked for: a folder in which nothing can be
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 4
    return options


def _check_signature(inputs: Mapping[str, tuple[str, list[Any]]], outputs: set[str], metadata: Metadata) -> None:
    if "close" not in inputs:
        raise ContractError(f"champion: its inputs are {', '.join(inputs) or 'none'}; one must be close")
    for name, (kind, shape) in inputs.items():
        wanted = "tensor(int64)" if name in (DATE, TARGET_DATE) else "tensor(double)"
        length = metadata.horizon if name == TARGET_DATE else metadata.window
        if kind != wanted:
            raise ContractError(f"champion: input {name} is {kind}; it must be {wanted}")
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != length):
            raise ContractError(f"champion: input {name} has shape {shape}; it must be [batch, {length}]")
    missing = {"quantiles", "mean"} - outputs
    if missing:
        raise ContractError(f"champion: it has no output {' and '.join(sorted(missing))}; export it with both")


def _check_output(name: str, found: NDArray[Any], shape: tuple[int, ...]) -> None:
    if found.dtype != np.float64 or found.shape != shape:
        raise ContractError(
            f"champion: output {name} is {found.dtype} {list(found.shape)} for a batch of {shape[0]}; "
            f"it must be float64 {list(shape)}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
