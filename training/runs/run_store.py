"""A run in the store: `runs/<run>/` has its frozen prices, its plan and the results of its tasks.

    plan.json                       the job without its prices; written last, so a run with a plan is complete
    prices.csv                      the price table, whose sha256 is in the plan; of several pairs prices/<pair>.csv
    shared.json                     the fits that all pairs share, by the digest of their panel; sha256 in the plan
    champions/<sha256>.onnx         every exported refit
    tasks/<index, 4 digits>.json    a task's result, written last and once: it names the champions by digest
    published.json                  facts of the published model; of several pairs published/<pair>.json

The plan of several pairs has one plan per pair below `pairs`, and their tasks are numbered one pair after the other.
Every object is created once and never changed, so that a task may be retried, or run twice at the same time.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import parse
from lambda_fn.store.object_store import Missing, Store
from training.errors import NamedError
from training.models.families import FAMILIES
from training.models.heads.pooled_fit import PooledFit
from training.prices.table import PriceTable, Source
from training.runs.jobs import Job, Refit, Result, Task, code_version, tasks

PAIRS_PREFIX = "PAIRS"  # the name of a run of several pairs begins with it
# The pair first, then the characters that AWS Batch allows in a job's name.
_NAME = re.compile(rf"([A-Z]{{6}}|{PAIRS_PREFIX})-[A-Za-z0-9_-]{{1,93}}")
_FIELDS = ("pair", "families", "first_year", "seed", "seeds", "span", "code", "first")


class RunError(NamedError, ValueError):
    """A run cannot be used; the message names the run and the cure."""


@dataclass(frozen=True)
class Run:
    """A frozen run: its name and its store."""

    store: Store
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RunError(
                f"--run: {self.name!r} is not a valid run name; begin with the pair, such as EURUSD-nightly-1, or with "
                f"{PAIRS_PREFIX}- for several pairs, and use at most 100 letters, digits, _ and -"
            )

    def key(self, name: str) -> str:
        return f"runs/{self.name}/{name}"

    def check_name(self, jobs: Sequence[Job]) -> None:
        """Check that the name begins as that of a run of these jobs must; raises RunError."""
        prefix = jobs[0].pair if len(jobs) == 1 else PAIRS_PREFIX
        if not self.name.startswith(f"{prefix}-"):
            scope = "another pair" if len(jobs) == 1 else f"one pair, but {len(jobs)} are requested"
            raise RunError(f"--run: {self.name} is of {scope}; begin the name with {prefix}-")

    def freeze(self, jobs: Sequence[Job]) -> None:
        """Write the prices, fits and plan of numbered jobs, one per pair; raises RunError when the run exists."""
        fits = _json({digest: fit.to_json() for job in jobs for digest, fit in job.shared.items()})
        plans = {
            job.pair: {
                **{name: getattr(job, name) for name in _FIELDS},
                **{"source": job.table.source, "origin": job.table.origin, "prices_sha256": job.table.sha256},
                **{"trusted": job.table.trusted, "tasks": len(tasks(job))},
            }
            for job in jobs
        }
        common = {"shared_sha256": hashlib.sha256(fits).hexdigest(), "code": jobs[0].code}
        common["tasks"] = sum(plan["tasks"] for plan in plans.values())
        for job in jobs:
            self.store.create(self.key(_prices_name(job.pair, len(jobs))), job.table.serialised())
        self.store.create(self.key("shared.json"), fits)
        plan = {**plans[jobs[0].pair], **common} if len(jobs) == 1 else {"pairs": plans, **common}
        # A second freeze that lost the race for the prices may have other bytes; it finds the plan here and fails.
        if not self.store.create(self.key("plan.json"), _json(plan)):
            raise RunError(f"--run: {self.name} exists in {self.store.describe()}; choose another name")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan as it was frozen; raises RunError when it was frozen by other code."""
        plan = self._read("plan.json", "freeze one with `eurusd tasks --freeze`")
        if plan["code"] != code_version():
            raise RunError(
                f"run {self.name}: frozen by training {plan['code']}, this is {code_version()}; use the code or image "
                "that froze it, or freeze a new run"
            )
        return plan

    @property
    def plans(self) -> Mapping[str, dict[str, Any]]:
        """The plan of each pair, in the order of the pairs' tasks."""
        return self.plan.get("pairs") or {self.plan["pair"]: self.plan}

    def job(self, pair: str) -> Job:
        """Read a pair's job as it was frozen; raises RunError when its prices or fits have changed."""
        plan = self.plans[pair]
        if unknown := sorted(set(plan["families"]) - set(FAMILIES)):
            raise RunError(f"run {self.name}: this code has no family {unknown[0]}; freeze a new run")
        data = self._read_frozen(_prices_name(pair, len(self.plans)), "prices", plan["prices_sha256"])
        table = replace(read_price_file(data, plan["source"], plan["origin"]), trusted=plan["trusted"])
        settings = {name: plan[name] for name in _FIELDS if name != "families"}
        return Job(table=table, families=tuple(plan["families"]), shared=self._shared_fits, **settings)

    def jobs(self) -> Iterable[Job]:
        """Yield the job of every pair, read one after the other."""
        return (self.job(pair) for pair in self.plans)

    def find_pair(self, index: int) -> str | None:
        """Find the pair whose task has this index; None where the run has no such task."""
        pairs = (pair for pair, plan in self.plans.items() if 0 <= index - plan["first"] < plan["tasks"])
        return next(pairs, None)

    def finished_tasks(self) -> set[int]:
        """List the indices of the tasks with a result."""
        names = (key.rpartition("/")[2] for key in self.store.list(self.key("tasks")))
        return {int(name.removesuffix(".json")) for name in names}

    def save(self, result: Result) -> None:
        """Write a result, the champions first. An existing result, of another attempt, is left as it is."""
        refits = []
        for refit in result.refits:
            sha256 = hashlib.sha256(refit.model).hexdigest()
            self.store.create(self.key(f"champions/{sha256}.onnx"), refit.model)
            refits.append(
                {
                    "cutoff": f"{refit.cutoff:%Y-%m-%d}",
                    "sha256": sha256,
                    "days": refit.days,
                    "pinball": refit.pinball,
                    "params": dict(refit.params),
                }
            )
        task = result.task
        summary = {"index": task.index, "family": task.family, "seed": task.seed, "seconds": round(result.seconds, 2)}
        self.store.create(self.key(_task_name(task.index)), _json({**summary, "refits": refits}))

    def results(self, job: Job, on_read: Callable[[str], None] = lambda family: None) -> Iterable[Result]:
        """Yield every result in the store; raises RunError for one that belongs to another task or was changed."""
        finished = self.finished_tasks()
        for task in tasks(job):
            if task.index in finished:
                yield self._read_result(task)
                on_read(task.family)

    def published(self, pair: str) -> dict[str, Any] | None:
        """Read the facts of the model that the selection published for this pair; None if it published none."""
        key = self.key(self._published_name(pair))
        try:
            return self._parse(key, self.store.read(key).data, f"delete {key} and select again")
        except Missing:
            return None

    def mark_published(self, pair: str, facts: dict[str, Any]) -> None:
        self.store.create(self.key(self._published_name(pair)), _json(facts))

    def _published_name(self, pair: str) -> str:
        return "published.json" if len(self.plans) == 1 else f"published/{pair}.json"

    def _read_result(self, task: Task) -> Result:
        record = self._read(_task_name(task.index), "run it again")
        cutoffs = tuple(pd.Timestamp(refit["cutoff"]) for refit in record["refits"])
        if (record["family"], record["seed"], cutoffs) != (task.family, task.seed, task.cutoffs):
            raise RunError(f"run {self.name}: {_task_name(task.index)} is the result of another task; freeze a new run")
        refits = []
        for cutoff, refit in zip(cutoffs, record["refits"], strict=True):
            name = f"champions/{refit['sha256']}.onnx"
            model = self.store.read(self.key(name)).data
            if hashlib.sha256(model).hexdigest() != refit["sha256"]:
                raise RunError(f"run {self.name}: {name} does not have the sha256 of its name; freeze a new run")
            refits.append(Refit(cutoff, model, refit["params"], tuple(refit["days"]), tuple(refit["pinball"])))
        return Result(task, tuple(refits), record["seconds"])

    @cached_property
    def _shared_fits(self) -> Mapping[str, PooledFit]:
        data = self._read_frozen("shared.json", "shared fits", self.plan["shared_sha256"])
        return {digest: PooledFit.from_json(facts) for digest, facts in json.loads(data).items()}

    def _read_frozen(self, name: str, description: str, expected: str) -> bytes:
        data = self.store.read(self.key(name)).data
        if (sha256 := hashlib.sha256(data).hexdigest()) != expected:
            raise RunError(
                f"run {self.name}: its {description} have the sha256 {sha256}, but the plan has {expected}; freeze a "
                "new run"
            )
        return data

    def _read(self, name: str, cure: str) -> dict[str, Any]:
        """Read a record; `cure` is for one that does not exist."""
        key = self.key(name)
        try:
            return self._parse(key, self.store.read(key).data, "freeze a new run")
        except Missing as error:
            raise RunError(f"run {self.name}: {self.store.describe()} has no {key}; {cure}") from error

    def _parse(self, key: str, data: bytes, cure: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise RunError(f"run {self.name}: {key} is not valid JSON ({error}); {cure}") from error
        return record


def read_price_file(data: bytes, source: Source, origin: str) -> PriceTable:
    """Read the price table of a price file, with the digest of its bytes; raises RunError naming an unreadable row."""
    try:
        days, columns = parse(data)
    except ContractError as error:
        raise RunError(f"prices: {error}") from error
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(days, name="date").as_unit("us"))
    return PriceTable(frame, source, hashlib.sha256(data).hexdigest(), origin)


def _prices_name(pair: str, pairs: int) -> str:
    return "prices.csv" if pairs == 1 else f"prices/{pair}.csv"


def _task_name(index: int) -> str:
    return f"tasks/{index:04d}.json"


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, default=str) + "\n").encode()
