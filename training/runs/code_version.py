"""The version of the training code."""

import hashlib
from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).parents[2]
PACKAGES = ("lambda_fn", "training")
SUFFIXES = (".csv", ".py", ".toml")


def code_version(root: Path = ROOT) -> str:
    """Return the version and a digest of all code and data that a fit may depend on.

    The digest also identifies the code where there is no git, as in a container.
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in SUFFIXES:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    return f"{__version__}+{digest.hexdigest()[:12]}"
