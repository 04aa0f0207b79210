"""`python -m infra.deploy`: `sam build`, then `sam deploy` with the parameter Release.

So a new version is published exactly when the image or a parameter has changed. The template uses Release as
AutoPublishCodeSha256; without it SAM looks at the image only.
"""

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
IMAGE = "apifunction:lambda"  # built by `sam build`
PINNED_STAGE = "production"  # requires the pinned base image


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or the exit code of the first command that fails."""
    parser = argparse.ArgumentParser("python -m infra.deploy", description="Build and deploy one of the stacks.")
    parser.add_argument("parameters", nargs="*", metavar="Name=Value", help="overrides of samconfig.toml")
    parser.add_argument("--config-env", default="default", help="table of samconfig.toml (default: %(default)s)")
    parser.add_argument("--show", action="store_true", help="build, print the deploy command and stop")
    args = parser.parse_args(arguments)
    wrong = [parameter for parameter in args.parameters if "=" not in parameter]
    if wrong:
        parser.error(f"{wrong[0]!r} is not a parameter; write it as Name=Value")
    parameters = read_parameters(args.config_env) | parse_parameters(args.parameters)
    if parameters.get("ChampionPublicKeys") == "required":
        parser.error(
            f"{args.config_env} accepts only signed champions: create keys with python -m training keys, keep the "
            "private key where training runs, and add ChampionPublicKeys=<public key>"
        )
    try:
        below = fetch(parameters.get("Architecture", "x86_64")) if args.config_env == PINNED_STAGE else None
        _run(["sam", "build", "--config-env", args.config_env])
        if below is not None:
            check(IMAGE, below)
        inspect = ["docker", "image", "inspect", IMAGE, "--format", "{{.Id}}"]  # the three functions share the image
        image_id = subprocess.run(inspect, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        release = make_release(image_id, (ROOT / "template.yaml").read_bytes(), parameters)
        command = deploy_command(args.config_env, parameters | {"Release": release})
        if args.show:
            sys.stdout.write(shlex.join(command) + "\n")
            return 0
        _run(command)
    except NotPinned as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename}: command not found; make deploy installs sam, and Docker is required\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def read_parameters(config_env: str) -> dict[str, str]:
    """Return the parameters of a table of samconfig.toml. Raises KeyError when there is no such table."""
    tables = tomllib.loads((ROOT / "samconfig.toml").read_text())
    return parse_parameters(tables[config_env]["deploy"]["parameters"]["parameter_overrides"])


def parse_parameters(texts: Sequence[str]) -> dict[str, str]:
    """Parse texts of the form Name=Value."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def make_release(image_id: str, template: bytes, parameters: Mapping[str, str]) -> str:
    """Return the Release: a digest, 64 hexadecimal digits, of image, template and parameters.

    The id of an image is the digest of its layers and its settings. The same sources give the same id as long as
    Docker's cache has their layers.
    """
    lines = [image_id, hashlib.sha256(template).hexdigest()]
    lines += [f"{name}={value}" for name, value in sorted(parameters.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def deploy_command(config_env: str, parameters: Mapping[str, str]) -> list[str]:
    """Return the deploy command with all parameters, because its parameters replace all those of samconfig.toml."""
    overrides = [f"{name}={value}" for name, value in sorted(parameters.items())]
    return ["sam", "deploy", "--config-env", config_env, "--parameter-overrides", *overrides]


def _run(command: Sequence[str]) -> None:
    sys.stderr.write(f"+ {shlex.join(command)}\n")
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
