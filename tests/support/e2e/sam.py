"""The SAM CLI: what it builds, invoked as a user invokes it, on a store that its containers reach."""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local import bridge_address
from tests.support.e2e.containers import ROOT, docker, free_ports, listens
from tests.support.e2e.lambda_container import Invocation
from tests.support.e2e.link import link
from tests.support.e2e.steps import until

STOP_S = 60.0
_CONTAINER = re.compile("SAM_CONTAINER_ID: ([0-9a-f]{64})")
REST_IMAGE = "eurusd-forecast:rest"
EVENTS = ROOT / "tests" / "events"


@dataclass(frozen=True)
class Sam:
    """The built template on one store; `environ` is of the process, the functions' variables are in `variables`."""

    environ: Mapping[str, str]
    variables: Path
    gateway: str

    def invoke(self, function: str, event: Path | Mapping[str, Any]) -> Invocation:
        """`sam local invoke`, which exits with 0 when the function failed: its standard output tells."""
        given = event.read_text() if isinstance(event, Path) else json.dumps(event)
        command = ["sam", "local", "invoke", function, "--event=-", f"--add-host=localhost:{self.gateway}"]
        command += [f"--env-vars={self.variables}"]
        done = subprocess.run(command, cwd=ROOT, env=self.environ, input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), done.stderr
        found = Invocation(json.loads(done.stdout))
        assert found.error != "Runtime.ExitError", done.stderr
        return found

    @contextmanager
    def api(self, template: Path | None = None) -> Iterator[int]:
        """`sam local start-api`, of another template if one is given; gives its port."""
        (port,) = free_ports(1)
        command = ["sam", "local", "start-api", f"--port={port}", f"--env-vars={self.variables}"]
        if template is not None:  # the clone's samconfig.toml is not beside it
            command += [f"--template={template}", "--skip-pull-image", "--warm-containers=EAGER"]
        log = self.variables.with_name(f"start-api-{port}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=output, stderr=output)
        try:
            until(lambda: listens(port) or process.poll() is not None, "sam local start-api")
            assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.terminate()
            process.wait(STOP_S)
            for found in _CONTAINER.findall(log.read_text()):  # of one that could not start, it leaves some
                docker("rm", "--force", found)


def rest_template(folder: Path, image: str, environ: Iterable[str]) -> Path:
    """A template of a REST API, which sends payload 1.0, before the API's function of the image with this id. Only the
    variables that it names can be set."""
    docker("tag", image, REST_IMAGE)  # SAM takes names alone
    events = {
        name: {"Type": "Api", "Properties": {"Path": path, "Method": "any"}}
        for name, path in (("Root", "/"), ("Every", "/{proxy+}"))
    }
    properties = {
        "PackageType": "Image",
        "ImageUri": REST_IMAGE,
        "ImageConfig": {"Command": ["lambda_fn.api.handler"]},
        "Timeout": 10,
        "MemorySize": 512,
        "Environment": {"Variables": dict.fromkeys(environ, "")},
        "Events": events,
    }
    resources = {"ApiFunction": {"Type": "AWS::Serverless::Function", "Properties": properties}}
    path = folder / "rest.json"
    path.write_text(json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}))
    return path


def build() -> None:
    """`sam build` without a flag."""
    done = subprocess.run(["sam", "build"], cwd=ROOT, env=_quiet(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def on_store(folder: Path, environ: Mapping[str, str], ecb_url: str = "") -> Iterator[Sam]:
    """SAM on the store of `environ`, and with the bank at `ecb_url`. Its containers are not on the host's network: both
    are linked to this machine's address on Docker's bridge, which `localhost` means there, too."""
    with ExitStack() as stack:
        gateway = bridge_address()
        store = stack.enter_context(link(environ["AWS_ENDPOINT_URL_S3"], gateway))
        # the template refuses expired forecasts, and the prices of tests are of a past day
        changed = {"AWS_ENDPOINT_URL_S3": f"http://{gateway}:{store.port}", "REFUSE_EXPIRED": "false"}
        if ecb_url:
            bank = stack.enter_context(link(ecb_url, gateway))
            # rates come over https only, but for those of this machine
            changed["ECB_URL"] = f"http://localhost:{bank.port}{urlsplit(ecb_url).path}"
        variables = folder / "variables.json"
        variables.write_text(json.dumps({"Parameters": {**environ, **changed}}))
        # otherwise SAM leaves files in the folder for temporary files
        yield Sam({**_quiet(), **environ, "TMPDIR": str(folder)}, variables, gateway)


def _quiet() -> dict[str, str]:
    return {**os.environ, "SAM_CLI_TELEMETRY": "0"}
