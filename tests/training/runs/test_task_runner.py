"""The same job by one process and by several, in any order, with workers that are killed: the same bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from tests.support import workers
from tests.support.workers import DiesAlways, DiesAtFirst, Finished, Work
from training.console import Stages
from training.export.onnx_export import average
from training.prices.table import PriceTable
from training.runs import pipeline
from training.runs.jobs import Job, Result, Task, cutoffs, tasks
from training.runs.task_runner import run_here, run_workers

FAMILIES = ("random_walk", "lstm")
ROWS = 1500  # six years: a network learns them in a second


class Outcome(NamedTuple):
    """What has to be the same: the score table, the champion, and every candidate's digest."""

    scores: str
    champion: str
    files: dict[str, str]


SCORED = (1, 2, 3, 4, 5, 21)  # the horizons of the score table


@pytest.fixture(scope="module")
def job(ecb: PriceTable) -> Job:
    """Two refits a family and two seeds of the network: 6 tasks of one refit."""
    return Job(replace(ecb, frame=ecb.frame.iloc[-ROWS:]), families=FAMILIES, first_year=2026, seeds=2, span=1)


@pytest.fixture(scope="module")
def plain(job: Job) -> Job:
    """Two families without a network, whose workers start sooner: 4 tasks."""
    return replace(job, families=("random_walk", "calendar"))


@pytest.fixture(scope="module")
def here(job: Job) -> list[Result]:
    return run_here(job, tasks(job), lambda words: None)


@pytest.fixture(scope="module")
def expected(job: Job, here: list[Result]) -> Outcome:
    return outcome(job, here)


@pytest.fixture(scope="module")
def plain_results(plain: Job) -> list[Result]:
    return run_here(plain, tasks(plain), lambda words: None)


@pytest.fixture(scope="module")
def expected_plain(plain: Job, plain_results: list[Result]) -> Outcome:
    return outcome(plain, plain_results)


@pytest.fixture(params=["finished", pytest.param("real", marks=pytest.mark.long)])
def work(request: pytest.FixtureRequest, plain_results: list[Result]) -> Work:
    """What a worker does that does not die. It is the dying that matters: real fits are left to the long tests."""
    return workers.work if request.param == "real" else Finished(dict(enumerate(plain_results)))


@pytest.fixture(scope="module")
def whole(ecb: PriceTable) -> Job:
    """The whole history, three refits a family and two seeds of the network: 8 tasks."""
    return Job(ecb, families=("random_walk", "linear_regression", "lstm"), first_year=2025, seeds=2, span=2)


@pytest.fixture(scope="module")
def expected_whole(whole: Job) -> Outcome:
    return outcome(whole, run_here(whole, tasks(whole), lambda words: None))


def outcome(job: Job, results: Iterable[Result]) -> Outcome:
    members, missing = pipeline.gather(job, results)
    assert missing == []
    return choose(job, members)


def choose(job: Job, members: pipeline.Members) -> Outcome:
    found = pipeline.evaluate(job, members, "random_walk", Stages(Console(stderr=True, quiet=True)))
    made = pipeline.candidates(job, members)
    table = found.scores.to_json(double_precision=15)
    return Outcome(table, found.selection.champion, {name: one.sha256 for name, one in made.items()})


def test_the_tasks_are_all_refits_of_all_members_once(whole: Job) -> None:
    listed = tasks(whole)
    assert [task.index for task in listed] == list(range(8))
    units = [(task.family, task.seed, cutoff) for task in listed for cutoff in task.cutoffs]
    seeds = {"random_walk": [0], "linear_regression": [0], "lstm": [0, 1]}
    assert sorted(units) == sorted(
        (name, seed, cutoff) for name, own in seeds.items() for seed in own for cutoff in cutoffs(whole)
    )


@pytest.mark.long  # TensorFlow is imported by each worker; test_fanout.py has workers too
def test_workers_give_the_same_scores_and_bytes(job: Job, here: Sequence[Result]) -> None:
    """Of both families; one network, as each worker that gets one imports TensorFlow first."""
    chosen = [tasks(job)[index] for index in (5, 1, 0)]
    found = {result.task: result.refits for result in run_workers(job, chosen, 2)}
    assert found == {task: here[task.index].refits for task in chosen}


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2, 8])
def test_workers_give_the_same_on_the_whole_history(whole: Job, expected_whole: Outcome, processes: int) -> None:
    assert outcome(whole, run_workers(whole, list(reversed(tasks(whole))), processes)) == expected_whole


def test_no_result_depends_on_how_tasks_are_cut(plain: Job, expected_plain: Outcome) -> None:
    other = replace(plain, span=100)
    assert outcome(other, run_here(other, tasks(other), lambda words: None)) == expected_plain


@pytest.mark.long
@pytest.mark.parametrize("span", [1, 100])
def test_no_result_of_a_network_depends_on_how_tasks_are_cut(whole: Job, expected_whole: Outcome, span: int) -> None:
    other = replace(whole, span=span, families=FAMILIES)
    files = outcome(other, run_here(other, tasks(other), lambda words: None)).files
    assert files == {name: expected_whole.files[name] for name in other.families}


