"""`python -m infra.deploy`: `sam build`, then `sam deploy` with the parameter Release, so that a new version is
published exactly when the image or a parameter changed. The template takes Release as AutoPublishCodeSha256: without
it SAM sees the image alone."""

import argparse
import hashlib
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.base import NotPinned, check, fetch

ROOT = Path(__file__).parents[1]
IMAGE = "apifunction:lambda"  # that `sam build` makes
PINNED_STAGE = "production"  # is built on the base image of the digest that is written down


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns what the first command that fails returned."""
    parser = argparse.ArgumentParser("python -m infra.deploy", description="Build and deploy one of the stacks.")
    parser.add_argument("parameters", nargs="*", metavar="Name=Value", help="over those of samconfig.toml")
    parser.add_argument("--config-env", default="default", help="table of samconfig.toml (default: %(default)s)")
    parser.add_argument("--show", action="store_true", help="print the command of the deployment and stop")
    asked = parser.parse_args(arguments)
    wrong = [given for given in asked.parameters if "=" not in given]
    if wrong:
        parser.error(f"{wrong[0]!r} is no parameter; write it as Name=Value")
    if (configured(asked.config_env) | pairs(asked.parameters)).get("ChampionPublicKeys") == "required":
        parser.error(
            f"{asked.config_env} takes signed champions only: make keys with python -m training keys, keep the private "
            "one where training runs, and add ChampionPublicKeys=<the public one>"
        )
    try:
        parameters = configured(asked.config_env) | pairs(asked.parameters)
        below = fetch(parameters.get("Architecture", "x86_64")) if asked.config_env == PINNED_STAGE else None
        _run(["sam", "build", "--config-env", asked.config_env])
        if below is not None:
            check(IMAGE, below)
        release = digest(_image_id(), (ROOT / "template.yaml").read_bytes(), parameters)
        command = deployment(asked.config_env, parameters | {"Release": release})
        if asked.show:
            sys.stdout.write(shlex.join(command) + "\n")
            return 0
        _run(command)
    except NotPinned as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"no command {error.filename}: make deploy installs sam, and Docker builds the image\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def configured(config_env: str) -> dict[str, str]:
    """The parameters of this table of samconfig.toml; raises KeyError when there is no such table."""
    tables = tomllib.loads((ROOT / "samconfig.toml").read_text())
    return pairs(tables[config_env]["deploy"]["parameters"]["parameter_overrides"])


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Name=Value, each."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def digest(image_id: str, template: bytes, parameters: Mapping[str, str]) -> str:
    """The Release: 64 hexadecimal digits, others when any of them changes. Of an image it takes the id, which is the
    digest of its layers and its settings; the same sources give the same id as long as Docker's cache holds them."""
    lines = [image_id, hashlib.sha256(template).hexdigest()]
    lines += [f"{name}={value}" for name, value in sorted(parameters.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def deployment(config_env: str, parameters: Mapping[str, str]) -> list[str]:
    """The command; parameters given to it replace all of samconfig.toml's, so it gets all of them."""
    given = [f"{name}={value}" for name, value in sorted(parameters.items())]
    return ["sam", "deploy", "--config-env", config_env, "--parameter-overrides", *given]


def _image_id() -> str:
    """Of the image that `sam build` made; the three functions share it."""
    command = ["docker", "image", "inspect", IMAGE, "--format", "{{.Id}}"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _run(command: Sequence[str]) -> None:
    sys.stderr.write(f"+ {shlex.join(command)}\n")
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
