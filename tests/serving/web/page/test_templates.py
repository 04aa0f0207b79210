"""The compiled templates: used as long as nothing they are made from has changed, and never needed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from lambda_fn.web.page import render
from lambda_fn.web.page.render import CompiledTemplates
from tests.support.project import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Templates of their own, beside which the compiled ones are written."""
    (tmp_path / "one.html").write_text("one")
    monkeypatch.setattr(render, "_FOLDER", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path


def rendered(folder: Path) -> str:
    environment = Environment(loader=FileSystemLoader(folder), bytecode_cache=CompiledTemplates(), autoescape=True)
    return environment.get_template("one.html").render()


def compiled(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*"))


def test_a_template_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(folder) == "one"
    assert len(compiled(folder)) == 1
    monkeypatch.setattr(Environment, "compile", None)
    assert rendered(folder) == "one"


def test_a_stale_one_is_never_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after a change of the template, nor of the compiler, its options or the filters."""
    rendered(folder)
    [file] = compiled(folder)
    first = file.read_bytes()
    (folder / "one.html").write_text("two")
    assert rendered(folder) == "two"
    assert compiled(folder) == [file] and file.read_bytes() != first
    second = file.read_bytes()
    monkeypatch.setattr(render, "_compiler", lambda: "another")
    assert rendered(folder) == "two"
    assert file.read_bytes() != second


@pytest.mark.parametrize("damage", [b"", b"no code", None])
def test_a_damaged_one_is_made_again(folder: Path, damage: bytes | None) -> None:
    rendered(folder)
    [file] = compiled(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[:40] if damage is None else damage)
    assert rendered(folder) == "one"
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "__pycache__").write_text("no folder")
    assert rendered(folder) == "one"
    (folder / "__pycache__").unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(folder) == "one"
    assert compiled(folder) == []


def test_the_image_is_built_with_every_template_compiled(tmp_path: Path) -> None:
    """The command of Dockerfile.lambda, in a copy."""
    shutil.copytree(ROOT / "lambda_fn", tmp_path / "lambda_fn", ignore=shutil.ignore_patterns("__pycache__"))
    [line] = [line for line in (ROOT / "Dockerfile.lambda").read_text().splitlines() if "compile_templates" in line]
    code = line.partition('python -c "')[2].removesuffix('"')
    environ = {"PATH": "", "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=True)
    templates = list((tmp_path / "lambda_fn/web/page/templates").glob("*.html"))
    assert len(list((tmp_path / "lambda_fn/web/page/__pycache__").glob("*.template"))) == len(templates) > 10
