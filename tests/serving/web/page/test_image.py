"""GET /api/forecast.svg: the page's chart as one file, for browsers, documents and other programs."""

import gzip
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import page_store
from tests.support.events import event
from tests.support.local_api import START, local_api
from tests.support.server_process import ROOT, variables

SVG = "{http://www.w3.org/2000/svg}"
COLD = """
import sys
from lambda_fn import api
from tests.support.events import event
answer = api.handler(event("GET", "/api/forecast.svg"), None)
print(answer["statusCode"], *sorted({"numpy", "onnxruntime", "jinja2", "pandas"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    for pair in ("EURUSD", "GBPUSD"):
        page_store.fill(folder, START.date(), pair=pair)
    return folder


@pytest.fixture(scope="module")
def app(folder: Path) -> App:
    settings = Settings.from_env({"STORE_DIR": str(folder), "PAIRS": "EURUSD,GBPUSD"})
    return App(open_store(settings), settings, START.timestamp)


def ask(app: App, query: dict[str, str] | None = None, path: str = "/api/forecast.svg", **headers: str) -> Any:
    request = event("GET", path, query)
    request["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    return handle_event(app, request)


def test_it_is_the_chart_of_the_page_in_a_file_that_needs_nothing_else(app: App) -> None:
    answer = ask(app)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
    assert 'filename="EURUSD-2026-10-30.svg"' in answer["headers"]["Content-Disposition"]
    image = answer["body"]
    page = ask(app, {"format": "html"}, "/")["body"]
    chart = re.search(r'<div class="chart"[^>]*data-table="fan-values"[^>]*>(.*?)</div>', page)
    assert chart
    for part in re.findall(r'<svg class="(?:axis left|axis right|axis below)".*?</svg>', chart[1]):
        assert part in image
    assert re.findall(r'<path d="[^"]*" class="[^"]*">', image) == re.findall(
        r'<path d="[^"]*" class="[^"]*">', chart[1]
    )
    root = ElementTree.fromstring(image)
    assert root.tag == f"{SVG}svg" and root.get("viewBox") == "0 0 960 540"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"US dollars per euro", "change since 30 Oct 2026", "50%", "80%", "95%"} <= set(texts)
    style = "".join(element.text or "" for element in root.iter(f"{SVG}style"))
    assert ".band-80 { fill: #b5d1e8; }" in style
    assert not re.search(r"var\(|\drem\b|@import|url\(http", style), "programs other than browsers know none of these"
    assert not list(root.iter(f"{SVG}script")) and not re.search(r"(href|src|on\w+)=", image)


def test_each_pair_has_its_own(app: App) -> None:
    pound = ask(app, {"pair": "GBPUSD"})
    assert ">US dollars per pound sterling<" in pound["body"]
    assert 'filename="GBPUSD-' in pound["headers"]["Content-Disposition"]
    assert ask(app, {"pair": "EURJPY"})["statusCode"] == ask(app, {"width": "5"})["statusCode"] == 400


def test_caches_keep_it_as_they_keep_the_forecast(app: App) -> None:
    first, forecast = ask(app), ask(app, path="/api/predict")
    assert first["headers"]["Cache-Control"] == forecast["headers"]["Cache-Control"] != "no-store"
    again = ask(app, if_none_match=first["headers"]["ETag"])
    assert (again["statusCode"], again["body"]) == (304, "")
    packed = ask(app, accept_encoding="gzip")
    assert gzip.decompress(b64decode(packed["body"])).decode() == first["body"]


def test_without_a_forecast_the_answer_is_a_problem(tmp_path: Path) -> None:
    answer = ask(local_api(tmp_path).app, accept="image/svg+xml,image/*")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (503, "application/problem+json")


def test_a_cold_image_needs_no_numbers_or_templates(folder: Path) -> None:
    environ = {**variables({"STORE_DIR": str(folder)}), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", COLD], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.stdout.split() == ["200"], done.stderr
