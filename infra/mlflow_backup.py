"""Backups of the databases of an MLflow server: each is an archive in its store, `backups/<time>.tar.gz`.

SQLite copies each database consistently while the server writes (sqlite.org/backup.html), one after the other.
Artifacts are in the bucket already and are not copied. A restore overwrites nothing: it moves existing files aside.
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
KEY_DIGEST = "webhook-key.sha256"  # beside the databases: the server notes the digest of its key there
PREFIX = "backups"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z")
_ABOUT = "about.json"


class BackupError(RuntimeError):
    """A backup cannot be taken or used; the message names it and says what to do."""


class Backup(NamedTuple):
    """The description of a backup.

    Attributes:
        name: Its name, the time.
        version: The version of MLflow that took it.
        schema: The schema of its runs; older than that version's own in a backup before an upgrade.
        sha256: The digest of each database.
        webhook_key: The digest of the key that encrypts the secrets of webhooks; empty without a key.
    """

    name: str
    version: str
    schema: str
    sha256: Mapping[str, str]
    webhook_key: str = ""


@contextmanager
def lock_databases(folder: Path) -> Iterator[IO[str]]:
    """Lock the databases of `folder` for one process. Raises BackupError while a server runs on them.

    A program that inherits the lock file keeps the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"{folder}: an MLflow server runs on these databases; stop it first") from error
        yield lock


def take(folder: Path, store: Store, version: str, now: datetime) -> Backup:
    """Copy the databases of `folder`, check the copies and store them.

    Args:
        folder: The folder of the databases.
        store: The store of the backup.
        version: The version of MLflow.
        now: The time, which becomes the name of the backup.

    Raises:
        BackupError: There is no database, it is damaged, or a backup with this name exists.
    """
    databases = [name for name in DATABASES if (folder / name).exists()]
    if DATABASES[0] not in databases:
        raise BackupError(f"{folder}: no {DATABASES[0]} to back up; set its folder with --data")
    with tempfile.TemporaryDirectory(prefix="mlflow-backup-") as scratch:
        copies = {name: _copy(folder / name, Path(scratch) / name) for name in databases}
        schema = read_schema(Path(scratch) / DATABASES[0])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in copies.items()}
    noted = folder / KEY_DIGEST
    backup = Backup(f"{now:{_TIME}}", version, schema, digests, noted.read_text() if noted.exists() else "")
    data = _pack(backup, copies)
    # A store that retries a request may find the object that its first attempt wrote.
    if not store.create(_key(backup.name), data) and store.read(_key(backup.name)).data != data:
        raise BackupError(f"{_key(backup.name)}: taken already in this second; try again")
    return backup


def read_schema(database: Path) -> str:
    """Return the revision of the schema of MLflow's runs. Raises BackupError when it is not a database of MLflow."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except (sqlite3.DatabaseError, ValueError) as error:
        raise BackupError(
            f"{database.name}: not a database of MLflow's runs: {error}; set the right folder with --data"
        ) from error
    return str(revision)


def list_backups(store: Store) -> list[str]:
    """Return the names of all backups, the oldest first."""
    stems = (key.rpartition("/")[2].removesuffix(".tar.gz") for key in store.list(PREFIX))
    return sorted(stem for stem in stems if _NAME.fullmatch(stem))


def restore(folder: Path, store: Store, schemas: Collection[str], now: datetime, name: str | None = None) -> Backup:
    """Restore the databases of a backup; existing files move to `replaced-<now>/`.

    Every byte is checked before anything moves.

    Args:
        folder: The folder of the databases.
        store: The store of the backups.
        schemas: The schemas that the installed MLflow supports.
        now: The time, for the name of the folder of replaced files.
        name: The backup; None for the latest.

    Raises:
        BackupError: A server is running, or the backup does not exist, is damaged or has another schema.
    """
    backups = list_backups(store)
    if not backups:
        raise BackupError(f"{store.describe()}: no backup under {PREFIX}/; check S3_BUCKET")
    with lock_databases(folder):
        backup, copies = _unpack(name or backups[-1], store)
        if backup.schema not in schemas:
            raise BackupError(
                f"{_key(backup.name)} has a schema that the installed MLflow does not support; restore it with an "
                f"image that has MLflow {backup.version} or newer"
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
    with _name_damage(str(source)), closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    _check(target, str(source))
    return target.read_bytes()


def _check(path: Path, what: str) -> None:
    with _name_damage(what), closing(sqlite3.connect(path)) as database:
        results = [row[0] for row in database.execute("PRAGMA integrity_check")]
        if results != ["ok"]:
            raise sqlite3.DatabaseError(results[0])


@contextmanager
def _name_damage(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{what}: damaged database: {error}; use an older backup") from error


def _pack(backup: Backup, copies: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    members = {"mlflow": backup.version, "schema": backup.schema, "sha256": backup.sha256}
    about = json.dumps({**members, "webhook_key": backup.webhook_key}, indent=1).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {_ABOUT: about, **copies}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _unpack(name: str, store: Store) -> tuple[Backup, dict[str, bytes]]:
    try:
        data = store.read(_key(name)).data
    except Missing as error:
        raise BackupError(f"--name: no backup {name}; `backups` lists all") from error
    try:
        # Decompressed as a whole, which checks the checksum; tarfile would stop reading before it.
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            files = {entry.name: file.read() for entry in archive if (file := archive.extractfile(entry))}
        about = json.loads(files.pop(_ABOUT))
        webhook_key = str(about.get("webhook_key", ""))  # missing in older backups
        backup = Backup(name, str(about["mlflow"]), str(about["schema"]), dict(about["sha256"]), webhook_key)
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{_key(name)}: damaged archive: {error}; use an older backup") from error
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    if digests != backup.sha256 or not set(files) <= set(DATABASES) or DATABASES[0] not in files:
        raise BackupError(f"{_key(name)}: its databases do not match their digests; use an older backup")
    return backup, files


def _move_aside(folder: Path, aside: Path) -> None:
    """Move databases and their journals, which SQLite would otherwise apply to the restored databases."""
    old = [path for name in DATABASES for path in folder.glob(f"{name}*") if not path.name.endswith(".restoring")]
    if old:
        aside.mkdir()
    for path in old:
        path.rename(aside / path.name)
