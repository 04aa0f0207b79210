"""`python -m infra.image`: build the image, and print its size and how much of it is the base image."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile.lambda"
NAME = "eurusd-forecast"


def main() -> int:
    """Return 0, 1 without Docker, or Docker's exit code when it fails, after its message."""
    command = ["docker", "build", "--file", str(DOCKERFILE), "--tag", NAME, str(ROOT)]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    try:
        subprocess.run(command, check=True)
        sys.stdout.write(format_sizes(_read_size(NAME), _read_size(base_image()), _read_package_size()))
    except FileNotFoundError:
        sys.stderr.write("docker: command not found; install Docker\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def format_sizes(whole: int, below: int, package: int) -> str:
    """Describe the sizes of the image, in bytes of unpacked layers.

    Args:
        whole: Size of the image.
        below: Size of its base image.
        package: Size of lambda_fn with its byte code.
    """
    ours = whole - below
    return (
        f"{NAME}: {_mb(whole)}, including the base image {_mb(below)}\n"
        f"ours: {_mb(ours)} ({ours / whole:.0%}): requirements {_mb(ours - package)}, lambda_fn {_mb(package)}\n"
    )


def base_image() -> str:
    """Return the image that the Dockerfile starts from."""
    return next(line.split()[1] for line in DOCKERFILE.read_text().splitlines() if line.startswith("FROM "))


def _read_size(image: str) -> int:
    return int(json.loads(_docker("image", "inspect", image))[0]["Size"])


def _read_package_size() -> int:
    """Return the size of the layers above the one that installs the requirements."""
    rows = _docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", NAME).splitlines()
    installs = next(number for number, row in enumerate(rows) if "pip install" in row)
    return sum(int(row.split()[0]) for row in rows[:installs])


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
