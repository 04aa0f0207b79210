"""Backups of an MLflow server's databases: one archive a backup, `backups/<time>.tar.gz` of its store.

The copies are taken by SQLite itself while the server writes (sqlite.org/backup.html), each whole, one after the other.
Artifacts are in the bucket already and are not copied. A restore puts nothing over what is there: it moves it aside.
"""

import fcntl
import gzip
import hashlib
import io
import json
import re
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from lambda_fn.store.object_store import Missing, Store

DATABASES = ("mlflow.db", "basic_auth.db")  # runs and models; users
PREFIX = "backups"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z")
_ABOUT = "about.json"


class BackupError(RuntimeError):
    """A backup cannot be taken or used; the message names it and the cure."""


class Backup(NamedTuple):
    """What an archive holds: its name, the MLflow that took it, the schema of its runs, the digests of its databases.

    The schema may be older than that MLflow's own: such a backup is taken before an upgrade.
    """

    name: str
    version: str
    schema: str
    sha256: Mapping[str, str]


@contextmanager
def held(folder: Path) -> Iterator[IO[str]]:
    """Holds the databases of `folder` for one user of them; raises BackupError while a server runs on them.

    The file may be inherited by another program, which then holds them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"{folder}: an MLflow server runs on these databases; stop it first") from error
        yield lock


def take(folder: Path, store: Store, version: str, now: datetime) -> Backup:
    """Copies the databases of `folder`, checks the copies and stores them; raises BackupError."""
    found = [name for name in DATABASES if (folder / name).exists()]
    if DATABASES[0] not in found:
        raise BackupError(f"{folder}: no {DATABASES[0]} to back up; say where it is with --data")
    with tempfile.TemporaryDirectory(prefix="mlflow-backup-") as scratch:
        copies = {name: _copy(folder / name, Path(scratch) / name) for name in found}
        schema = schema_of(Path(scratch) / DATABASES[0])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in copies.items()}
    backup = Backup(f"{now:{_TIME}}", version, schema, digests)
    data = _packed(backup, copies)
    # a store that tries again may find what it wrote itself
    if not store.create(_key(backup.name), data) and store.read(_key(backup.name)).data != data:
        raise BackupError(f"{_key(backup.name)}: taken already in this second; try again")
    return backup


def schema_of(database: Path) -> str:
    """The revision of the schema of MLflow's runs; raises BackupError when the file is none of MLflow's."""
    try:
        with closing(sqlite3.connect(database)) as opened:
            ((revision,),) = opened.execute("SELECT version_num FROM alembic_version").fetchall()
    except (sqlite3.DatabaseError, ValueError) as error:
        raise BackupError(
            f"{database.name}: no database of MLflow's runs: {error}; say where it is with --data"
        ) from error
    return str(revision)


def names(store: Store) -> list[str]:
    """The names of all backups, the oldest first."""
    stems = (key.rpartition("/")[2].removesuffix(".tar.gz") for key in store.list(PREFIX))
    return sorted(stem for stem in stems if _NAME.fullmatch(stem))


def restore(folder: Path, store: Store, schemas: Collection[str], now: datetime, name: str | None = None) -> Backup:
    """Puts the databases of a backup, by default the newest, into `folder`; what is there goes to `replaced-<now>/`.

    Every byte is checked before anything moves. Raises BackupError: a server runs, there is no such backup, it is
    damaged, or of a schema that is not among `schemas`, those that the MLflow here knows.
    """
    known = names(store)
    if not known:
        raise BackupError(f"{store.describe()}: no backup under {PREFIX}/; check S3_BUCKET")
    with held(folder):
        backup, copies = _unpacked(name or known[-1], store)
        if backup.schema not in schemas:
            raise BackupError(
                f"{_key(backup.name)} is of a schema that the MLflow here does not know; restore it with an image that "
                f"has MLflow {backup.version} or newer"
            )
        fresh = {file: folder / f"{file}.restoring" for file in copies}
        for file, path in fresh.items():
            path.write_bytes(copies[file])
            _check(path, f"{_key(backup.name)}: {file}")
        _move_aside(folder, folder / f"replaced-{now:{_TIME}}")
        for file, path in fresh.items():
            path.replace(folder / file)
    return backup


def _key(name: str) -> str:
    return f"{PREFIX}/{name}.tar.gz"


def _copy(source: Path, target: Path) -> bytes:
    with _damage_named(str(source)), closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    _check(target, str(source))
    return target.read_bytes()


def _check(path: Path, what: str) -> None:
    with _damage_named(what), closing(sqlite3.connect(path)) as database:
        said = [row[0] for row in database.execute("PRAGMA integrity_check")]
        if said != ["ok"]:
            raise sqlite3.DatabaseError(said[0])


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{what}: no whole database: {error}; take an older backup") from error


def _packed(backup: Backup, copies: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    about = json.dumps({"mlflow": backup.version, "schema": backup.schema, "sha256": backup.sha256}, indent=1).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {_ABOUT: about, **copies}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _unpacked(name: str, store: Store) -> tuple[Backup, dict[str, bytes]]:
    try:
        data = store.read(_key(name)).data
    except Missing as error:
        raise BackupError(f"--name: no backup {name}; `backups` lists those that there are") from error
    try:
        # at once, which compares the checksum: tarfile stops reading before it
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            files = {entry.name: found.read() for entry in archive if (found := archive.extractfile(entry))}
        about = json.loads(files.pop(_ABOUT))
        backup = Backup(name, str(about["mlflow"]), str(about["schema"]), dict(about["sha256"]))
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{_key(name)}: no whole archive: {error}; take an older backup") from error
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    if digests != backup.sha256 or not set(files) <= set(DATABASES) or DATABASES[0] not in files:
        raise BackupError(f"{_key(name)}: its databases are not those that were backed up; take an older backup")
    return backup, files


def _move_aside(folder: Path, aside: Path) -> None:
    """Databases and the journals beside them, which would be played into the restored ones."""
    old = [path for name in DATABASES for path in folder.glob(f"{name}*") if not path.name.endswith(".restoring")]
    if old:
        aside.mkdir()
    for path in old:
        path.rename(aside / path.name)
