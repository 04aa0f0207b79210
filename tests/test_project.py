"""The files around the code: make, the locks, what git and Docker ignore, and what must not be in any of them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import lambda_fn
from infra.local import ENV_FILE
from tests import survivors
from tests.guards import GUARDS, rows
from tests.support.project import LOCKS, PIN, ROOT, lock, tracked
from tests.support.removals import removals

PACKAGES = {"lambda_fn", "training"}
TARGETS = {"setup", "demo", "test", "test-long", "check", "train", "serve", "lock", "clean"}
TARGETS |= {"image", "sam", "local", "local-stop", "deploy", "browser", "e2e", "bench", "picture", "simulate"}
TARGETS |= {"digests", "sbom", "audit", "mutate", "unguarded", "fuzz", "soak", "compare", "sentences", "structure"}
TARGETS |= {"promote-ui", "docs"}


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True)


def test_make_alone_lists_every_target() -> None:
    listed = set(re.findall(r"^  make ([a-z0-9-]+)", make().stdout, re.MULTILINE))
    assert listed == TARGETS | {"help"}


def test_make_says_which_python_to_install_where_none_works(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements-training.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = make("setup", "PYTHON=", folder=tmp_path)
    assert done.returncode != 0
    assert "install python3.13, 3.12 or 3.11" in done.stderr


@pytest.mark.parametrize(("working", "chosen"), [((13, 12, 11), 13), ((12, 11), 12), ((11,), 11)])
def test_make_takes_the_newest_python_that_can_make_environments(
    working: tuple[int, ...], chosen: int, tmp_path: Path
) -> None:
    """One that is there but fails, such as Debian's without its venv module, is passed over."""
    for minor in (11, 12, 13):
        stub = tmp_path / f"python3.{minor}"
        stub.write_text(f"#!/bin/sh\nexit {int(minor not in working)}\n")
        stub.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = ["make", "-n", "setup", "VENV=nowhere"]
    planned = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True).stdout
    assert f"\npython3.{chosen} -m venv nowhere" in planned


