"""`clean --unserved` as a command, on a real S3 server, after fourteen generations were really published and served."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from lambda_fn.contract import Active
from lambda_fn.jobs.activation import activate
from lambda_fn.refresh import rollback
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import tracked
from tests.support.e2e.command import training
from training.publishing.cleanup import KEPT_GENERATIONS

GENERATIONS = 13
BACK = 2  # an old champion that is active again


@pytest.fixture
def store_environ(bucket_environ: Mapping[str, str]) -> Mapping[str, str]:
    """Only the bucket: each champion is tried twice in a process of its own, which takes its time."""
    return bucket_environ


@pytest.fixture
def digests(store: Store, settings: Settings) -> dict[int, str]:
    """Of the champion of each generation; the last goes back to an old one."""
    tracked.put_prices(store)
    for number in range(1, GENERATIONS + 1):
        now = tracked.NOW + timedelta(hours=number)
        tracked.publish(store, settings, version=number, now=now, spread=0.005 + 0.0001 * number)
        activate(store, settings, now)
    assert rollback(store, settings, BACK, now + timedelta(hours=1))["generation"] == GENERATIONS + 1
    records = {number: store.read(keys.activated_key(number)).data for number in range(1, GENERATIONS + 2)}
    found = {number: Active.parse(data).champion.sha256 for number, data in records.items()}
    assert len(set(found.values())) == GENERATIONS and found[GENERATIONS + 1] == found[BACK]
    return found


def files(digest: str) -> set[str]:
    return {keys.champion_key(digest), keys.serving_key(digest)}


def test_old_champions_go_and_the_active_and_the_last_ten_generations_stay(
    store: Store, settings: Settings, store_environ: Mapping[str, str], digests: dict[int, str], tmp_path: Path
) -> None:
    before = {key: store.read(key).data for key in store.list("")}
    unasked = training(tmp_path, store_environ, "clean", "--unserved")
    assert unasked.returncode == 2 and "clean: " in unasked.stderr and "; say --yes " in unasked.stderr
    assert {key: store.read(key).data for key in store.list("")} == before
    listed = {line.split()[1] for line in unasked.stdout.splitlines() if line.startswith("delete ")}
    done = training(tmp_path, store_environ, "clean", "--unserved", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    gone = set(json.loads(done.stdout)["keys"])
    # of those published the last ten are 4 to 13, of those activated 5 to 14: so 1 and 3 are nobody's, 2 is active
    assert gone == listed == files(digests[1]) | files(digests[3])
    assert {key: store.read(key).data for key in store.list("")} == {
        key: data for key, data in before.items() if key not in gone
    }
    assert GENERATIONS - KEPT_GENERATIONS == 3
    again = training(tmp_path, store_environ, "clean", "--unserved", "--yes")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing to delete")
    for generation in (GENERATIONS + 2 - KEPT_GENERATIONS, GENERATIONS):
        later = tracked.NOW + timedelta(days=generation)
        assert rollback(store, settings, generation, later)["outcome"] == "activated"
        assert Active.parse(store.read(keys.active_key()).data).champion.sha256 == digests[generation]
