"""Run a champion with onnxruntime in this process, with a time limit: for the sandbox's child and for training."""

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
from lambda_fn.champion.model_inputs import Window, champion_inputs, input_arrays
from lambda_fn.champion.onnx_validator import check_allowed
from lambda_fn.contract import DATE, TARGET_DATE, Metadata
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import business_days_after

CHECK_INTERVAL_S = 0.25


class Watchdog:
    """Time limits for all runs of a process, enforced by one thread that starts with the first run.

    The thread checks the runs at intervals, because a timer for each run would cost ten times as much as a forecast.
    """

    def __init__(self) -> None:
        self._due: dict[int, tuple[float, ort.RunOptions]] = {}
        self._pid = 0  # of the process in which the thread runs: a forked process does not have the thread
        self._lock = threading.Lock()

    @contextmanager
    def limit(self, options: ort.RunOptions, seconds: float) -> Iterator[None]:
        """Set `options.terminate` when the block takes longer than `seconds`, so that its run ends with an error."""
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    threading.Thread(target=self._check_runs, name="watchdog", daemon=True).start()
                    self._pid = os.getpid()
        self._due[id(options)] = time.monotonic() + seconds, options
        try:
            yield
        finally:
            del self._due[id(options)]

    def _check_runs(self) -> None:
        while True:
            time.sleep(CHECK_INTERVAL_S)
            now = time.monotonic()
            for due, options in list(self._due.values()):
                if now > due:
                    options.terminate = True


MAX_RUN_S = 5.0  # a batch of 100 takes 15 ms; the API answers within ten seconds
_watchdog = Watchdog()
# The errors of onnxruntime have no common base class; the two built-in ones come from its Python layer.
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
    """Forecast prices, float64.

    quantiles [batch, horizon, levels] are non-decreasing over levels; mean is [batch, horizon]. sd [batch, horizon] is
    the standard deviation of the log return since the last close, None if the champion does not state it.
    """

    quantiles: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64] | None = None

    def outputs(self) -> dict[str, NDArray[np.float64]]:
        """Return the outputs of the champion by name."""
        return {name: values for name, values in self._asdict().items() if values is not None}

    def lists(self) -> dict[str, Any]:
        """Return the outputs as lists by name."""
        return {name: values.tolist() for name, values in self.outputs().items()}


class Champion(BaseChampion):
    """One loaded champion file."""

    def __init__(self, session: ort.InferenceSession, metadata: Metadata, sha256: str, max_run_s: float) -> None:
        """Make a champion from a loaded file, without any check; `load` makes a checked one.

        Args:
            session: of the file.
            metadata: of the file.
            sha256: of the file.
            max_run_s: the time limit of each run, in seconds.
        """
        names = [[node.name for node in nodes] for nodes in (session.get_inputs(), session.get_outputs())]
        super().__init__(metadata, sha256, *names)
        self._session = session
        self._max_run_s = max_run_s

    @classmethod
    def load(cls, data: bytes, max_run_s: float = MAX_RUN_S) -> "Champion":
        """Check the file, make a session of one thread and run it once on synthetic prices.

        No run will take longer than `max_run_s` seconds. Raises ContractError for everything that the contract forbids.
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
            raise ContractError(
                f"champion: onnxruntime cannot load it: {_first_line(error)}; export it again"
            ) from error
        metadata = Metadata.parse(props)
        _check_signature(inputs, outputs, metadata)
        champion = cls(session, metadata, hashlib.sha256(data).hexdigest(), max_run_s)
        champion._check_outputs()
        return champion

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecast a batch.

        The inputs are the price columns, float64 [batch, window], oldest first, and where the champion declares them
        `date`, int64 [batch, window], and `target_date`, int64 [batch, horizon], both in days since 1970-01-01.

        Raises ForecastError when an input is missing or has another shape, or when the numbers are not a valid forecast
        (`plausibility.find_fault`), and TooSlow.
        """
        forecast = self.run(inputs)
        self.check(**forecast.lists())
        return forecast

    def plausible_forecast(self, inputs: Inputs) -> Forecast:
        """Forecast a batch that is served.

        As `forecast`, but raises ForecastError also when the forecast is implausible for these closes
        (`plausibility.find_implausibility`).
        """
        forecast = self.run(inputs)
        self.check_plausible(**forecast.lists(), close=inputs["close"].tolist())
        return forecast

    def run(self, inputs: Inputs) -> Forecast:
        """Run the model without any check of the numbers. Raises ForecastError and TooSlow."""
        options = ort.RunOptions()
        if any(len(values) > 1 for values in inputs.values()):
            # Shrink the arena after a batch: onnxruntime otherwise keeps its peak. A single window does not need it.
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            with _watchdog.limit(options, self._max_run_s):
                outputs = self._session.run(self.outputs, dict(inputs), options)
        except _RUN_ERRORS as error:
            if options.terminate:
                raise TooSlow(f"the champion took more than {self._max_run_s:g} s and was stopped") from error
            raise ForecastError(f"the champion cannot run on these inputs: {_first_line(error)}") from error
        return Forecast(*map(np.asarray, outputs))

    def _check_outputs(self) -> None:
        """Check the shapes for two windows: declared shapes are untrusted, and a batch of one could hide a fixed size.

        Raises ContractError.
        """
        batch, window, horizon = 2, self.metadata.window, self.metadata.horizon
        prices = 1 + 0.01 * np.sin(np.arange(float(window)))
        days = business_days_after(0, window, self.metadata.prices)
        inputs = champion_inputs(self, [Window(dict.fromkeys(self.columns, prices), days)] * batch)
        try:
            forecast = self.run(input_arrays(inputs))
        except ForecastError as error:
            raise ContractError(f"champion: {error}") from error
        _check_output("quantiles", forecast.quantiles, (batch, horizon, len(self.metadata.levels)))
        _check_output("mean", forecast.mean, (batch, horizon))
        if forecast.sd is not None:
            _check_output("sd", forecast.sd, (batch, horizon))


def _session_options() -> ort.SessionOptions:
    """Return options for one thread that does not spin: a forecast takes 0.1 ms, and a process serves one at a time."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # never the runtime's own format
    # where onnxruntime would look for data outside the file: a folder that cannot contain any
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 4
    return options


def _check_signature(inputs: Mapping[str, tuple[str, list[Any]]], outputs: set[str], metadata: Metadata) -> None:
    """Raise ContractError unless the inputs and outputs are those of the contract.

    Args:
        inputs: type and shape by name.
        outputs: names.
        metadata: has the window and the horizon.
    """
    if "close" not in inputs:
        raise ContractError(f"champion: its inputs are {', '.join(inputs) or 'none'}; one of them must be close")
    for name, (kind, shape) in inputs.items():
        expected = "tensor(int64)" if name in (DATE, TARGET_DATE) else "tensor(double)"
        length = metadata.horizon if name == TARGET_DATE else metadata.window
        if kind != expected:
            raise ContractError(f"champion: input {name} is {kind}; it must be {expected}")
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != length):
            raise ContractError(f"champion: input {name} has shape {shape}; it must be [batch, {length}]")
    missing = {"quantiles", "mean"} - outputs
    if missing:
        raise ContractError(
            f"champion: it has no output {' and '.join(sorted(missing))}; export it with quantiles and mean"
        )


def _check_output(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.dtype != np.float64 or values.shape != shape:
        raise ContractError(
            f"champion: output {name} is {values.dtype} {list(values.shape)} for a batch of {shape[0]}; "
            f"it must be float64 {list(shape)}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
