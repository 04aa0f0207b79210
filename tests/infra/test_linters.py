"""AWS's linters have nothing to say of the templates and of what they deploy, nor checkov of the Dockerfiles.

Each tool is started once for all files: its start takes longer than a file.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.infra import dockerfiles
from tests.support.infra.aws_tools import ROOT, run, translated
from tests.support.infra.deployments import DEPLOYMENTS

TEMPLATES = ("template.yaml", *(f"infra/{path.name}" for path in sorted((ROOT / "infra").glob("*.yaml"))))
DEPLOYMENT, *OTHERS = sorted(DEPLOYMENTS, key=lambda name: -len(DEPLOYMENTS[name]))  # the first makes every resource
SHORTEST_REASON = 20  # characters for which a check is skipped
UNENCRYPTED = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}


def cfn_lint(files: Iterable[str | Path]) -> dict[str, set[str]]:
    """The rules that each file breaks, by its path."""
    paths = [str(file) for file in files]
    done = run("cfn-lint", "--format", "json", *paths)
    rules: dict[str, set[str]] = {path: set() for path in paths}
    for finding in json.loads(done.stdout):
        rules[finding["Filename"]].add(finding["Rule"]["Id"])
    assert bool(done.returncode) == any(rules.values()), done.stderr
    return rules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates after SAM's transformation: the largest deployment, the default one, and two that are wrong."""
    folder = tmp_path_factory.mktemp("templates")
    cycle = json.loads(translated())
    cycle["Resources"]["RefreshFunction"]["Properties"]["Environment"]["Variables"]["S3_BUCKET"] = {"Ref": "Bucket"}
    contents = {"deployed": translated(**DEPLOYMENTS[DEPLOYMENT]), "default": translated()}
    contents |= {"cycle": json.dumps(cycle), "unencrypted": json.dumps(UNENCRYPTED)}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(content)
    return folder


@pytest.fixture(scope="module")
def rules(folder: Path) -> dict[str, set[str]]:
    return cfn_lint([*TEMPLATES, folder / "deployed.json", folder / "cycle.json"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str, rules: dict[str, set[str]]) -> None:
    assert rules[name] == set()


def test_cfn_lint_finds_nothing_in_a_translated_template(rules: dict[str, set[str]], folder: Path) -> None:
    """The source alone would hide a cycle between function, bucket and notification."""
    assert rules[str(folder / "deployed.json")] == set()


def test_cfn_lint_does_see_a_cycle_there(rules: dict[str, set[str]], folder: Path) -> None:
    """The test above can fail."""
    assert "E3004" in rules[str(folder / "cycle.json")]


@pytest.mark.long
def test_cfn_lint_finds_nothing_in_any_translated_template(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.json" for name in OTHERS]
    for name, file in zip(OTHERS, files, strict=True):
        file.write_text(translated(**DEPLOYMENTS[name]))
    assert cfn_lint(files) == {str(file): set() for file in files}


@pytest.mark.long
def test_sam_validate_finds_nothing() -> None:
    done = run("sam", "validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def checks(folder: Path) -> dict[str, dict[str, list[Any]]]:
    """checkov's checks by file name and outcome."""
    files = [*TEMPLATES, *dockerfiles.FILES, *(str(folder / f"{name}.json") for name in ("default", "unencrypted"))]
    done = run("checkov", "--skip-download", "--compact", "--output", "json", "--file", *files)
    found: dict[str, dict[str, list[Any]]] = {}
    for report in json.loads(done.stdout):
        assert report["results"]["parsing_errors"] == []
        for outcome in ("passed_checks", "failed_checks", "skipped_checks"):
            for check in report["results"][outcome]:
                file = found.setdefault(Path(check["file_path"]).name, {"passed": [], "failed": [], "skipped": []})
                file[outcome.removesuffix("_checks")].append(check)
    return found


@pytest.mark.parametrize("name", [*TEMPLATES, *dockerfiles.FILES, "default.json"])
def test_checkov_finds_nothing_that_is_not_explained(name: str, checks: dict[str, dict[str, list[Any]]]) -> None:
    found = checks[Path(name).name]
    assert [(check["check_id"], check["resource"]) for check in found["failed"]] == []
    assert len(found["passed"]) > 10
    for check in found["skipped"]:
        assert len(check["check_result"]["suppress_comment"]) > SHORTEST_REASON, check["check_id"]


def test_checkov_does_see_a_bucket_without_encryption(checks: dict[str, dict[str, list[Any]]]) -> None:
    """The test above can fail."""
    assert {check["resource"] for check in checks["unencrypted.json"]["failed"]} == {"AWS::S3::Bucket.Bucket"}
