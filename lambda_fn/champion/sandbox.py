"""Run champions in a child process with limits on memory, processor time and wall time.

A champion is untrusted input, even after its trial: a file can behave for every input of a trial and do harm at the
next price. Therefore no process of the service loads one. Whatever a champion does to the child becomes an error about
that champion.
"""

import hashlib
import math
import os
import signal
import threading
import weakref
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lambda_fn.champion.base import BaseChampion, Died, ForecastError, Rows, TooSlow
from lambda_fn.champion.child import Child, ChildEnded
from lambda_fn.champion.messages import JOB, Limits
from lambda_fn.champion.onnx_validator import describe
from lambda_fn.contract import DATE, TARGET_DATE, Golden, Metadata
from lambda_fn.fields import ContractError

if TYPE_CHECKING:
    from lambda_fn.prices.price_file import Table  # imports numpy, which this process may not need

MAX_DEATHS = 3  # processes that a champion may end before this process of the API stops running it
MAX_CHILDREN = 4  # of one process of the API; each takes 50 MB
T = TypeVar("T")


class Forecast(NamedTuple):
    """Forecast prices: quantiles [batch][horizon][levels], non-decreasing over levels, and mean [batch][horizon].

    sd [batch][horizon] is the standard deviation of the log return since the last close; None without that output.
    """

    quantiles: list[list[list[float]]]
    mean: list[list[float]]
    sd: list[list[float]] | None = None


def random_seed() -> int:
    """Return a seed of 32 bits that nobody can predict."""
    return int.from_bytes(os.urandom(4), "big")


class Pool:
    """The children of one process of the API, at most MAX_CHILDREN, and how often each champion ended one."""

    def __init__(self, first: Child | None = None) -> None:
        """Make a pool; `first` is a child that is already started, for the first sandbox that needs one."""
        self.deaths: Counter[str] = Counter()
        self._first = first
        if first is not None:
            weakref.finalize(self, first.close)  # in case no sandbox needs it
        self._sandboxes = weakref.WeakValueDictionary[int, Sandbox]()  # the most recently used one is last
        self._lock = threading.Lock()

    def child(self, limits: Limits) -> Child:
        """Return a child that no other sandbox has. Raises Unavailable."""
        with self._lock:
            first, self._first = self._first, None
        return first or Child(limits)

    def use(self, sandbox: "Sandbox") -> None:
        """Record a use, and close the least recently used children above MAX_CHILDREN."""
        with self._lock:
            self._sandboxes.pop(id(sandbox), None)
            self._sandboxes[id(sandbox)] = sandbox
            surplus = list(self._sandboxes.values())[:-MAX_CHILDREN]
        for old in surplus:
            old.close_if_idle()


