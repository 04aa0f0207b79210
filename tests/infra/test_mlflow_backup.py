"""Backups of MLflow's databases: whole while they are written, never put over anything, and refused when damaged."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import mlflow_backup
from infra.mlflow_backup import BackupError
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store

NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 2, 15, tzinfo=UTC)
NAME = "20261124T021500Z"
VERSION = "3.17.2"
OLD, NEW = "of-3.17", "of-3.18"  # revisions of the schema
SCHEMAS = {OLD}


def write(folder: Path, value: int, names: tuple[str, ...] = mlflow_backup.DATABASES) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        with closing(sqlite3.connect(folder / name)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS facts (value INTEGER)")
            database.execute("INSERT INTO facts VALUES (?)", (value,))
            database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT PRIMARY KEY)")
            database.execute("INSERT OR IGNORE INTO alembic_version VALUES (?)", (OLD,))


def migrate(folder: Path, schema: str) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (schema,))


def values(folder: Path, name: str = "mlflow.db") -> list[int]:
    with closing(sqlite3.connect(folder / name)) as database:
        return [row[0] for row in database.execute("SELECT value FROM facts ORDER BY value")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write(folder, 1)
    return folder


def test_a_backup_goes_into_an_empty_folder(data: Path, store: Store, tmp_path: Path) -> None:
    taken = mlflow_backup.take(data, store, VERSION, NOW)
    assert (taken.name, taken.version, taken.schema) == (NAME, VERSION, OLD)
    assert list(taken.sha256) == list(mlflow_backup.DATABASES)
    assert mlflow_backup.list_backups(store) == [NAME]
    empty = tmp_path / "not" / "there"
    assert mlflow_backup.restore(empty, store, SCHEMAS, LATER) == taken
    assert [values(empty, name) for name in mlflow_backup.DATABASES] == [[1], [1]]
    assert sorted(path.name for path in empty.iterdir()) == [".lock", *sorted(mlflow_backup.DATABASES)]


def test_what_was_there_is_kept_aside_with_its_journals(data: Path, store: Store) -> None:
    mlflow_backup.take(data, store, VERSION, NOW)
    write(data, 2)
    (data / "mlflow.db-wal").write_bytes(b"a journal")
    mlflow_backup.restore(data, store, SCHEMAS, LATER)
    assert values(data) == [1]
    assert not (data / "mlflow.db-wal").exists()
    aside = data / "replaced-20261125T021500Z"
    assert (aside / "mlflow.db-wal").read_bytes() == b"a journal"
    (aside / "mlflow.db-wal").unlink()
    assert values(aside) == [1, 2]


def test_the_newest_is_restored_unless_one_is_named(data: Path, store: Store) -> None:
    mlflow_backup.take(data, store, VERSION, NOW)
    write(data, 2)
    mlflow_backup.take(data, store, VERSION, LATER)
    mlflow_backup.restore(data, store, SCHEMAS, datetime(2026, 11, 26, tzinfo=UTC))
    assert values(data) == [1, 2]
    mlflow_backup.restore(data, store, SCHEMAS, datetime(2026, 11, 27, tzinfo=UTC), NAME)
    assert values(data) == [1]


def test_a_copy_is_whole_while_a_server_writes(data: Path, store: Store, tmp_path: Path) -> None:
    """Each transaction writes a pair of equal rows; a copy of the file's bytes could hold half of one."""
    stop = threading.Event()
    with closing(sqlite3.connect(data / "mlflow.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")

    def work() -> None:
        with closing(sqlite3.connect(data / "mlflow.db", timeout=30)) as database:
            number = 1
            while not stop.is_set():
                number += 1
                with database:
                    database.executemany("INSERT INTO facts VALUES (?)", [(number,)] * 2)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for second in range(5):
            mlflow_backup.take(data, store, VERSION, NOW.replace(second=second))
    finally:
        stop.set()
        writer.join()
    for name in mlflow_backup.list_backups(store):
        empty = tmp_path / name
        empty.mkdir()
        mlflow_backup.restore(empty, store, SCHEMAS, LATER, name)
        found = values(empty)[1:]
        assert found[::2] == found[1::2]


def test_nothing_is_restored_under_a_server(data: Path, store: Store) -> None:
    mlflow_backup.take(data, store, VERSION, NOW)
    with (
        mlflow_backup.lock_databases(data),
        pytest.raises(BackupError, match=rf"^{data}: .*server runs .*; stop it first"),
    ):
        mlflow_backup.restore(data, store, SCHEMAS, LATER)
    mlflow_backup.restore(data, store, SCHEMAS, LATER)


@pytest.mark.parametrize(("schemas", "restored"), [({OLD, NEW}, True), ({NEW}, True), ({OLD}, False)])
def test_a_newer_mlflows_databases_are_refused(schemas: set[str], restored: bool, data: Path, store: Store) -> None:
    migrate(data, NEW)
    mlflow_backup.take(data, store, "3.18.0", NOW)
    write(data, 2)
    if restored:
        mlflow_backup.restore(data, store, schemas, LATER)
    else:
        with pytest.raises(BackupError, match=r"^backups/.*\.tar\.gz .*schema.*; restore .* MLflow 3\.18\.0"):
            mlflow_backup.restore(data, store, schemas, LATER)
    assert values(data) == ([1] if restored else [1, 2])


def test_what_was_backed_up_before_an_upgrade_goes_back_with_the_former_mlflow(data: Path, store: Store) -> None:
    """It is the new MLflow that takes that backup, and the old one that must take it back."""
    mlflow_backup.take(data, store, "3.18.0", NOW)
    migrate(data, NEW)
    write(data, 2)
    assert mlflow_backup.restore(data, store, {OLD}, LATER).schema == OLD
    assert values(data) == [1]


def test_a_database_of_others_is_not_backed_up(tmp_path: Path, store: Store) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE facts (value INTEGER)")
    with pytest.raises(BackupError, match=r"^mlflow\.db: .*alembic_version; .* --data"):
        mlflow_backup.take(tmp_path, store, VERSION, NOW)
    assert mlflow_backup.list_backups(store) == []


def test_errors_name_what_and_the_cure(data: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=rf"^{tmp_path}: no mlflow\.db .*; .* --data"):
        mlflow_backup.take(tmp_path, store, VERSION, NOW)
    with pytest.raises(BackupError, match="no backup under backups/; check S3_BUCKET"):
        mlflow_backup.restore(data, store, SCHEMAS, LATER)
    mlflow_backup.take(data, store, VERSION, NOW)
    with pytest.raises(BackupError, match="--name: no backup yesterday; `backups` lists"):
        mlflow_backup.restore(data, store, SCHEMAS, LATER, "yesterday")
    with pytest.raises(BackupError, match=rf"^backups/{NAME}\.tar\.gz: taken already .*; try again"):
        write(data, 2)
        mlflow_backup.take(data, store, VERSION, NOW)


def test_a_damaged_database_is_not_backed_up(data: Path, store: Store) -> None:
    (data / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BackupError, match=rf"^{data}/mlflow\.db: damaged database: .*; use an older"):
        mlflow_backup.take(data, store, VERSION, NOW)
    assert mlflow_backup.list_backups(store) == []


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    folder = tmp_path_factory.mktemp("archive")
    write(folder, 1)
    taken = FolderStore(folder / "store")
    mlflow_backup.take(folder, taken, VERSION, NOW)
    yield taken.read(f"backups/{NAME}.tar.gz").data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_archive_restores_what_was_backed_up_or_nothing(
    where: float, change: int, cut: bool, archive: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at = int(where * len(archive))
    damaged = archive[:at] if cut else archive[:at] + bytes([archive[at] ^ change]) + archive[at + 1 :]
    folder = tmp_path_factory.mktemp("damaged")
    write(folder / "data", 7)
    kept = FolderStore(folder / "store")
    kept.create(f"backups/{NAME}.tar.gz", damaged)
    try:
        mlflow_backup.restore(folder / "data", kept, SCHEMAS, LATER)
    except BackupError as error:
        assert re.fullmatch(rf"backups/{NAME}\.tar\.gz: .*; .* older backup", str(error), re.DOTALL)
        assert values(folder / "data") == [7]
    else:
        assert values(folder / "data") == [1]
