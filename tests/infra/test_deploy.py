"""samconfig.toml and `make deploy`: no command needs a flag, and Release follows image, template and parameters."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from infra import deploy, image, local
from infra.parameters import parse_parameters
from infra.preflight import Plan, Stack
from lambda_fn.api import App, handle_event
from lambda_fn.jobs.event_source import recognise
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.s3 import open_store
from tests.support.infra.aws_account import ACCOUNT, REGION, Account
from tests.support.infra.aws_tools import ROOT, translated

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
STAGES = ("default", "staging", "production")


@pytest.mark.parametrize("stage", STAGES)
def test_sam_needs_no_flag(stage: str) -> None:
    given = CONFIG[stage]["deploy"]["parameters"]
    assert given["capabilities"] == "CAPABILITY_IAM"
    assert given["resolve_image_repos"]
    assert given["resolve_s3"]
    assert CONFIG[stage]["global"]["parameters"]["stack_name"].startswith("eurusd-forecast")


def test_stacks_have_names_of_their_own() -> None:
    assert len({CONFIG[stage]["global"]["parameters"]["stack_name"] for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_are_the_templates(stage: str) -> None:
    parameters = json.loads(translated())["Parameters"]
    for name, value in deploy.read_parameters(stage).items():
        allowed = parameters[name].get("AllowedValues", [value])
        assert value in [str(each) for each in allowed], name
    assert "Release" not in deploy.read_parameters(stage)


def test_sam_local_reads_the_file_that_make_local_writes() -> None:
    for command in ("local_invoke", "local_start_api"):
        assert CONFIG["default"][command]["parameters"]["env_vars"] == local.ENV_FILE.name


def test_a_release_follows_image_template_and_parameters() -> None:
    releases = {
        deploy.make_release("sha256:1", b"template", {"Memory": "512"}),
        deploy.make_release("sha256:2", b"template", {"Memory": "512"}),
        deploy.make_release("sha256:1", b"changed", {"Memory": "512"}),
        deploy.make_release("sha256:1", b"template", {"Memory": "513"}),
        deploy.make_release("sha256:1", b"template", {}),
    }
    # SAM looks at the first ten characters only
    assert len({release[:10] for release in releases}) == 5
    same = deploy.make_release("x", b"", {"a": "1", "b": "2"})
    assert same == deploy.make_release("x", b"", {"b": "2", "a": "1"})
    assert len(same) == 64


def test_sam_gets_region_architecture_and_all_parameters(account: Account) -> None:
    """Those on the command line take the place of samconfig.toml's, so all are given."""
    account.machine |= {"EMULATED": "linux/arm64", "BUILT": "linux/arm64"}
    given = ("Architecture=arm64", "AlarmEmail=me@x.example")
    done = account.run("infra.deploy", "--config-env", "staging", *given, AWS_REGION="eu-west-1")
    assert done.returncode == 0, done.stderr
    build, deployed = [call for call in account.calls() if call.startswith("sam")]
    region = "[eu-west-1 eu-west-1]"
    assert build == f"sam build --config-env staging --parameter-overrides Architecture=arm64 {region}"
    *words, _, _ = deployed.split()
    assert words[:7] == "sam deploy --config-env staging --region eu-west-1 --parameter-overrides".split()
    parameters = parse_parameters(words[7:])
    assert re.fullmatch("[0-9a-f]{64}", parameters.pop("Release"))
    assert parameters == {
        "Deployment": "Canary10Percent5Minutes",
        "LogRetentionDays": "30",
        "AlarmEmail": "me@x.example",
        "Architecture": "arm64",
    }


def test_the_architecture_that_a_stack_keeps_is_built(account: Account) -> None:
    """And an image of another one is not deployed."""
    account.create_stack("eurusd-forecast-dev", {}, parameters={"Architecture": "arm64", "ReservedConcurrency": ""})
    account.machine["EMULATED"] = "linux/arm64"
    done = account.run("infra.deploy", AWS_REGION=REGION)
    assert done.returncode == 1
    assert "apifunction:lambda: built for linux/amd64, but Architecture is arm64" in done.stderr
    (build,) = [call for call in account.calls() if call.startswith("sam")]
    assert "sam build --config-env default --parameter-overrides Architecture=arm64" in build


