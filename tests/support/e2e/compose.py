"""The stand-in of infra/docker-compose.yml, run by compose or, where there is none, service by service from the same
file."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.e2e.containers import ROOT, docker
from tests.support.infra.aws_tools import yaml_as_json

FILE = ROOT / "infra" / "docker-compose.yml"
PROFILE = "local"
_COMMANDS = (("docker", "compose"), ("docker-compose",))
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+):-([^}]*)\}|)")


class Stack(Protocol):
    """The containers, network and volumes of one project, all of it its own."""

    def up(self) -> None:
        """Builds the images, and starts the services of PROFILE."""

    def run(self, service: str, *arguments: str) -> None:
        """Runs a job to its end; raises RuntimeError when it fails."""

    def container(self, service: str) -> str:
        """The id of the service's container."""

    def stop(self, *services: str) -> None:
        """Sends SIGTERM, and SIGKILL after the service's grace period."""

    def down(self) -> None:
        """Removes everything, data too, whatever was begun of it."""


@dataclass(frozen=True)
class Compose:
    """By compose; `environ` are the variables that the file takes."""

    command: tuple[str, ...]
    project: str
    environ: Mapping[str, str]

    def up(self) -> None:
        self._do("--profile", PROFILE, "up", "--build", "--detach")

    def run(self, service: str, *arguments: str) -> None:
        self._do("--profile", service, "run", "--rm", "-T", service, *arguments)

    def container(self, service: str) -> str:
        return self._do("--profile", PROFILE, "ps", "--quiet", service).strip()

    def stop(self, *services: str) -> None:
        self._do("--profile", PROFILE, "stop", *services)

    def down(self) -> None:
        self._do("--profile", PROFILE, "down", "--volumes", "--timeout", "0")

    def _do(self, *arguments: str) -> str:
        command = [*self.command, "--project-name", self.project, "--file", str(FILE), *arguments]
        environ = {**os.environ, **self.environ}
        done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} failed: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout


@dataclass(frozen=True)
class OneByOne:
    """By docker alone; it knows the keys that the file has, and no others."""

    project: str
    environ: Mapping[str, str]
    _ids: dict[str, str] = field(default_factory=dict)

    def up(self) -> None:
        docker("network", "create", self.project)
        for name, service in services(self.environ).items():
            if PROFILE in service["profiles"]:
                if build := service.get("build"):
                    context = (FILE.parent / build["context"]).resolve()
                    file = context / build["dockerfile"]
                    docker("build", "--quiet", f"--file={file}", f"--tag={service['image']}", str(context))
                self._ids[name] = docker("create", f"--network-alias={name}", *self._words(name, service)).strip()
                docker("start", self._ids[name])

    def run(self, service: str, *arguments: str) -> None:
        docker("run", "--rm", *self._words(service, {**services(self.environ)[service], "command": arguments}))

    def container(self, service: str) -> str:
        return self._ids[service]

    def stop(self, *services: str) -> None:
        docker("stop", *(self._ids[name] for name in services))

    def down(self) -> None:
        for made in self._ids.values():
            docker("rm", "--force", made)
        for volume in docker("volume", "ls", "--quiet", f"--filter=name=^{self.project}_").split():
            docker("volume", "rm", volume)
        for network in docker("network", "ls", "--quiet", f"--filter=name=^{self.project}$").split():
            docker("network", "rm", network)

    def _words(self, name: str, service: Mapping[str, Any]) -> list[str]:
        return [f"--network={self.project}", *words(name, service, self.project)]


def compose_command() -> tuple[str, ...] | None:
    """Compose as it is installed here, None where it is not."""
    for command in _COMMANDS:
        try:
            if subprocess.run([*command, "version"], capture_output=True).returncode == 0:
                return command
        except FileNotFoundError:
            pass
    return None


def services(environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's services, `environ` put into them; raises ValueError for a reference of another form."""

    def value(reference: re.Match[str]) -> str:
        dollar, name, default = reference.groups()
        if not dollar and not name:
            raise ValueError(f"{FILE.name}: a $ that is neither $$ nor ${{NAME:-default}}; only these are known here")
        return dollar or environ.get(name) or default

    found: dict[str, Any] = json.loads(_REFERENCE.sub(value, json.dumps(yaml_as_json(FILE))))["services"]
    return found


def words(name: str, service: Mapping[str, Any], project: str) -> list[str]:
    """What follows `docker create` for a service; raises ValueError naming the key that is not known here."""
    options: list[str] = []
    for key, value in service.items():
        if key == "volumes":
            options += [f"--volume={_source(volume, project)}" for volume in value]
        elif key in _OPTIONS:
            options += [f"--{option}" for option in _OPTIONS[key](value)]
        elif key not in ("profiles", "image", "build", "entrypoint", "command"):
            raise ValueError(f"{FILE.name}: {name}: {key}: unknown key; add it to tests/support/e2e/compose.py")
    first, *others = service.get("entrypoint", [""])
    options += [f"--entrypoint={first}"] if first else []
    return [*options, service["image"], *others, *service.get("command", [])]


def _source(volume: str, project: str) -> str:
    """A folder is relative to the file; a named volume is the project's."""
    source, _, target = volume.partition(":")
    return f"{(FILE.parent / source).resolve() if source[0] in './' else f'{project}_{source}'}:{target}"


def _health(check: Mapping[str, Any]) -> list[str]:
    kind, *test = check["test"]
    times = [f"health-{key.replace('_', '-')}={value}" for key, value in check.items() if key != "test"]
    return [f"health-cmd={shlex.join(test) if kind == 'CMD' else test[0]}", *times]


# Each key of a service, and the options of `docker create` that say the same.
_OPTIONS: Mapping[str, Callable[[Any], list[str]]] = {
    "cap_drop": lambda value: [f"cap-drop={each}" for each in value],
    "env_file": lambda value: [f"env-file={FILE.parent / value}"],
    "environment": lambda value: [f"env={name}={each}" for name, each in value.items()],
    "healthcheck": _health,
    "init": lambda value: [f"init={json.dumps(value)}"],
    "logging": lambda value: [
        f"log-driver={value['driver']}",
        *(f"log-opt={name}={each}" for name, each in value["options"].items()),
    ],
    "mem_limit": lambda value: [f"memory={value}"],
    "ports": lambda value: [f"publish={each}" for each in value],
    "read_only": lambda value: [f"read-only={json.dumps(value)}"],
    "restart": lambda value: [f"restart={value}"],
    "security_opt": lambda value: [f"security-opt={each}" for each in value],
    "stop_grace_period": lambda value: [f"stop-timeout={value.removesuffix('s')}"],
    "tmpfs": lambda value: [f"tmpfs={value}"],
    "user": lambda value: [f"user={value}"],
}