def test_make_installs_every_environment_by_the_locked_uv(tmp_path: Path) -> None:
    """pip fetches uv alone, by its pin and hashes in the dev lock; uv installs each lock, with its hashes."""
    planned = make("-n", "setup", "test", f"VENV={tmp_path}").stdout
    [pip] = [line for line in planned.splitlines() if "-m pip" in line]
    assert "--require-hashes" in pip
    assert pip.endswith(f"-r {tmp_path}/uv.txt")
    [sed] = [line for line in planned.splitlines() if line.startswith("sed ")]
    wanted = subprocess.run(sed.rpartition(" > ")[0], shell=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert [name for name, _ in PIN.findall(wanted)] == ["uv"]
    assert wanted.count("--hash=sha256:") > 1
    installs = re.findall(
        r"/uv pip install --quiet --python (\S+) --require-hashes (.*)-r requirements-(\w+).txt", planned
    )
    assert installs == [
        (f"{tmp_path}/bin/python", " ", "training"),
        (f"{tmp_path}/bin/python", " ", "dev"),
        (f"{tmp_path}/aws/bin/python", "--no-deps ", "aws"),
    ]


@pytest.mark.parametrize(("given", "planned"), [((), "8080"), (("PORT=9000",), "9000"), (("SERVE=no",), "0 --stop")])
def test_make_demo_serves_on_port_or_stops(given: tuple[str, ...], planned: str) -> None:
    assert f"-m training demo --fresh 5 --port {planned} \n" in make("-n", "demo", *given).stdout


def test_make_reads_env_and_the_real_environment_wins(tmp_path: Path) -> None:
    """The command that the recipes run under, as make puts it together."""
    (tmp_path / "Makefile").write_text(
        (ROOT / "Makefile").read_text() + "\nshow:\n\t@$(RUN) -c "
        "\"import os; print(os.environ['STORE_DIR'], os.environ['USE_S3'])\"\n"
    )
    (tmp_path / ".env").write_text("STORE_DIR=of-the-file\nUSE_S3=false\n")
    environ = {**os.environ, "USE_S3": "of-the-environment"}
    environ.pop("STORE_DIR", None)
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        ["make", "--no-print-directory", "show", f"BIN={bin_folder}"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["of-the-file", "of-the-environment"], done.stderr


def test_sam_is_installed_before_it_is_needed(tmp_path: Path) -> None:
    done = subprocess.run(["make", "-n", "sam", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "requirements-aws.txt" in done.stdout
    deploy = (ROOT / "docs/operate.md").read_text().partition("\n## Deploy\n")[2]
    assert deploy.index("$ make sam\n") < deploy.index("$ sam build\n")


def test_sam_names_what_to_run_before_it() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    for name in ("local_invoke", "local_start_api"):
        assert config[name]["parameters"]["env_vars"] == ENV_FILE.name == "run-make-local.json"


@pytest.mark.parametrize("group", (*LOCKS, "aws"))
def test_a_lock_has_hashes_and_no_address_of_an_index(group: str) -> None:
    text = lock(group)
    assert "--hash=sha256:" in text
    assert "index-url" not in text
    assert "://" not in text
    assert PIN.findall(text)


def test_the_locks_agree() -> None:
    """What serves is what was trained with and tested."""
    serving, training, dev = (set(PIN.findall(lock(group))) for group in LOCKS)
    assert serving <= training <= dev


def test_the_bill_of_materials_is_the_locks(tmp_path: Path) -> None:
    """In CycloneDX, each package with its version and the digests that are installed."""
    for group in ("serving", "training"):
        (tmp_path / f"requirements-{group}.txt").write_text(lock(group))
    shutil.copy(ROOT / "Makefile", tmp_path)
    venv = Path(sys.prefix)
    done = make("sbom", f"VENV={venv}", "-o", f"{venv}/aws/installed", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for group in ("serving", "training"):
        found = json.loads((tmp_path / f"sbom/{group}.json").read_text())
        assert found["bomFormat"] == "CycloneDX"
        listed = {(part["name"].lower(), part["version"]) for part in found["components"]}
        assert listed == set(PIN.findall(lock(group)))
        assert all(reference["hashes"] for part in found["components"] for reference in part["externalReferences"])


def test_every_named_requirement_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    base, extra = project["project"]["dependencies"], project["project"]["optional-dependencies"]["training"]
    groups = {**project["dependency-groups"], "training": [*base, *extra]}
    for group in (*LOCKS, "aws"):
        locked = {name for name, _ in PIN.findall(lock(group))}
        assert {name.lower() for name in names_of(groups[group])} <= locked, group
    assert names_of(groups["serving"]) | {"click", "httpx", "rich"} == names_of(base)


def names_of(requirements: Sequence[str]) -> set[str]:
    return {re.split(r"[<>=;\[ ]", item)[0] for item in requirements}


def test_serving_installs_nothing_heavy() -> None:
    locked = {name for name, _ in PIN.findall(lock("serving"))}
    heavy = {"mlflow", "tensorflow", "tensorflow-cpu", "pandas", "scikit-learn", "statsmodels", "boto3", "pydantic"}
    assert not locked & heavy


def test_the_package_has_every_file_and_the_command(tmp_path: Path) -> None:
    """Built from a copy, unpacked, and run from elsewhere: `eurusd` is `python -m training`."""
    clone, wheels, site = tmp_path / "clone", tmp_path / "wheels", tmp_path / "site"
    files = [path.relative_to(ROOT) for path in tracked()]
    for path in files:
        if path.parts[0] in {*PACKAGES, "pyproject.toml", "README.md", "LICENSE"}:
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, clone / path)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"  # as pip does
    subprocess.run([sys.executable, "-c", build, str(wheels)], cwd=clone, check=True, capture_output=True)
    [wheel] = wheels.iterdir()
    assert wheel.name.split("-")[1] == lambda_fn.__version__, "the version is written down once"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert [path for path in files if path.parts[0] in PACKAGES and not (site / path).is_file()] == []
    entries = next(site.glob("*.dist-info/entry_points.txt")).read_text()
    [(module, function)] = re.findall(r"eurusd = (\S+):(\S+)", entries)
    code = f"import sys; from {module} import {function}; sys.exit({function}(['status', '--json']))"
    environ = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["published"]["state"] == "missing"


def test_the_top_level_is_the_one_that_was_agreed() -> None:
    allowed = {"lambda_fn", "training", "infra", "tests", "template.yaml", "Dockerfile.lambda", "samconfig.toml"}
    allowed |= {"README.md", "pyproject.toml", "Makefile", ".ci", "LICENSE", ".gitignore", ".dockerignore"}
    allowed |= {"docs", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile"}
    allowed |= {".env.example", *(f"requirements-{group}.txt" for group in (*LOCKS, "aws"))}
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= allowed


def test_what_a_user_leaves_in_a_clone_is_not_judged(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    (tmp_path / "kept.txt").write_text("kept")
    for arguments in (["init", "--quiet"], ["add", "kept.txt"], ["commit", "--quiet", "-m", "one"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    (tmp_path / "evaluate.json").write_text("{}")
    assert tracked(tmp_path) == [tmp_path / "kept.txt"]


def test_what_a_run_leaves_is_ignored_by_git() -> None:
    left = [
        "models/x",
        "serving/x",
        "prices/x",
        "record/x",
        "runs/x",
        "mlflow.db",
        "mlruns/x",
        ".env",
        ".venv/x",
        ".locks/x",
    ]
    left += [
        "sbom/x",
        "site/x",
        "report.html",
        "eurusd_forecast.egg-info/x",
        ".local/x",
        "run-make-local.json",
        ".aws-sam/x",
    ]
    done = subprocess.run(["git", "check-ignore", *left], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == left
    kept = subprocess.run(
        ["git", "check-ignore", "training/models/x.py", "tests/serving/x.py", "lambda_fn/record/x.py"], cwd=ROOT
    )
    assert kept.returncode == 1


def test_no_file_names_a_path_of_one_machine() -> None:
    home = str(Path.home())
    for path in tracked():
        text = path.read_bytes()
        assert str(ROOT.parent).encode() + b"/" not in text, path
        assert len(home) < 4 or home.encode() + b"/." not in text, path


def test_an_audit_that_could_not_look_up_every_package_fails() -> None:
    planned = make("-n", "audit").stdout
    assert "for lock in serving training" in planned
    assert "pip-audit --strict " in planned, "it says that no vulnerabilities are known of what it could not ask about"


def test_modules_are_short() -> None:
    """A room each: none of the code's modules goes far beyond two hundred lines."""
    for path in tracked():
        if path.suffix == ".py" and path.parts[len(ROOT.parts)] in ("lambda_fn", "training"):
            assert len(path.read_text().splitlines()) <= 350, path


def test_every_guard_that_mutate_removes_is_there() -> None:
    """Removing them all and running their tests is `make mutate`."""
    for guard in GUARDS:
        text = (ROOT / guard.file).read_text()
        assert guard.remove_from(text) != text, guard.name
        path, _, test = guard.test.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text(), guard.name


def test_what_no_test_notices_exists_and_has_its_reason_in_the_security_document() -> None:
    """`make unguarded` finds it. A survivor that is gone, or that a test notices now, must leave the list."""
    names = {removal.name for removal in removals(ROOT)}
    assert len(names) > 500
    assert not survivors.SURVIVORS.keys() - names
    table = "\n".join(survivors.rows())
    assert table in (ROOT / "infra/SECURITY.md").read_text(), "python -m tests.survivors prints it"


def test_every_promise_has_a_guard_that_is_removed() -> None:
    """Each row of the table names the test that notices, or its folder."""
    text = (ROOT / "infra/SECURITY.md").read_text()
    assert text.endswith("\n".join(rows()) + "\n"), "python -m tests.guards prints them"
    cells = re.findall(r"^\| (.+?) \| (.+?) \| .*\|$", text, re.MULTILINE)
    promises = [(promise, re.findall(r"`(tests/[^`]+)`", tests)) for promise, tests in cells]
    found = [(promise, tests) for promise, tests in promises if tests]
    assert len(found) >= 19
    for promise, tests in found:
        assert any(guard.test.startswith(test) for guard in GUARDS for test in tests), promise
