"""The base image by its digest: `python -m infra.base` writes down the one that its tag means today, and a production
build starts from that one and no other.

The Dockerfiles name a tag, so that anybody can build them; the digest is of the registry's index and holds for both
architectures. `infra/base_image.txt` keeps it, and belongs in the repository once it is there.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

from infra.image import base

PINNED = Path(__file__).with_name("base_image.txt")
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}  # Docker's names by those of the parameter Architecture


class NotPinned(Exception):
    """There is no digest, or what was built is not on it; the message tells the cure."""


def renew() -> str:
    """Asks the registry what the tag means now, and writes it down; returns image and digest.

    Raises NotPinned where the image came from no registry, and CalledProcessError after Docker's own words.
    """
    name = base()
    _docker("pull", name)
    found = json.loads(_docker("image", "inspect", name, "--format", "{{json .RepoDigests}}")) or []
    repository = name.rpartition(":")[0]
    digests = [each for each in found if each.startswith(f"{repository}@sha256:")]
    if not digests:
        raise NotPinned(f"{name} has no digest of a registry: it was built or loaded here; pull it from its registry")
    PINNED.write_text(f"{digests[0]}\n")
    return str(digests[0])


def pinned() -> str:
    """Image and digest that were written down; raises NotPinned when none were."""
    if not PINNED.exists():
        raise NotPinned(f"no {PINNED.name}: run make digests where the registry can be reached, and commit the file")
    return PINNED.read_text().strip()


def fetch(architecture: str = "x86_64") -> str:
    """Fetches the pinned image and gives it the tag that the Dockerfiles name; raises NotPinned."""
    found = pinned()
    _docker("pull", "--platform", PLATFORMS[architecture], found)
    _docker("tag", found, base())
    return found


def check(image: str, below: str) -> None:
    """Raises NotPinned unless `image` begins with all layers of `below`: a builder may have fetched the tag anew."""
    whole, first = _layers(image), _layers(below)
    if not first or whole[: len(first)] != first:
        raise NotPinned(f"{image} was not built on {below}: docker image rm {base()}, and deploy again")


def _layers(image: str) -> list[str]:
    found: list[str] = json.loads(_docker("image", "inspect", image, "--format", "{{json .RootFS.Layers}}"))
    return found


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    sys.stderr.write(f"+ {shlex.join(command)}\n")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Returns 1 after one sentence where there is no digest, and what Docker returned where it failed."""
    try:
        sys.stdout.write(f"{PINNED.name}: {renew()}\n")
    except FileNotFoundError:
        sys.stderr.write("no command docker: install Docker\n")
        return 1
    except NotPinned as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