class Sandbox:
    """Runs champions in one child at a time, which starts with the first run and lives until `close`.

    In a child that has run several champions, a champion could fail because of another one. The run is therefore
    repeated in a new child, and only the second failure counts.
    """

    def __init__(self, limits: Limits = JOB, pool: Pool | None = None, seed: int | None = None) -> None:
        """Make a sandbox without a child.

        Args:
            limits: of each child.
            pool: provides the children and counts deaths, if this is a process of the API.
            seed: of the synthetic prices of a trial; random by default, so that a publisher cannot predict them.
        """
        self.seed = random_seed() if seed is None else seed
        self._limits = limits
        self._pool = pool
        self._deaths = pool.deaths if pool else Counter[str]()
        self._max_deaths = MAX_DEATHS if pool else math.inf
        self._child: Child | None = None
        self._champions: set[str] = set()  # sha256 of those that the current child has run
        self._loaded: set[str] = set()  # and of those that it may still have in memory
        self._lock = threading.Lock()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """True if there is a child."""
        return self._child is not None

    def start(self) -> None:
        """Start the child if there is none, without waiting for it. Raises Unavailable."""
        with self._lock:
            self._current()

    def close(self) -> None:
        """End the child. The next run starts another."""
        with self._lock:
            self._close()

    def close_if_idle(self) -> None:
        """End the child unless it is running a champion."""
        if self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def run_trial(self, data: bytes, golden: Sequence[Golden], table: "Table") -> Golden:
        """Run the trial of a champion (`champion.trial`). Return its forecast of the latest window, with its inputs.

        Args:
            data: the bytes of the file.
            golden: forecasts that the champion has to reproduce.
            table: the latest window of prices.

        Raises ContractError for whatever the champion does, and Unavailable when this machine cannot start a child.
        """
        head = {
            "operation": "judge",
            "seed": self.seed,
            "golden": [vars(entry) for entry in golden],
            "dates": [day.isoformat() for day in table.dates],
            "columns": {name: values.tolist() for name, values in table.columns.items()},
        }
        verdict = self._judge(head, data)
        try:
            return Golden(**verdict)
        except TypeError as error:
            raise ContractError(f"champion: its trial returned no forecast ({error}); export it again") from error

    def check_loads(self, data: bytes) -> None:
        """Load a champion and let it forecast once. Raises as `run_trial` does."""
        self._judge({"operation": "load"}, data)

    def forecast(self, data: bytes, sha256: str, inputs: Rows, shape: tuple[int, int, int]) -> Forecast:
        """Run a champion on a batch.

        Args:
            data: the bytes of the file.
            sha256: their digest.
            inputs: rows [batch][window], or [batch][horizon] of `target_date`, by input name.
            shape: of the quantiles, [batch, horizon, levels].

        Raises ForecastError for whatever the champion does, Died when its child ended, TooSlow when it exceeded its
        time, and Unavailable when this machine cannot start a child.
        """
        kinds = {name: "q" if name in (DATE, TARGET_DATE) else "d" for name in inputs}
        head = {
            "operation": "forecast",
            "sha256": sha256,
            "inputs": [[name, kinds[name], [len(rows), len(rows[0])]] for name, rows in inputs.items()],
        }
        body = [array(kinds[name], row).tobytes() for name, rows in inputs.items() for row in rows]

        def run(child: Child) -> Forecast:
            if self._deaths[sha256] >= self._max_deaths:
                raise Died(
                    f"the champion ended {MAX_DEATHS} processes and is not run here any more; publish another champion"
                )
            try:
                reply: dict[str, Any] = {"unknown": sha256}
                if sha256 in self._loaded:
                    reply, numbers = child.exchange({**head, "model_bytes": 0}, body)
                if "unknown" in reply:
                    reply, numbers = child.exchange({**head, "model_bytes": len(data)}, [data, *body])
                self._loaded.add(sha256)
            except ChildEnded as error:
                self._deaths[sha256] += 1
                self._forget()
                if error.late:
                    raise TooSlow(f"the champion took more than {self._limits.wall_s:g} s and was stopped") from error
                raise Died(f"the champion's process ended with {error}: {self._explain(error)}") from error
            return _forecast(reply, numbers, shape)

        return self._isolated(sha256, run, (ForecastError,))

    def _judge(self, head: Mapping[str, Any], data: bytes) -> dict[str, Any]:
        """Send a file to the child, and return its verdict. Raises as `run_trial` does."""

        def run(child: Child) -> dict[str, Any]:
            try:
                reply, _ = child.exchange(head, [data])
            except ChildEnded as error:
                self._forget()
                if error.late:
                    raise ContractError(
                        f"champion: its trial took more than {self._limits.wall_s:g} s; export a smaller model"
                    ) from error
                raise ContractError(
                    f"champion: its trial ended with {error} and no verdict: {self._explain(error)}"
                ) from error
            if isinstance(verdict := reply.get("good"), dict):
                return verdict
            reasons = (str(reply[name]) for name in ("refused", "failed", "too_slow") if name in reply)
            raise ContractError(next(reasons, "champion: its trial returned no verdict; export it again"))

        return self._isolated(hashlib.sha256(data).hexdigest(), run, (ContractError,))

    def _isolated(self, sha256: str, run: Callable[[Child], T], failures: tuple[type[Exception], ...]) -> T:
        """Run in the current child, and again in a new one after a failure that another champion may have caused.

        Args:
            sha256: of the champion that runs.
            run: runs it in a child.
            failures: the errors that are repeated.
        """
        if self._pool:
            self._pool.use(self)
        with self._lock:
            child = self._current()
            is_shared = bool(self._champions - {sha256})
            self._champions.add(sha256)
            try:
                return run(child)
            except failures:
                if not is_shared:
                    raise
            except BaseException:
                self._close()
                raise
            self._close()
            child = self._current()
            self._champions.add(sha256)
            return run(child)

    def _current(self) -> Child:
        """Return the child, started if there is none. Raises Unavailable."""
        if self._child is None:
            self._child = self._pool.child(self._limits) if self._pool else Child(self._limits)
            self._finalize = weakref.finalize(self, self._child.close)  # runs at the latest when this process ends
        return self._child

    def _close(self) -> None:
        if self._child is not None:
            self._finalize()
        self._forget()

    def _forget(self) -> None:
        self._child = None
        self._champions = set()
        self._loaded = set()

    def _explain(self, error: ChildEnded) -> str:
        """Return the likely reason for the end of the child, and the cure."""
        memory, first_cpu_s, cpu_s, *_ = self._limits
        too_long = f"it took more than {first_cpu_s} s of processor time to its first forecast, or {cpu_s} s in total"
        match -error.code:
            case signal.SIGXCPU:
                return f"{too_long}; export a smaller model"
            case signal.SIGKILL:
                return f"{too_long}, or it was killed; try again"
        return (
            f"it took more than {memory // 2**20} MB, or crashed the runtime; export a smaller one, or export it again"
        )


