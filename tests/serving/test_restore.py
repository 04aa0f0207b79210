"""What the runbook says of a lost file is done to every kind of object, on a real S3 server that keeps older versions,
and the service reads it afterwards; so it does where a whole bucket has gone back to older versions."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import jmespath
import obstore
import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import SUM, Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign, seaweedfs
from tests.support.ecb_server import DAYS, history
from tests.support.events import event
from tests.support.local_api import Clock
from tests.support.project import ROOT
from tests.support.seaweedfs import S3Server

PAIR, BUCKET, POINTER = "EURUSD", "versioned-bucket", "models/best_model_info.json"
ROWS = foreign.WINDOW + 2
GET = event("GET", "/api/predict")
POST = event("POST", "/api/predict", {}, {"close": foreign.closes(foreign.WINDOW).tolist()})
QUESTIONS = [GET, POST, event("GET", "/health"), event("GET", "/api/track-record")]

pytestmark = pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")


def now(rows: int) -> datetime:
    """The evening after the last of so many rows."""
    day = DAYS[rows - 1]
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


@pytest.fixture
def s3(s3_server: S3Server) -> Iterator[Any]:
    with seaweedfs.variables(s3_server.environ(BUCKET)):
        client = boto3.client("s3", endpoint_url=s3_server.endpoint, region_name=seaweedfs.REGION)
        try:
            client.create_bucket(Bucket=BUCKET)
        except client.exceptions.BucketAlreadyOwnedByYou:
            pass
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        found = client.list_object_versions(Bucket=BUCKET)
        for row in found.get("Versions", []) + found.get("DeleteMarkers", []):
            client.delete_object(Bucket=BUCKET, Key=row["Key"], VersionId=row["VersionId"])
        yield client


@pytest.fixture
def settings(s3: Any, s3_server: S3Server) -> Settings:
    return Settings.from_env(s3_server.environ(BUCKET))


@pytest.fixture
def store(settings: Settings) -> Store:
    """With a forecast of each of two days, of which the first has been scored."""
    found = open_store(settings, patient=True)
    take(found, settings, ROWS)
    publish(found, settings, 0.005, 1)
    take(found, settings, ROWS + 1)
    return found


def take(store: Store, settings: Settings, rows: int) -> None:
    ingest_and_forecast(store, settings, now(rows), fetch=lambda _: history(rows))


def publish(store: Store, settings: Settings, spread: float, generation: int, rows: int = ROWS) -> None:
    prices = store.read(keys.price_key(PAIR, "ecb")).data
    foreign.publish_to(store, foreign.champion_bytes(spread=spread), generation, prices)
    refresh(store, settings, now(rows))


def contents(store: Store) -> dict[str, bytes]:
    return {key: store.read(key).data for key in store.list("")}


def queried(s3: Any, key: str, name: str) -> str:
    """What the runbook's command puts into this variable."""
    [query] = re.findall(
        rf'{name}="\$\(aws s3api list-object-versions .* --query \'(.*)\' ', (ROOT / "infra/README.md").read_text()
    )
    found = jmespath.search(query, s3.list_object_versions(Bucket=BUCKET, Prefix=key))
    [version] = found if isinstance(found, list) else [found]  # as `--output text` tells either
    return str(version)


def reading(settings: Settings) -> tuple[App, Clock]:
    clock = Clock()
    clock.now = now(ROWS + 1).timestamp()
    return App(open_store(settings, patient=True), settings, clock), clock


def generation(reader: App, question: dict[str, Any]) -> int:
    answer = handle_event(reader, question)
    assert answer["statusCode"] == 200, answer["body"]
    found: int = json.loads(answer["body"])["champion"]["generation"]
    return found


@pytest.mark.parametrize("loss", ["deleted", "overwritten"])
def test_each_object_is_restored_as_the_runbook_says(loss: str, s3: Any, store: Store, settings: Settings) -> None:
    good = contents(store)
    folders = {key.rpartition("/")[0] for key in good}
    assert folders >= {"models", "models/champions", "serving", "serving/champions", "serving/history", "prices"}
    assert {keys.forecast_key(), keys.record_key(), keys.scores_key(PAIR)} < good.keys()
    assert keys.ledger_key(PAIR, DAYS[ROWS]) in good
    for key in good:
        if loss == "deleted":
            s3.delete_object(Bucket=BUCKET, Key=key)
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=queried(s3, key, "MARK"))
        else:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"nonsense")
            older = queried(s3, key, "OLDER")
            s3.copy_object(Bucket=BUCKET, Key=key, CopySource=f"{BUCKET}/{key}?versionId={older}")
        assert obstore.get(store._objects, key).attributes[SUM], "restored without its sum"
    assert contents(store) == good
    reader, _ = reading(settings)
    for question in QUESTIONS:
        assert handle_event(reader, question)["statusCode"] == 200
    take(store, settings, ROWS + 1)
    refresh(store, settings, now(ROWS + 1))
    assert contents(store) == good, "nothing is made anew of what was restored"


def test_a_bucket_of_older_versions_is_followed_and_catches_up(s3: Any, store: Store, settings: Settings) -> None:
    older = contents(store)
    publish(store, settings, 0.006, 2)
    take(store, settings, ROWS + 3)
    newer = contents(store)
    reader, clock = reading(settings)
    assert [generation(reader, question) for question in (GET, POST)] == [2, 2]
    for key, data in older.items():
        if newer[key] != data:
            s3.copy_object(Bucket=BUCKET, Key=key, CopySource=f"{BUCKET}/{key}?versionId={_version_of(s3, key, data)}")
    assert {key: contents(store)[key] for key in older} == older
    clock.ahead(settings.champion_max_age_s)
    for each in (reader, reading(settings)[0]):  # who restores it means it, so all follow, at once
        assert [generation(each, question) for question in (GET, POST)] == [1, 1]
    refresh(store, settings, now(ROWS + 3))
    take(store, settings, ROWS + 3)
    after = contents(store)
    for key, data in newer.items():
        if key.startswith(("record/", "prices/", "serving/history/", "models/history/")):
            assert after[key] == data, "neither rows of the ledger nor outcomes nor generations are lost"
    publish(store, settings, 0.007, 3, ROWS + 3)
    clock.ahead(settings.champion_max_age_s)
    for each in (reader, reading(settings)[0]):
        assert [generation(each, question) for question in (GET, POST)] == [3, 3]


def _version_of(s3: Any, key: str, data: bytes) -> str:
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]
    for row in versions:
        if s3.get_object(Bucket=BUCKET, Key=key, VersionId=row["VersionId"])["Body"].read() == data:
            return str(row["VersionId"])
    raise AssertionError(f"no version of {key} is as before")
