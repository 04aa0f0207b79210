"""The serving half never imports the heavy half: executed in a fresh process, and read from the sources."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import foreign, page_store
from tests.support.foreign import champion_bytes

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "lambda_fn").glob("**/*.py"))
HEAVY = (
    "boto3",
    "botocore",
    "joblib",
    "keras",
    "mlflow",
    "onnx",
    "pandas",
    "pydantic",
    "sklearn",
    "statsmodels",
    "tensorflow",
    "training",
)
FORBIDDEN = {*HEAVY, "pickle", "tests"}  # numpy imports pickle itself, so that only the sources can show it
CLIENT = "lambda_fn.client"
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in SOURCES]


def imported(path: Path) -> set[str]:
    """The modules that the file imports, anywhere in it, full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_importing_all_of_serving_loads_nothing_heavy() -> None:
    code = f"""
import importlib, sys
sys.modules["botocore"] = None  # as where it is not installed: Powertools looks for it, to name itself to it
for name in {MODULES!r}:
    importlib.import_module(name)
print(*sorted(name for name in {HEAVY!r} if sys.modules.get(name)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_service_does_not_load_the_client_or_its_http_library() -> None:
    code = f"""
import importlib, sys
for name in {[name for name in MODULES if name != CLIENT]!r}:
    importlib.import_module(name)
print(*({{"httpx", {CLIENT!r}}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


COLD = """
import sys
from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support.events import event
settings = Settings.from_env({"STORE_DIR": sys.argv[1]})
asked = event("GET", sys.argv[2], dict([sys.argv[3].split("=")]))
answer = handle_event(App(open_store(settings), settings), asked)
assert answer["statusCode"] == 200, answer
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize(
    ("path", "query", "needed"),
    [
        ("/api/predict", "h=1", None),
        ("/api/probability", "below=1.1", None),
        ("/", "format=json", None),
        ("/api/predict", "format=csv", "csv"),
        ("/", "format=html", "lambda_fn.web.page.render"),
    ],
)
def test_a_cold_get_imports_what_its_answer_needs_alone(
    tmp_path: Path, path: str, query: str, needed: str | None
) -> None:
    page_store.fill(tmp_path, foreign.AS_OF)
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(tmp_path), path, query], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "onnxruntime", "aws_lambda_powertools.event_handler"}
    special = {name for name in loaded if name.startswith(("lambda_fn.web.page", "csv", "jinja2"))}
    assert special == set() if needed is None else needed in special


COLD_POST = """
import sys
from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support.events import event
settings = Settings.from_env({"STORE_DIR": sys.argv[1]})
request = event("POST", sys.argv[2], raw=sys.argv[3])
answer = handle_event(App(open_store(settings), settings), request)
assert answer["statusCode"] == 200, answer
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize("path", ["/api/predict", "/invocations", "/v2/models/EURUSD_Foreign/infer"])
def test_a_post_imports_no_numpy(tmp_path: Path, path: str) -> None:
    """The sandbox's child has it; this process has lists."""
    page_store.fill(tmp_path, foreign.AS_OF)
    closes = [1.1 + 0.001 * (row % 7) for row in range(foreign.WINDOW)]
    tensor = {"name": "close", "shape": [1, len(closes)], "datatype": "FP64", "data": closes}
    bodies = {"/api/predict": {"close": closes}, "/invocations": {"inputs": {"close": [closes]}}}
    body = json.dumps(bodies.get(path, {"inputs": [tensor]}))
    done = subprocess.run(
        [sys.executable, "-c", COLD_POST, str(tmp_path), path, body], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"numpy", "onnxruntime", "aws_lambda_powertools.event_handler"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_imports_the_heavy_half(path: Path) -> None:
    allowed = {"pandas"} if path.name == "client.py" else set()  # for frames, where the caller has it
    assert {name.partition(".")[0] for name in imported(path)} & FORBIDDEN == allowed


def test_imports_make_no_cycle() -> None:
    """Takes away, again and again, the modules that import none of the rest; a cycle is what stays."""
    arrows = {name: (imported(path) & set(MODULES)) - {name} for name, path in zip(MODULES, SOURCES, strict=True)}
    while free := {name for name, others in arrows.items() if not others & arrows.keys()}:
        arrows = {name: others for name, others in arrows.items() if name not in free}
    assert arrows == {}


def test_the_contract_stands_alone() -> None:
    """champion builds on contract, and contract on nothing that serves."""
    [contract] = [path for path in SOURCES if path.name == "contract.py"]
    inside = {name for name in imported(contract) if name in MODULES}
    schema = {"lambda_fn.store", "lambda_fn.store.schema"}
    assert inside <= {"lambda_fn", "lambda_fn.fields", "lambda_fn.settings", *schema}


def test_nothing_is_told_to_anybody_else(tmp_path: Path) -> None:
    """onnxruntime's telemetry leaves an identifier and a database in the home folder, unless it is switched off."""
    model = tmp_path / "model.onnx"
    model.write_bytes(champion_bytes())
    home = tmp_path / "home"
    home.mkdir()
    code = "import sys; from pathlib import Path; from lambda_fn.champion.runtime import Champion\n"
    code += "Champion.load(Path(sys.argv[1]).read_bytes())"
    # where it believes to be tested it keeps silent by itself
    silencing = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"}
    environ = {name: value for name, value in os.environ.items() if name not in silencing}
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, cwd=ROOT, env={**environ, "HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "elemetry" not in done.stderr
    assert list(home.rglob("*")) == []
