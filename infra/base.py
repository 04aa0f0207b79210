"""Pin the base image: `python -m infra.base` records the digest of its tag, and a production build requires it.

The Dockerfiles name a tag, so that anybody can build them. The digest is that of the registry's index, so it is valid
for both architectures. It is in `infra/base_image.txt`, which belongs in the repository once it exists.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from infra.image import base_image

PINNED = Path(__file__).with_name("base_image.txt")
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}  # parameter Architecture -> Docker's name


class NotPinned(Exception):
    """No digest is recorded, or an image is not built on it; the message says what to do."""


def renew() -> str:
    """Resolve the tag at the registry, record its digest, and return image and digest.

    Raises NotPinned if the image is not from a registry, and CalledProcessError when Docker fails, after its message.
    """
    name = base_image()
    _docker("pull", name)
    references = json.loads(_docker("image", "inspect", name, "--format", "{{json .RepoDigests}}")) or []
    repository = name.rpartition(":")[0]
    digests = [reference for reference in references if reference.startswith(f"{repository}@sha256:")]
    if not digests:
        raise NotPinned(f"{name} has no digest: it was built or loaded locally; pull it from its registry")
    PINNED.write_text(f"{digests[0]}\n")
    return str(digests[0])


def fetch(architecture: str = "x86_64") -> str:
    """Pull the pinned image, give it the tag that the Dockerfiles name, and return image and digest.

    Raises NotPinned if no digest is recorded.
    """
    reference = pinned()
    _docker("pull", "--platform", PLATFORMS[architecture], reference)
    _docker("tag", reference, base_image())
    return reference


def pinned() -> str:
    """Return the recorded image and digest. Raises NotPinned if none is recorded, or that of another image."""
    if not PINNED.exists():
        raise NotPinned(f"{PINNED.name}: missing; run make digests with access to the registry, and commit the file")
    reference = PINNED.read_text().strip()
    repository = base_image().rpartition(":")[0]
    if not re.fullmatch(rf"{re.escape(repository)}@sha256:[0-9a-f]{{64}}", reference):
        raise NotPinned(f"{PINNED.name}: {reference!r} is not a digest of {repository}; run make digests again")
    return reference


def check(image: str, below: str) -> None:
    """Raise NotPinned unless `image` begins with all layers of `below`: a builder may have pulled a newer tag."""
    layers, base_layers = _read_layers(image), _read_layers(below)
    if not base_layers or layers[: len(base_layers)] != base_layers:
        raise NotPinned(f"{image} was not built on {below}: docker image rm {base_image()}, and deploy again")


def _read_layers(image: str) -> list[str]:
    layers: list[str] = json.loads(_docker("image", "inspect", image, "--format", "{{json .RootFS.Layers}}"))
    return layers


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    sys.stderr.write(f"+ {shlex.join(command)}\n")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Return 1 after one line when there is no digest or no Docker, or Docker's exit code when it fails."""
    try:
        sys.stdout.write(f"{PINNED.name}: {renew()}\n")
    except FileNotFoundError:
        sys.stderr.write("docker: command not found; install Docker\n")
        return 1
    except NotPinned as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