def _forecast(reply: Mapping[str, Any], numbers: bytes, shape: tuple[int, int, int]) -> Forecast:
    """Parse the numbers of a reply. A champion may have forged it, so only their count is checked here.

    Args:
        reply: the head.
        numbers: the data: quantiles, mean and perhaps sd, as float64.
        shape: of the quantiles, [batch, horizon, levels].

    Raises ForecastError, also when the reply reports an error, and TooSlow.
    """
    if "too_slow" in reply:
        raise TooSlow(str(reply["too_slow"]))
    for name in ("failed", "refused"):
        if name in reply:
            raise ForecastError(str(reply[name]))
    batch, horizon, levels = shape
    days, size = batch * horizon, batch * horizon * levels
    expected = {"quantiles": [*shape], "mean": [batch, horizon], **({"sd": [batch, horizon]} if "sd" in reply else {})}
    if reply != expected or len(numbers) != 8 * (size + days * (len(expected) - 1)):
        raise ForecastError(f"the champion gave {reply} for a batch of {batch}; export it again")
    values = array("d", numbers)
    prices = [values[at : at + levels].tolist() for at in range(0, size, levels)]
    others = [
        [values[at : at + horizon].tolist() for at in range(start, start + days, horizon)]
        for start in range(size, len(values), days)
    ]
    return Forecast([prices[at : at + horizon] for at in range(0, days, horizon)], *others)


class SandboxedChampion(BaseChampion):
    """A champion that runs in a sandbox."""

    def __init__(self, data: bytes, sha256: str, sandbox: Sandbox) -> None:
        """Parse the file, whose digest must be `sha256`. Raises ContractError."""
        props, inputs, outputs = describe(data)
        super().__init__(Metadata.parse(props), sha256, inputs, outputs)
        self._data = data
        self._sandbox = sandbox

    def forecast(self, inputs: Rows) -> Forecast:
        """Forecast a batch.

        The inputs are rows of `window` prices for each column, oldest first, and where the champion declares them
        `date` (rows of `window`) and `target_date` (rows of `horizon`), whole days since 1970-01-01.

        Raises ForecastError when the numbers are not a valid forecast (`plausibility.find_fault`) and for whatever else
        the champion does, TooSlow, Died, and Unavailable when this machine cannot start a child.
        """
        forecast = self.run(inputs)
        self.check(*forecast)
        return forecast

    def plausible_forecast(self, inputs: Rows) -> Forecast:
        """Forecast a batch that is served.

        As `forecast`, but raises ForecastError also when the forecast is implausible for these closes
        (`plausibility.find_implausibility`).
        """
        forecast = self.run(inputs)
        self.check_plausible(forecast.quantiles, forecast.mean, inputs["close"], forecast.sd)
        return forecast

    def run(self, inputs: Rows) -> Forecast:
        """Run the model in the sandbox without any check of the numbers. Raises as `forecast` does."""
        shape = len(inputs["close"]), self.metadata.horizon, len(self.metadata.levels)
        return self._sandbox.forecast(self._data, self.sha256, inputs, shape)
