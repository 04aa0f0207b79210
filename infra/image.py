"""`python -m infra.image`: builds the image and says how large it is, and how much of that is not the base image."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile.lambda"
NAME = "eurusd-forecast"


def main() -> int:
    """Returns 1 after Docker's own words when it fails."""
    command = ["docker", "build", "--file", str(DOCKERFILE), "--tag", NAME, str(ROOT)]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    try:
        subprocess.run(command, check=True)
        sys.stdout.write(report(_size(NAME), _size(base()), _size_of_package()))
    except FileNotFoundError:
        sys.stderr.write("no command docker: install Docker\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def report(whole: int, below: int, package: int) -> str:
    """Sizes in bytes, unpacked: of the image, of its base, and of lambda_fn with its byte code."""
    ours = whole - below
    return (
        f"{NAME}: {_mb(whole)}, of which the base image {_mb(below)}\n"
        f"ours: {_mb(ours)} ({ours / whole:.0%}): requirements {_mb(ours - package)}, lambda_fn {_mb(package)}\n"
    )


def base() -> str:
    """The image that the Dockerfile starts from."""
    return next(line.split()[1] for line in DOCKERFILE.read_text().splitlines() if line.startswith("FROM "))


def _size(image: str) -> int:
    return int(json.loads(_docker("image", "inspect", image))[0]["Size"])


def _size_of_package() -> int:
    """The layers above the one that installs the requirements."""
    rows = _docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", NAME).splitlines()
    installs = next(number for number, row in enumerate(rows) if "pip install" in row)
    return sum(int(row.split()[0]) for row in rows[:installs])


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
