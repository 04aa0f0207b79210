"""The stores that the functions read: a folder with a trained champion and real prices, and the same in a bucket."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.s3 import open_store
from tests.benchmarks.environment import ROOT
from tests.support import seaweedfs

SERVED = ("serving", "prices")
# Small settings: every part is real, one family and two years of walking forward make it quick.
TRAINING = ("run", "--families", "random_walk", "--first-year", "2025")


def make_folder(folder: Path, trained: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a folder that holds what serving reads: copied from the store `trained`, or trained now."""
    folder.mkdir()
    if trained is None:
        inherited = {name: value for name, value in environ.items() if name not in DEFAULTS}
        command = [sys.executable, "-m", "training", *TRAINING]
        subprocess.run(
            command, cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL
        )
    else:
        for name in SERVED:
            shutil.copytree(trained / name, folder / name)
    return {"STORE_DIR": str(folder)}


def make_bucket(server: seaweedfs.S3Server, folder: Path) -> dict[str, str]:
    """The variables of a bucket with the same objects."""
    environ = server.environ()
    with seaweedfs.variables(environ):
        bucket = open_store(Settings.from_env(environ))
        for name in SERVED:
            for path in sorted((folder / name).rglob("*")):
                if path.is_file():
                    bucket.create(path.relative_to(folder).as_posix(), path.read_bytes())
    return environ
