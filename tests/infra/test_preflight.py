"""What would fail in a deployment is reported before it: `python -m infra.deploy --check` against moto's server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import deploy, preflight
from infra.parameters import template_parameters
from infra.preflight import MANAGED_STACK, companion_stack, repositories
from tests.support.infra import aws_tools
from tests.support.infra.aws_account import ACCOUNT, REGION, Account
from tests.support.infra.aws_tools import ROOT, translated

STACK, BUCKET = "eurusd-forecast-dev", f"eurusd-forecast-dev-{ACCOUNT}"
SHELL = {"AWS_REGION": REGION}
KNOWN = template_parameters((ROOT / "template.yaml").read_text())


def check(account: Account, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and findings."""
    done = account.run("infra.deploy", "--check", *arguments, **SHELL)
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith(("error", "note"))]


def deployed(account: Account, **parameters: str) -> None:
    """Make the stack, its bucket and the SAM CLI's stack, as an earlier deployment would have."""
    account.create_bucket(BUCKET)
    account.create_stack(STACK, {"StoreBucket": BUCKET}, parameters=parameters)
    account.create_stack(companion_stack(STACK), {})


def test_an_empty_account_passes_and_is_named(account: Account) -> None:
    done = account.run("infra.deploy", "--check", **SHELL)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].split() == ["account", ACCOUNT] and lines[1].startswith("identity  arn:aws:sts::")
    assert lines[2].split() == ["region", REGION] and lines[3].split() == ["stack", STACK, "(new)"]
    assert len(lines) == 4
    assert not [call for call in account.calls() if call.startswith("sam")]


def test_another_deployment_passes(account: Account) -> None:
    deployed(account)
    assert check(account) == (0, [])