def test_the_first_deployment_fetches_prices(account: Account) -> None:
    outputs = {"IngestFunctionName": "ingest", "ApiFunctionName": "api"}
    account.create_function("ingest")
    account.create_function("api", versions=15, live=14)
    account.create_stack("eurusd-forecast-dev", outputs)
    plan = Plan("default", "eurusd-forecast-dev", ACCOUNT, account.session(), Stack("", {}, {}), {})
    with account.variables():
        deploy.finish(plan)
        assert account.invoked() == [("ingest", "Event", None)]
        deploy.finish(plan._replace(stack=Stack("UPDATE_COMPLETE", {}, {})))
    assert len(account.invoked()) == 1
    versions = account.client("lambda").list_versions_by_function(FunctionName="api")["Versions"]
    assert [each["Version"] for each in versions] == ["$LATEST", *map(str, range(4, 16))], "ten older than the live one"


def test_a_failure_after_the_deployment_is_only_reported(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.create_stack("eurusd-forecast-dev", {"ApiFunctionName": "no-such-function"})
    plan = Plan("default", "eurusd-forecast-dev", ACCOUNT, account.session(), Stack("", {}, {}), {})
    with account.variables():
        deploy.finish(plan)
    assert "no-such-function" in capsys.readouterr().err


def test_an_unknown_stage_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert [*deploy.STAGES] == [name for name in CONFIG if name != "version"]
    with pytest.raises(SystemExit):
        deploy.main(["--config-env", "prod"])
    assert "production" in capsys.readouterr().err


def test_a_parameter_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        deploy.main(["Memory"])
    *_, message = capsys.readouterr().err.splitlines()  # after the usage, which has Name=Value too
    assert "'Memory'" in message and message.endswith("Name=Value")


def test_parameters_are_given_kept_or_defaults() -> None:
    stack = Stack("UPDATE_COMPLETE", {"Memory": "256", "Pairs": "GBPUSD", "Pair": "gone", "Release": "0"}, {})
    merged = deploy.merge_parameters({"Memory": "512", "ChampionPublicKeys": "required"}, stack)
    assert (merged["Memory"], merged["Pairs"], merged["Architecture"]) == ("512", "GBPUSD", "x86_64")
    assert merged["ChampionPublicKeys"] == "" and not {"Pair", "Release"} & merged.keys()
    assert deploy.merge_parameters({}, Stack("REVIEW_IN_PROGRESS", {"Memory": "256"}, {}))["Memory"] == "512"


def test_the_share_that_is_ours() -> None:
    said = image.format_sizes(400_000_000, 200_000_000, 1_000_000)
    assert re.search(r" 400\.0 MB, .*base image 200\.0 MB\n", said)
    assert "ours: 200.0 MB (50%): requirements 199.0 MB, lambda_fn 1.0 MB" in said
    assert image.base_image() == "public.ecr.aws/lambda/python:3.12"


@pytest.mark.parametrize(("event", "name"), [("s3_put", "S3"), ("schedule", "schedule")])
def test_the_events_of_the_refresh_are_known_to_it(event: str, name: str) -> None:
    content = json.loads((ROOT / f"tests/events/{event}.json").read_text())
    trigger = recognise(content, {DEFAULTS["S3_MODEL_INFO_KEY"]: "EURUSD"})
    assert trigger.pairs
    assert name in trigger.name


@pytest.mark.parametrize("event", ["predict", "health", "predict_post"])
def test_the_events_of_the_api_reach_a_route(event: str, tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    content = json.loads((ROOT / f"tests/events/{event}.json").read_text())
    answer = handle_event(App(open_store(settings), settings), content)
    assert answer["statusCode"] == 503  # nothing is published: but it is a route, and the method is its
