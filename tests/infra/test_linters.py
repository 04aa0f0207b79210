"""cfn-lint, checkov and SAM report no problem in the templates, in what they deploy and in the Dockerfiles.

Each tool runs once for all files: its start takes longer than the check of a file.
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
LARGEST = "everything"  # the deployment that has every resource
OTHERS = [name for name in DEPLOYMENTS if name != LARGEST]
SHORTEST_REASON = 20  # characters of the reason to skip a check
UNENCRYPTED = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}


def cfn_lint(files: Iterable[str | Path]) -> dict[str, set[str]]:
    """Run cfn-lint, and return the rules that each file breaks by its path."""
    paths = [str(file) for file in files]
    result = run("cfn-lint", "--format", "json", *paths)
    rules: dict[str, set[str]] = {path: set() for path in paths}
    for finding in json.loads(result.stdout):
        rules[finding["Filename"]].add(finding["Rule"]["Id"])
    assert bool(result.returncode) == any(rules.values()), result.stderr
    return rules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the templates of the largest and of the default deployment, and two templates that are wrong."""
    folder = tmp_path_factory.mktemp("templates")
    cycle = json.loads(translated())
    cycle["Resources"]["RefreshFunction"]["Properties"]["Environment"]["Variables"]["S3_BUCKET"] = {"Ref": "Bucket"}
    contents = {"deployed": translated(**DEPLOYMENTS[LARGEST]), "default": translated()}
    contents |= {"cycle": json.dumps(cycle), "unencrypted": json.dumps(UNENCRYPTED)}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(content)
    return folder


@pytest.fixture(scope="module")
def rules(folder: Path) -> dict[str, set[str]]:
    return cfn_lint([*TEMPLATES, folder / "deployed.json", folder / "cycle.json"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_accepts_a_template(name: str, rules: dict[str, set[str]]) -> None:
    assert rules[name] == set()


def test_cfn_lint_accepts_what_a_template_deploys(rules: dict[str, set[str]], folder: Path) -> None:
    """The source alone hides a cycle between function, bucket and notification."""
    assert rules[str(folder / "deployed.json")] == set()


def test_cfn_lint_reports_such_a_cycle(rules: dict[str, set[str]], folder: Path) -> None:
    """The test above can fail."""
    assert "E3004" in rules[str(folder / "cycle.json")]


@pytest.mark.long
def test_cfn_lint_accepts_every_other_deployment(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.json" for name in OTHERS]
    for name, file in zip(OTHERS, files, strict=True):
        file.write_text(translated(**DEPLOYMENTS[name]))
    assert cfn_lint(files) == {str(file): set() for file in files}


@pytest.mark.long
def test_sam_accepts_the_template() -> None:
    result = run("sam", "validate", "--lint")
    assert result.returncode == 0, result.stdout + result.stderr


Checks = dict[str, dict[str, list[Any]]]


@pytest.fixture(scope="module")
def checks(folder: Path) -> Checks:
    """Run checkov, and return its checks by file name and outcome."""
    files = [*TEMPLATES, *dockerfiles.FILES, *(str(folder / f"{name}.json") for name in ("default", "unencrypted"))]
    result = run("checkov", "--skip-download", "--compact", "--output", "json", "--file", *files)
    checks: Checks = {Path(file).name: {"passed": [], "failed": [], "skipped": []} for file in files}
    for report in json.loads(result.stdout):
        assert report["results"]["parsing_errors"] == []
        for outcome in ("passed", "failed", "skipped"):
            for check in report["results"][f"{outcome}_checks"]:
                checks[Path(check["file_path"]).name][outcome].append(check)
    return checks


@pytest.mark.long
@pytest.mark.parametrize("name", [*TEMPLATES, *dockerfiles.FILES, "default.json"])
def test_checkov_accepts_a_file_or_a_reason_is_given(name: str, checks: Checks) -> None:
    outcomes = checks[Path(name).name]
    assert [(check["check_id"], check["resource"]) for check in outcomes["failed"]] == []
    # checkov has no check of a budget
    assert len(outcomes["passed"]) >= (0 if name == "infra/budget.yaml" else 5)
    for check in outcomes["skipped"]:
        assert len(check["check_result"]["suppress_comment"]) > SHORTEST_REASON, check["check_id"]


@pytest.mark.long
def test_checkov_reports_a_bucket_without_encryption(checks: Checks) -> None:
    """The test above can fail."""
    assert {check["resource"] for check in checks["unencrypted.json"]["failed"]} == {"AWS::S3::Bucket.Bucket"}
