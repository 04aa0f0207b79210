"""The files of the project, as git tracks them, and what its locks pin."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = ("serving", "training", "dev")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def lock(group: str) -> str:
    return (ROOT / f"requirements-{group}.txt").read_text()


def tracked(root: Path = ROOT) -> list[Path]:
    """What git tracks, and nothing that a user left in the folder."""
    listed = subprocess.run(["git", "ls-files", "--cached", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.split("\0") if (root / name).is_file()]


def copy_tracked(folder: Path) -> None:
    """What a clone has, put into `folder`."""
    for path in tracked():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
