"""What is deployed, and nothing else: the image's packages, `lambda_fn`, and the variables that Lambda sets.

Imports are most of a cold start, so they must be those of the image: compiled, and without the tests' other packages.
"""

import compileall
import hashlib
import re
import shutil
import subprocess
import venv
from pathlib import Path

from uv import find_uv_bin

from tests.benchmarks import constant, rivals

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv" / "benchmarks"
RIVALS = Path(rivals.__file__).parent
LOCK = ROOT / "requirements-serving.txt"
DEV_LOCK = ROOT / "requirements-dev.txt"
# In AWS's base image; boto3 too, as Powertools imports botocore where it finds it.
BASE_IMAGE = (
    "awslambdaric",
    "boto3",
    "botocore",
    "python-dateutil",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot-restore-py",
    "urllib3",
)
VARIABLES = {
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_REGION": "us-east-1",
    "LANG": "en_US.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TZ": ":UTC",
}
"""Lambda's, and the image's own: one thread, as OpenBLAS would start one a core at its import."""


def interpreter() -> Path:
    """The Python of an environment with what the image has."""
    return made(FOLDER / "image", requirements())


def rival(name: str) -> Path:
    """The Python of an environment with what `rivals/NAME.txt` locks."""
    return made(FOLDER / name, (RIVALS / f"{name}.txt").read_text())


def made(folder: Path, lock: str) -> Path:
    """The Python of the environment in `folder`; made when `lock` changed, from the package index."""
    python = folder / "bin" / "python"
    stamp = folder / "locked.sha256"
    digest = hashlib.sha256(lock.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    venv.create(folder, clear=True, symlinks=True)
    locked = folder / "requirements.txt"
    locked.write_text(lock)
    install = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), "--compile-bytecode"]
    subprocess.run([*install, "--require-hashes", "-r", str(locked)], check=True)
    stamp.write_text(digest)
    return python


def requirements() -> str:
    """The serving lock and, from the dev lock, what is in the base image; with hashes."""
    blocks = re.split(r"\n(?=\w)", DEV_LOCK.read_text())  # what belongs to a package is indented
    of_base_image = (block for block in blocks if block.partition("==")[0] in BASE_IMAGE)
    return "\n".join([LOCK.read_text(), *of_base_image])


def rivals_root(folder: Path) -> Path:
    """Copies the rivals' files into `folder`, compiled."""
    for path in RIVALS.glob("*.py"):
        shutil.copy(path, folder / path.name)
    compileall.compile_dir(folder, quiet=1)
    return folder


def task_root(folder: Path) -> Path:
    """Copies `lambda_fn` and the constant handler into `folder`, compiled, as the image has it."""
    shutil.copytree(ROOT / "lambda_fn", folder / "lambda_fn", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(constant.__file__), folder / "constant.py")
    compileall.compile_dir(folder, quiet=1)
    return folder
