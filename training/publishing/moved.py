"""A SQLite registry that was moved with its files: MLflow writes down where they were, as whole paths of the machine.

Even a relative `artifact_location` becomes a whole path when MLflow 3 makes the experiment, so moving a clone would
lose every artifact. The columns are those of MLflow 3 (mlflow/store/tracking/dbmodels/models.py and
mlflow/store/model_registry/dbmodels/models.py).
"""

from contextlib import closing
from pathlib import Path

from training.publishing.address import database

FILES = "mlruns"  # the folder of files, beside the database
_COLUMNS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


def follow(path: Path) -> int:
    """Let a database find its files again that were moved with it; gives how many addresses changed.

    Only where the files are beside the database, and no longer where it says.
    """
    here = path.resolve().parent / FILES
    if not path.exists() or not here.is_dir():
        return 0
    with database(path, "rw") as opened, closing(opened.cursor()) as cursor:
        tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = [(table, column) for table, column in _COLUMNS if table in tables]
        changed = 0
        for old in _recorded(cursor.execute("SELECT artifact_location FROM experiments").fetchall() if columns else []):
            if old == here.as_uri() or Path(old.removeprefix("file://")).is_dir():
                continue
            for table, column in columns:
                found = cursor.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {column} LIKE ?",
                    (here.as_uri(), len(old) + 1, old, f"{old}/%"),
                )
                changed += found.rowcount
        opened.commit()
    return changed


def _recorded(rows: list[tuple[str | None]]) -> set[str]:
    """The folders named mlruns in which the experiments of this project have their files."""
    return {
        location for (location,) in rows if location and location.startswith("file://") and location.endswith(FILES)
    }
