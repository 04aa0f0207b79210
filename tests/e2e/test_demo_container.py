"""The demo's container serves a forecast and the page; the image of Lambda and of the fallback has no model."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.support.e2e import containers
from tests.support.e2e.containers import docker
from tests.support.e2e.steps import Steps, until

TAG = "eurusd-demo:test"
MODELS = "find / -xdev ( -name *.onnx -o -name best_model_info.json -o -name EURUSD*.csv )".split()
PACKAGE = "/onnxruntime/datasets/"  # models of the library's own examples


def ask(port: int, path: str, accept: str = "application/json") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


def models(image: str) -> list[str]:
    found = docker("run", "--rm", "--user=0", "--entrypoint", MODELS[0], image, *MODELS[1:])
    return [path for path in found.splitlines() if PACKAGE not in path]


def test_it_serves_its_first_champion(step: Steps) -> None:
    with step("docker build: the demo"):
        image = docker("build", "--quiet", "--target=demo", f"--tag={TAG}", ".").strip()
    [port] = containers.free_ports(1)
    with containers.started(f"--publish=127.0.0.1:{port}:8080", image) as container:
        with step("the demo's container starts"):
            until(lambda: ask(port, "/health")[0] == 200 or not container.is_running(), "the server")
        status, body = ask(port, "/api/predict?horizon=3")
        answer: Any = json.loads(body)
        assert (status, answer["champion"]["generation"], len(answer["forecast"])) == (200, 1, 3), container.log()
        status, page = ask(port, "/", "text/html")
        assert status == 200 and b"<svg" in page
        docker("stop", container.id)
        assert docker("inspect", "--format={{.State.ExitCode}}", container.id).strip() == "0"
    assert any(path.startswith("/store/") for path in models(image))


def test_the_image_of_lambda_and_of_the_fallback_has_no_model(image: str) -> None:
    assert models(image) == []
