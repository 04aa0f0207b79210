"""A run in the store: `runs/<run>/` holds its frozen prices, its plan and what its tasks leave.

    plan.json                       the job without its prices; written last, so a run with a plan is whole
    prices.csv                      the price table, whose sha256 is in the plan; of several pairs prices/<pair>.csv
    shared.json                     the fits that all pairs share, by the digest of their panel; sha256 in the plan
    champions/<sha256>.onnx         every exported refit
    tasks/<index, 4 digits>.json    a task's result, written last and once: it names the champions by digest
    published.json                  what the selection published; of several pairs published/<pair>.json

The plan of several pairs has one of each below `pairs`, and their tasks are numbered one pair after the other.
Every object is created once and never changed, so that a task may be tried again, or run twice at a time.
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
from training.models.heads.pooled_fit import Shared
from training.prices.table import PriceTable, Source
from training.runs.code_version import code_version
from training.runs.jobs import Job, Refit, Result, Task, tasks

SEVERAL = "PAIRS"  # begins the name of a run of several pairs
# The pair first; what AWS Batch takes as a part of a job's name.
_NAME = re.compile(rf"([A-Z]{{6}}|{SEVERAL})-[A-Za-z0-9_-]{{1,93}}")
_FIELDS = ("pair", "families", "first_year", "seed", "seeds", "span", "code", "first")


class RunError(NamedError, ValueError):
    """A run that cannot be used; the message names it and the cure."""


@dataclass(frozen=True)
class Run:
    """A frozen run: its name and the store that holds it."""

    store: Store
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RunError(
                f"--run: {self.name!r} is no name of a run; begin with the pair, such as EURUSD-nightly-1, or "
                f"{SEVERAL}- for several, and use letters, digits, _ and -, at most 100"
            )

    def key(self, name: str) -> str:
        return f"runs/{self.name}/{name}"

    def check_name(self, jobs: Sequence[Job]) -> None:
        """Check that the name is that of a run of these jobs; raises RunError."""
        begin = jobs[0].pair if len(jobs) == 1 else SEVERAL
        if not self.name.startswith(f"{begin}-"):
            of = "another pair" if len(jobs) == 1 else f"one pair, and {len(jobs)} are asked for"
            raise RunError(f"--run: {self.name} is of {of}; begin with {begin}-")

    def freeze(self, jobs: Sequence[Job]) -> None:
        """Write prices, fits and plan of a job a pair, numbered; raises RunError when there is such a run already."""
        fits = _json({digest: fit.to_json() for job in jobs for digest, fit in job.shared.items()})
        plans = {job.pair: _plan(job) for job in jobs}
        common = {"shared_sha256": hashlib.sha256(fits).hexdigest(), "code": jobs[0].code}
        common["tasks"] = sum(plan["tasks"] for plan in plans.values())
        for job in jobs:
            self.store.create(self.key(_prices_name(job.pair, len(jobs))), job.table.serialised())
        self.store.create(self.key("shared.json"), fits)
        plan = {**plans[jobs[0].pair], **common} if len(jobs) == 1 else {"pairs": plans, **common}
        # A second freeze that lost the race for the prices has other bytes there, and finds the plan when it gets here.
        if not self.store.create(self.key("plan.json"), _json(plan)):
            raise RunError(f"--run: {self.name} exists in {self.store.describe()}; choose another name")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """As it was frozen; raises RunError when this code is another."""
        plan = self._read("plan.json", "freeze one with `python -m training tasks --freeze`")
        if plan["code"] != code_version():
            raise RunError(
                f"run {self.name}: frozen by training {plan['code']}, this is {code_version()}; use the code or image "
                "that froze it, or freeze a new run"
            )
        return plan

    @property
    def plans(self) -> Mapping[str, dict[str, Any]]:
        """The plan of each pair, in the order of their tasks."""
        return self.plan.get("pairs") or {self.plan["pair"]: self.plan}

    def job(self, pair: str) -> Job:
        """A pair's job as it was frozen; raises RunError when its prices or fits are others."""
        plan = self.plans[pair]
        if unknown := sorted(set(plan["families"]) - set(FAMILIES)):
            raise RunError(f"run {self.name}: {unknown[0]} is no family of this code; freeze a new run")
        settings = {name: plan[name] for name in _FIELDS if name != "families"}
        return Job(table=self._prices(plan), families=tuple(plan["families"]), shared=self._shared, **settings)

    def jobs(self) -> Iterable[Job]:
        """Of every pair, read one after the other."""
        return (self.job(pair) for pair in self.plans)

    def pair_of(self, index: int) -> str | None:
        """The pair whose task has this index; None where the run has no such task."""
        found = (pair for pair, plan in self.plans.items() if 0 <= index - plan["first"] < plan["tasks"])
        return next(found, None)

    def done(self) -> set[int]:
        """Indices of the tasks with a result."""
        names = (key.rpartition("/")[2] for key in self.store.list(self.key("tasks")))
        return {int(name.removesuffix(".json")) for name in names}

    def save(self, result: Result) -> None:
        """Write a result: the champions first. Where there is one already, that of another try, it stays."""
        refits = []
        for done in result.refits:
            sha256 = hashlib.sha256(done.model).hexdigest()
            self.store.create(self.key(f"champions/{sha256}.onnx"), done.model)
            refits.append(
                {
                    "cutoff": f"{done.cutoff:%Y-%m-%d}",
                    "sha256": sha256,
                    "days": done.days,
                    "pinball": done.pinball,
                    "params": dict(done.params),
                }
            )
        task = result.task
        summary = {"index": task.index, "family": task.family, "seed": task.seed, "seconds": round(result.seconds, 2)}
        self.store.create(self.key(_task_name(task.index)), _json({**summary, "refits": refits}))

    def results(self, job: Job, on_read: Callable[[str], None] = lambda words: None) -> Iterable[Result]:
        """Every result there is; raises RunError for one that is not what it says."""
        done = self.done()
        for task in tasks(job):
            if task.index in done:
                yield self._result(task)
                on_read(task.family)

    def published(self, pair: str) -> dict[str, Any] | None:
        """What the selection published of this pair, or None."""
        try:
            return self._read(self._published_name(pair), "")
        except RunError:
            return None

    def mark_published(self, pair: str, facts: dict[str, Any]) -> None:
        self.store.create(self.key(self._published_name(pair)), _json(facts))

    def _published_name(self, pair: str) -> str:
        return "published.json" if len(self.plans) == 1 else f"published/{pair}.json"

    def _result(self, task: Task) -> Result:
        found = self._read(_task_name(task.index), "run it again")
        cutoffs = tuple(pd.Timestamp(done["cutoff"]) for done in found["refits"])
        if (found["family"], found["seed"], cutoffs) != (task.family, task.seed, task.cutoffs):
            raise RunError(f"run {self.name}: {_task_name(task.index)} is of another task; freeze a new run")
        refits = [
            Refit(cutoff, self._champion(done["sha256"]), done["params"], tuple(done["days"]), tuple(done["pinball"]))
            for cutoff, done in zip(cutoffs, found["refits"], strict=True)
        ]
        return Result(task, tuple(refits), found["seconds"])

    def _champion(self, sha256: str) -> bytes:
        data = self.store.read(self.key(f"champions/{sha256}.onnx")).data
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RunError(f"run {self.name}: champions/{sha256}.onnx is not what its name says; freeze a new run")
        return data

    def _prices(self, plan: dict[str, Any]) -> PriceTable:
        data = self._checked(_prices_name(plan["pair"], len(self.plans)), "prices", plan["prices_sha256"])
        return replace(table_of(data, plan["source"], plan["origin"]), trusted=plan["trusted"])

    @cached_property
    def _shared(self) -> Mapping[str, Shared]:
        data = self._checked("shared.json", "shared fits", self.plan["shared_sha256"])
        return {digest: Shared.from_json(facts) for digest, facts in json.loads(data).items()}

    def _checked(self, name: str, what: str, expected: str) -> bytes:
        data = self.store.read(self.key(name)).data
        if (sha256 := hashlib.sha256(data).hexdigest()) != expected:
            raise RunError(
                f"run {self.name}: its {what} have the sha256 {sha256}, the plan says {expected}; freeze a new run"
            )
        return data

    def _read(self, name: str, cure: str) -> dict[str, Any]:
        key = self.key(name)
        try:
            found: dict[str, Any] = json.loads(self.store.read(key).data)
        except Missing as error:
            raise RunError(f"run {self.name}: {self.store.describe()} has no {key}; {cure}") from error
        except ValueError as error:
            raise RunError(f"run {self.name}: {key} is no JSON ({error}); freeze a new run") from error
        return found


def table_of(data: bytes, source: Source, origin: str) -> PriceTable:
    """The price table of a price file, whose bytes it keeps; raises RunError naming the row that cannot be read."""
    try:
        days, columns = parse(data)
    except ContractError as error:
        raise RunError(f"prices: {error}") from error
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(days, name="date").as_unit("us"))
    return PriceTable(frame, source, hashlib.sha256(data).hexdigest(), origin)


def _plan(job: Job) -> dict[str, Any]:
    plan = {name: getattr(job, name) for name in _FIELDS}
    plan |= {"source": job.table.source, "origin": job.table.origin, "prices_sha256": job.table.sha256}
    return plan | {"trusted": job.table.trusted, "tasks": len(tasks(job))}


def _prices_name(pair: str, pairs: int) -> str:
    return "prices.csv" if pairs == 1 else f"prices/{pair}.csv"


def _task_name(index: int) -> str:
    return f"tasks/{index:04d}.json"


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, default=str) + "\n").encode()