def test_without_credentials_the_machine_is_checked_all_the_same(account: Account) -> None:
    account.machine["ENGINE"] = "linux/arm64"
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    done = account.run("infra.deploy", "--check", **SHELL, **keys)
    assert done.returncode == 1
    assert "Unable to locate credentials" in done.stderr
    done = account.run("infra.deploy", "--check")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: AWS_REGION: not set") and second.startswith("note: docker: emulates linux/amd64")


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        ("Pair=GBPUSD", "mean Pairs?"),
        ("AlarmMail=me@example.com", "did you mean AlarmEmail?"),
        ("Colour=red", "Colour: "),
        ("Architecture=arm", "Architecture: 'arm' is not allowed; give one of x86_64, arm64"),
        ("Pairs=eurusd", "Pairs: 'eurusd' does not match "),
        ("AlarmEmail=me", "AlarmEmail: 'me' does not match "),
        ("Release=latest", "Release: 'latest' does not match "),
    ],
)
def test_a_parameter_that_the_template_does_not_take(
    parameter: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        deploy.main(["Memory=512", "--check", parameter])  # in any order
    assert ended.value.code == 2 and sentence in capsys.readouterr().err


def test_parameters_are_read_as_the_template_has_them() -> None:
    """By the tools of AWS, and without them."""
    template = json.loads(translated())["Parameters"]
    assert list(KNOWN) == list(template)
    for name, facts in template.items():
        expected = (str(facts.get("Default", "")), tuple(map(str, facts.get("AllowedValues", ()))))
        assert (KNOWN[name].default, KNOWN[name].allowed) == expected, name
        assert KNOWN[name].pattern == facts.get("AllowedPattern", ""), name


def test_the_documented_parameters_are_the_templates() -> None:
    """Release is set by the deployment itself."""
    table = (ROOT / "docs/operate.md").read_text().partition("| parameter | default | |\n")[2].partition("\n\n")[0]
    cells = [row.split("|")[1:3] for row in table.splitlines()[1:]]
    documented = [name for names, _ in cells for name in re.findall(r"`(\w+)`", names)]
    assert sorted(documented) == sorted(KNOWN.keys() - {"Release"})
    for names, values in cells:
        for name, value in zip(re.findall(r"`(\w+)`", names), values.split(","), strict=False):
            default = value.strip(" `").removesuffix(" MB").removesuffix(" s").replace("none", "")
            assert default in (KNOWN[name].default, "from stack and account"), name


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS"]
)
@pytest.mark.parametrize("name", [STACK, companion_stack(STACK), MANAGED_STACK])
def test_a_stack_that_cannot_be_updated(
    name: str, status: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {name: preflight.Stack(status, {}, {})}
    monkeypatch.setattr(preflight, "describe_stack", lambda each, _: states.get(each, preflight.Stack("", {}, {})))
    plan = preflight.Plan(
        "default", STACK, ACCOUNT, account.session(), states.get(STACK, preflight.Stack("", {}, {})), {}
    )
    (finding,) = preflight._check_stacks(plan)
    assert finding.fatal and finding.text.startswith(f"{name}: {status}")
    cures = {"ROLLBACK_COMPLETE": "delete-stack", "DELETE_FAILED": "delete-stack", "UPDATE_IN_PROGRESS": "wait"}
    assert cures.get(status, "continue-update-rollback") in finding.text


def test_a_stack_whose_first_deployment_failed(account: Account) -> None:
    account.create_stack(STACK, {})
    account.set_status(STACK, "ROLLBACK_COMPLETE")
    code, (line,) = check(account)
    assert code == 1 and f"{STACK}: ROLLBACK_COMPLETE" in line and "infra/README.md#failed-first-deployment" in line


def test_the_bucket_of_a_stack_stays_the_same(account: Account) -> None:
    """Whether the name is given or follows from an account or region that was not meant."""
    deployed(account)
    code, (line,) = check(account, "BucketName=another-bucket")
    assert code == 1
    assert "another-bucket" in line and f"BucketName={BUCKET}" in line
    account.client("s3").delete_bucket(Bucket=BUCKET)
    assert check(account, "BucketName=another-bucket") == (0, []), "a lost bucket is replaced"


def test_a_bucket_that_is_in_the_way_or_missing(account: Account) -> None:
    account.create_bucket(BUCKET)
    code, (line,) = check(account)
    assert code == 1 and f"CreateBucket=false BucketName={BUCKET}" in line
    assert check(account, "CreateBucket=false", f"BucketName={BUCKET}") == (0, [])
    code, (line,) = check(account, "CreateBucket=false", "BucketName=no-such-bucket")
    assert code == 1 and "no-such-bucket" in line


def test_a_repository_of_a_deleted_stack_is_in_the_way(account: Account) -> None:
    account.client("ecr").create_repository(repositoryName=repositories(STACK)[1])
    code, (line,) = check(account)
    assert code == 1 and f"delete-repository --force --repository-name {repositories(STACK)[1]}" in line


def test_repositories_are_those_of_the_sam_cli() -> None:
    code = (
        "import sys; from samcli.lib.bootstrap.companion_stack.data_types import CompanionStack, ECRRepo\n"
        "stack = CompanionStack(sys.argv[1]); print(stack.stack_name)\n"
        "for name in sys.argv[2:]: print(ECRRepo(stack, name).physical_id)"
    )
    for name in (STACK, "EurUsd-Forecast", "a" * 120):
        done = aws_tools.run("python", "-c", code, name, *preflight.FUNCTIONS)
        assert done.stdout.split() == [companion_stack(name), *repositories(name)], done.stderr


def test_a_new_account_has_few_executions(account: Account) -> None:
    account.set_concurrency(10)
    code, (line,) = check(account)
    assert code == 0 and line.startswith("note: concurrency: the account allows 10 concurrent executions")
    code, lines = check(account, "ReservedConcurrency=5", "ProvisionedConcurrency=7")
    assert code == 1 and [line.split()[:2] for line in lines if "error" in line] == [
        ["error:", "ReservedConcurrency:"],
        ["error:", "ProvisionedConcurrency:"],
    ]
    account.set_concurrency(1000)
    assert check(account, "ReservedConcurrency=900")[0] == 0
    assert check(account, "ReservedConcurrency=901")[0] == 1


@pytest.fixture
def digest() -> Iterator[None]:
    """A recorded digest of the base image, which this repository has none of yet."""
    file = ROOT / "infra/base_image.txt"
    assert not file.exists()
    file.write_text(f"public.ecr.aws/lambda/python@sha256:{'ab' * 32}\n")
    yield
    file.unlink()


def test_production_names_all_that_it_needs(account: Account) -> None:
    code, lines = check(account, "--config-env", "production")
    assert code == 1
    assert [re.sub(r"error: ([\w.]+): .*", r"\1", line) for line in lines] == [
        "base_image.txt",
        "ChampionPublicKeys",
        "AlarmEmail",
    ]


@pytest.mark.usefixtures("digest")
@pytest.mark.parametrize(
    "recipient", ["AlarmEmail=me@example.com", "AlarmTopicArn=arn:aws:sns:eu-central-1:123456789012:pager"]
)
def test_production_is_deployed_with_a_receiver_of_alarms(recipient: str, account: Account) -> None:
    account.client("sns").create_topic(Name="pager")
    key = f"ChampionPublicKeys={'A' * 43}="
    assert check(account, "--config-env", "production", key, recipient) == (0, [])


def test_what_a_stack_was_given_once_it_keeps(account: Account) -> None:
    parameters = {"AlarmEmail": "me@example.com", "ChampionPublicKeys": f"{'A' * 43}=", "Pair": "no longer one"}
    account.create_stack("eurusd-forecast", {}, parameters=parameters)
    _, lines = check(account, "--config-env", "production")
    assert [line.split()[1] for line in lines] == ["base_image.txt:"]


@pytest.mark.parametrize("region", ["eu-west-1", REGION])
def test_a_topic_of_alarms_must_exist_in_this_region(region: str, account: Account) -> None:
    code, (line,) = check(account, f"AlarmTopicArn=arn:aws:sns:{region}:{ACCOUNT}:pager")
    assert code == 1 and line.startswith("error: AlarmTopicArn: ")


def test_the_engine_is_asked_for_the_architecture(account: Account, tmp_path: Path) -> None:
    code, (line,) = check(account, "Architecture=arm64")
    assert code == 1 and "linux/amd64" in line and "linux/arm64" in line
    account.machine["EMULATED"] = "linux/arm64"
    assert check(account, "Architecture=arm64")[0] == 0
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    assert check(account) == (1, ["error: docker: Cannot connect to the Docker daemon; start Docker"])


def test_a_missing_permission_is_named_and_stops_nothing(account: Account) -> None:
    session = account.session()
    plan = preflight.Plan(
        "default",
        STACK,
        ACCOUNT,
        session,
        preflight.Stack("", {}, {}),
        deploy.merge_parameters({}, preflight.Stack("", {}, {})),
    )
    account.deny()
    with account.variables():
        findings = list(preflight.check_account(plan))
    fatal = [finding.text for finding in findings if finding.fatal]
    assert [text.partition(":")[0] for text in fatal] == ["BucketName"], (
        "S3 says forbidden of a name that is taken, too"
    )
    assert sum("not checked: " in finding.text for finding in findings) == len(findings) - 1 > 1