@pytest.mark.parametrize("order", [[5, 0, 4, 1, 3, 2]])
def test_the_order_of_the_results_does_not_matter(
    job: Job, here: Sequence[Result], expected: Outcome, order: list[int]
) -> None:
    assert outcome(job, [here[i] for i in order]) == expected


@pytest.mark.long
def test_a_task_that_runs_alone_gives_the_bytes_of_one_that_ran_after_others(job: Job, here: Sequence[Result]) -> None:
    [alone] = run_here(job, [tasks(job)[-1]], lambda words: None)
    assert alone.refits == here[-1].refits


def test_a_killed_worker_costs_nothing_but_time(
    plain: Job, expected_plain: Outcome, work: Work, tmp_path: Path
) -> None:
    killed: list[int] = []
    results = run_workers(plain, tasks(plain), 2, on_killed=killed.append, work=DiesAtFirst(work, tmp_path))
    assert (tmp_path / "tried-1").exists()
    assert len(killed) == 1
    assert outcome(plain, results) == expected_plain


@pytest.mark.long
def test_a_task_that_always_dies_is_named_and_its_family_left_out(plain: Job, expected_plain: Outcome) -> None:
    results = run_workers(plain, tasks(plain), 2, work=DiesAlways(workers.work))
    members, missing = pipeline.gather(plain, results)
    assert [task.index for task in missing] == [1]
    [words] = pipeline.describe_missing(plain, members, missing)
    assert "task 1 (random_walk, seed 0, cutoffs" in words
    assert words.endswith("random_walk is left out")
    left = choose(plain, members)
    assert left.files == {name: sha for name, sha in expected_plain.files.items() if name != "random_walk"}


def test_what_a_window_forgets_is_measured_of_the_final_refit_alone(plain_results: Sequence[Result]) -> None:
    measured = [["parity_truncation" in refit.params for refit in result.refits] for result in plain_results]
    assert measured == [[False], [True]] * 2


def test_a_lost_seed_leaves_the_average_of_the_others(job: Job, here: Sequence[Result]) -> None:
    lost = next(task for task in tasks(job) if (task.family, task.seed) == ("lstm", 0))
    members, missing = pipeline.gather(job, [result for result in here if result.task != lost])
    [warning] = pipeline.describe_missing(job, members, missing)
    assert warning.startswith(f"warning: no result: {lost.describe()}: ") and warning.endswith(" 1 of 2 seeds")
    assert list(members["lstm"]) == [1]
    kept = [result for result in here if (result.task.family, result.task.seed) == ("lstm", 1)]
    assert pipeline.candidates(job, members)["lstm"].model == kept[-1].refits[-1].model


def test_without_any_complete_family_there_is_an_error_that_names_a_task(job: Job, here: Sequence[Result]) -> None:
    with pytest.raises(pipeline.IncompleteError, match=r"task 0 \(random_walk.*run it"):
        pipeline.gather(job, [here[1]])


def test_the_spread_is_that_of_the_single_seeds(job: Job, here: Sequence[Result]) -> None:
    members, _ = pipeline.gather(job, here)
    spread = pipeline.spread(members)
    assert set(spread["family"]) == {"lstm"}
    assert (spread["low"] <= spread["high"]).all()
    spread = spread[spread["horizon"].isin(SCORED)]
    alone = []
    for seed in (0, 1):
        single = replace(job, families=("lstm",), seed=seed, seeds=1)
        own = {"lstm": {seed: members["lstm"][seed]}}
        scores = pipeline.evaluate(single, own, None, Stages(Console(stderr=True, quiet=True))).scores
        alone.append(scores.loc[scores["family"] == "lstm", "pinball"].to_numpy())
    assert spread["low"].to_numpy() == pytest.approx(list(map(min, *alone)), rel=1e-12)
    assert spread["high"].to_numpy() == pytest.approx(list(map(max, *alone)), rel=1e-12)


def test_an_average_scores_no_worse_than_the_mean_of_its_seeds(job: Job, expected: Outcome, here: list[Result]) -> None:
    """Pinball loss is convex in the forecast, so this is a law: Jensen's inequality."""
    import pandas as pd

    members, _ = pipeline.gather(job, here)
    scores = pd.DataFrame(pipeline.evaluate(job, members, None, Stages(Console(stderr=True, quiet=True))).scores)
    own = scores.loc[scores["family"] == "lstm", "pinball"].to_numpy()
    spread = pipeline.spread(members)
    spread = spread[spread["horizon"].isin(SCORED)]
    assert (own <= (spread["low"] + spread["high"]).to_numpy() / 2 * (1 + 1e-6)).all()


def test_a_task_describes_itself() -> None:
    import pandas as pd

    task = Task(3, "lstm", 1, (pd.Timestamp("2024-12-31"), pd.Timestamp("2026-10-30")))
    assert task.describe() == "task 3 (lstm, seed 1, cutoffs 2024-12-31 to 2026-10-30 of EURUSD)"


def test_members_of_two_kinds_are_not_averaged(here: Sequence[Result]) -> None:
    from training.export.onnx_export import ExportError

    with pytest.raises(ExportError, match=r"^random_walk: members differ .*metadata; "):
        average([here[0].refits[0].model, here[-1].refits[0].model])
