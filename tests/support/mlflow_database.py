"""MLflow's SQLite databases for tests: a copy of one that is migrated once a process, where a new one takes seconds."""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def create(path: Path) -> str:
    """Write an empty database of this MLflow to `path`, where there is no file yet, and return its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(_template())
    return f"sqlite:///{path}"


def is_unused(path: Path) -> bool:
    """True if nothing was written to this database since `create`: the first client makes the default experiment."""
    return path.read_bytes() == _template()


@cache
def _template() -> bytes:
    """A migrated database without the default experiment, which names a folder: MLflow makes it where it is missing."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        store = SqlAlchemyStore(f"sqlite:///{path}", folder)  # type: ignore[no-untyped-call]
        store._dispose_engine()  # type: ignore[no-untyped-call]
        with closing(sqlite3.connect(path)) as database:
            database.execute("DELETE FROM experiments")
            database.commit()
        return path.read_bytes()
