"""Pages of another origin: the server answers their browsers as API Gateway does, whose values are the template's."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lambda_fn.refresh import refresh
from lambda_fn.server import asgi
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.local_api import START
from tests.support.project import ROOT
from tests.support.server_process import running

OURS, OTHERS = "https://example.com", "https://example.org"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("cors")
    environ = {"STORE_DIR": str(folder / "store"), "CORS_ORIGIN": OURS}
    settings = Settings.from_env(environ)
    foreign.publish_to(open_store(settings))
    refresh(open_store(settings), settings, START)
    with running(folder, environ) as server, httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as found:
        yield found


def told(response: httpx.Response) -> dict[str, str]:
    """Its headers of CORS."""
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("path", ["/api/predict", "/health", "/nowhere", "/api/predict?horizon=99"])
def test_our_page_may_read_every_answer(client: httpx.Client, path: str) -> None:
    found = told(client.get(path, headers={"origin": OURS}))
    assert found == {"access-control-allow-origin": OURS, "access-control-expose-headers": "etag,retry-after"}


def test_a_preflight_is_told_what_may_be_sent(client: httpx.Client) -> None:
    response = client.options("/api/predict", headers={"origin": OURS, **PREFLIGHT})
    assert response.status_code == 204
    found = told(response)
    assert found["access-control-allow-origin"] == OURS
    assert "POST" in found["access-control-allow-methods"]
    assert "content-type" in found["access-control-allow-headers"]


@pytest.mark.parametrize("headers", [{}, {"origin": OTHERS}, {"origin": OTHERS, **PREFLIGHT}])
def test_others_are_told_nothing(client: httpx.Client, headers: dict[str, str]) -> None:
    assert told(client.options("/api/predict", headers=headers)) == {}
    response = client.get("/api/predict", headers=headers)
    assert told(response) == {}
    assert "origin" in response.headers["vary"].lower()


def test_every_origin_may_be_let_in() -> None:
    found = dict(asgi.cors_headers("*", "GET", {"origin": OTHERS}))
    assert found["access-control-allow-origin"] == "*"


def test_the_gateway_has_the_same_values() -> None:
    template = (ROOT / "template.yaml").read_text()
    for name, values in {
        "allowHeaders": asgi.ALLOWED_HEADERS,
        "exposeHeaders": asgi.EXPOSED_HEADERS,
    }.items():
        assert re.findall(rf"{name}: \[(.*)\]", template) == [", ".join(values)]
    [methods] = re.findall(r"allowMethods: (.*)", template)
    assert methods == f"!If [IsReadOnly, [GET], [{', '.join(asgi.ALLOWED_METHODS)}]]"
    assert re.findall(r"maxAge: (\d+)", template) == [str(asgi.MAX_AGE_S)]


@pytest.mark.parametrize("text", ["example.com", "https://example.com/", "https://user:hunter2@example.com"])
def test_what_is_no_origin_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGIN") as caught:
        Settings.from_env({"STORE_DIR": str(tmp_path), "CORS_ORIGIN": text})
    assert "hunter2" not in str(caught.value)
