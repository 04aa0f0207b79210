"""The template: what is deployed is what the README promises."""

import importlib
import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lambda_fn.champion.messages import API, JOB
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store import keys
from tests.support.infra.access import KEYS
from tests.support.infra.aws_tools import ROOT, broken_rules, stack
from tests.support.infra.deployments import CERTIFICATE, DEPLOYMENTS, JWT, SIGN_IN

API_GATEWAY_S = 29  # after which API Gateway answers 504 itself
DEFAULT_MEMORY_MB = 512
FUNCTIONS = ("ApiFunction", "RefreshFunction", "IngestFunction")


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


def test_a_champion_that_hangs_is_ended_before_the_function_that_runs_it() -> None:
    """The sandbox's limits leave a function the time to answer or to record a refusal, and memory for itself."""
    functions = {name: stack()[name]["Properties"] for name in FUNCTIONS}
    assert 0 < API.wall_s < functions["ApiFunction"]["Timeout"] <= API_GATEWAY_S
    assert API.run_s <= API.wall_s and API.cpu_s <= API.wall_s
    assert API.memory < DEFAULT_MEMORY_MB * 2**20
    for name in ("RefreshFunction", "IngestFunction"):
        assert 0 < 2 * JOB.wall_s < functions[name]["Timeout"], "a failure is repeated in a new child"
    assert JOB.first_cpu_s <= JOB.cpu_s <= JOB.wall_s and JOB.run_s <= JOB.wall_s
    assert JOB.memory < DEFAULT_MEMORY_MB * 2**20


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_reference_resolves(name: str) -> None:
    """Also those to resources that a deployment does not make."""
    assert set(FUNCTIONS) <= stack(**DEPLOYMENTS[name]).keys()


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_deployment_breaks_a_rule(name: str) -> None:
    assert broken_rules(**DEPLOYMENTS[name]) == []


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ({"ApiAuth": "JWT"}, ["JwtNeedsItsIssuer"]),
        ({"ApiAuth": "JWT", "JwtIssuer": "https://issuer.example"}, ["JwtNeedsItsIssuer"]),
        (SIGN_IN, ["ASignInNeedsItsProvider"]),
        ({**JWT, **SIGN_IN, "SignInClientId": "three"}, ["ASignInNeedsItsProvider"]),
        ({**JWT, **SIGN_IN, "SignInTokenEndpoint": ""}, ["ASignInNeedsItsProvider"]),
        ({**JWT, **SIGN_IN, "SignInAuthorizationEndpoint": ""}, ["ASignInNeedsItsProvider"]),
        ({**JWT, **SIGN_IN, "ApiAuth": "NONE"}, ["ASignInNeedsItsProvider"]),
    ],
)
def test_parameters_that_need_others_are_refused_without_them(given: dict[str, str], rules: list[str]) -> None:
    assert broken_rules(**given) == rules


@pytest.mark.parametrize(("name", "security"), [("as it is", [{"IAM": []}]), ("JWT", [{"JWT": []}]), ("public", [])])
def test_who_may_call_is_the_parameters_choice(name: str, security: list[object]) -> None:
    body = stack(**DEPLOYMENTS[name])["Api"]["Properties"]["Body"]
    assert body["paths"]["/$default"]["x-amazon-apigateway-any-method"]["security"] == security
    schemes = body["components"]["securitySchemes"]
    assert schemes["IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert ("JWT" in schemes) == (name == "JWT")
    if name == "JWT":
        token = schemes["JWT"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"]
        assert token == {"issuer": "https://issuer.example", "audience": ["one", "two"]}


def test_browsers_of_other_origins_are_let_in_by_a_parameter_only() -> None:
    closed, opened = (stack(**given)["Api"]["Properties"]["Body"] for given in ({}, DEPLOYMENTS["public"]))
    assert "x-amazon-apigateway-cors" not in closed
    assert closed["paths"].keys() == {"/$default"}
    assert opened["x-amazon-apigateway-cors"]["allowOrigins"] == ["https://example.com"]
    assert opened["paths"]["/{proxy+}"]["options"]["security"] == []


def test_only_a_parameter_makes_anything_public() -> None:
    """Who may do what is written in policies: the public stands in one, which denies."""
    resources = stack()
    for name, resource in resources.items():
        for statement in statements(resource):
            if statement.get("Principal") in ("*", {"AWS": "*"}):
                assert statement["Effect"] == "Deny", name
    assert not of_type(resources, "AWS::Lambda::Url")
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        assert permission["Principal"] in ("apigateway.amazonaws.com", "s3.amazonaws.com")
        assert permission["SourceArn"]
    assert all(resources["Bucket"]["Properties"]["PublicAccessBlockConfiguration"].values())


def statements(node: object) -> list[dict[str, Any]]:
    """Every policy statement below this node."""
    if isinstance(node, dict):
        own = [node] if "Effect" in node else []
        return own + [found for each in node.values() for found in statements(each)]
    return [found for each in node for found in statements(each)] if isinstance(node, list) else []


def test_the_api_invokes_the_live_alias_and_nothing_else() -> None:
    resources = stack()
    route = resources["Api"]["Properties"]["Body"]["paths"]["/$default"]["x-amazon-apigateway-any-method"]
    integration = route["x-amazon-apigateway-integration"]
    assert "functions/<ApiFunction.Arn>:live/invocations" in integration["uri"]
    assert integration["payloadFormatVersion"] == "2.0"
    permission = resources["ApiMayInvoke"]["Properties"]
    assert permission["FunctionName"] == "<ApiFunctionAliaslive>"
    assert permission["SourceArn"] == "arn:aws:execute-api:eu-central-1:123456789012:<Api>/*"


def test_a_release_publishes_a_version() -> None:
    def version(release: str) -> str:
        return next(iter(of_type(stack(Release=release), "AWS::Lambda::Version")))

    assert version("0123456789abcdef") != version("1123456789abcdef")
    assert version("0123456789abcdef") == version("0123456789abcdef")
    assert version("")


def test_a_deployment_rolls_back_on_alarms() -> None:
    resources = stack(Deployment="Canary10Percent10Minutes")
    group = resources["ApiFunctionDeploymentGroup"]["Properties"]
    assert group["AutoRollbackConfiguration"]["Enabled"]
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes"
    watched = {alarm["Name"].strip("<>") for alarm in group["AlarmConfiguration"]["Alarms"]}
    assert watched == {"ApiErrors", "ApiServerErrors", "ApiGatewayErrors", "ApiSlow"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handlers_exist(function: str) -> None:
    (handler,) = stack()[function]["Properties"]["ImageConfig"]["Command"]
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_settings_read_every_variable(function: str) -> None:
    variables = stack()[function]["Properties"]["Environment"]["Variables"]
    assert variables.keys() <= DEFAULTS.keys()
    assert variables["USE_S3"] == "true"
    assert variables["S3_BUCKET"] == "eurusd-forecast-dev-123456789012"
    assert stack(BucketName="mine")[function]["Properties"]["Environment"]["Variables"]["S3_BUCKET"] == "mine"


def test_the_notification_is_of_the_pointer_only() -> None:
    resources = stack()
    (notified,) = resources["Bucket"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    assert notified["Function"] == "<RefreshFunction.Arn>"
    assert notified["Event"] == "s3:ObjectCreated:*"
    rules = {rule["Name"]: rule["Value"] for rule in notified["Filter"]["S3Key"]["Rules"]}
    pattern = f"{rules['prefix']}*{rules['suffix']}"
    pointer = resources["RefreshFunction"]["Properties"]["Environment"]["Variables"]["S3_MODEL_INFO_KEY"]
    assert pointer == DEFAULTS["S3_MODEL_INFO_KEY"]
    assert fnmatchcase(pointer, pattern)
    several = Settings.from_env(stack(Pairs="all")["RefreshFunction"]["Properties"]["Environment"]["Variables"])
    assert all(fnmatchcase(several.for_pair(pair).model_info_key, pattern) for pair in several.pairs)
    others = [keys.history_key(1), keys.champion_key("0" * 64), keys.active_key("EURUSD")]
    others += [keys.serving_key("0" * 64, "EURUSD"), keys.refused_key("0" * 64, "EURUSD")]
    assert not [key for key in others if fnmatchcase(key, pattern)]
    assert resources["BucketMayInvoke"]["Properties"]["SourceArn"] == "arn:aws:s3:::eurusd-forecast-dev-123456789012"


def test_the_bucket_keeps_what_it_holds() -> None:
    bucket = stack()["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["Properties"]["BucketEncryption"]
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [rule["Id"] for rule in rules if "NoncurrentVersionExpiration" in rule] == ["OldVersions"]
    assert [rule["Id"] for rule in rules if rule.get("ExpiredObjectDeleteMarker")] == ["OldVersions"]
    expiring = [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule]
    assert [key for key in KEYS if key.startswith(tuple(expiring))] == ["runs/1/x"], "only what runs left"
    assert not {"Bucket", "BucketPolicy"} & stack(**DEPLOYMENTS["existing bucket"]).keys()


def test_schedules() -> None:
    schedules = of_type(stack(), "AWS::Scheduler::Schedule")
    when = {(each["Target"]["Arn"].split(".")[0].strip("<"), each["ScheduleExpression"]) for each in schedules.values()}
    assert when == {
        ("RefreshFunction", "rate(1 hour)"),
        ("IngestFunction", "cron(30 16 ? * MON-FRI *)"),
        ("IngestFunction", "cron(0 18 ? * MON-FRI *)"),
        ("IngestFunction", "cron(30 20 ? * MON-FRI *)"),
    }
    zones = {
        each.get("ScheduleExpressionTimezone") for each in schedules.values() if "cron" in each["ScheduleExpression"]
    }
    assert zones == {"Europe/Berlin"}
    assert not [name for name, each in schedules.items() if "Name" in each], "two stacks of one account would collide"


def test_what_failed_for_good_is_kept_apart() -> None:
    configured = of_type(stack(), "AWS::Lambda::EventInvokeConfig")
    kept = {each["FunctionName"]: each["DestinationConfig"]["OnFailure"]["Destination"] for each in configured.values()}
    assert kept == {f"<{name}Function>": f"<{name}Failures.Arn>" for name in ("Refresh", "Ingest")}
    tried = {(each["MaximumEventAgeInSeconds"], each["MaximumRetryAttempts"]) for each in configured.values()}
    assert tried == {(3600, 2)}


def test_every_line_of_a_log_is_json() -> None:
    for name in FUNCTIONS:
        assert stack()[name]["Properties"]["LoggingConfig"]["LogFormat"] == "JSON"


def test_the_apis_concurrency_is_set_by_parameters() -> None:
    usual, asked = stack(), stack(ReservedConcurrency="50", ProvisionedConcurrency="2")
    assert "ReservedConcurrentExecutions" not in usual["ApiFunction"]["Properties"]
    assert "ProvisionedConcurrencyConfig" not in usual["ApiFunctionAliaslive"]["Properties"]
    assert str(asked["ApiFunction"]["Properties"]["ReservedConcurrentExecutions"]) == "50"
    warm = asked["ApiFunctionAliaslive"]["Properties"]["ProvisionedConcurrencyConfig"]
    assert str(warm["ProvisionedConcurrentExecutions"]) == "2"


def test_a_domain_of_its_own() -> None:
    kinds = {"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"}
    assert not kinds & {each["Type"] for each in stack().values()}
    certificate = {"DomainName": "forecast.example.com", "CertificateArn": CERTIFICATE}
    by_hand, whole = stack(**certificate), stack(**certificate, HostedZoneId="Z0123456789")
    assert kinds - {each["Type"] for each in by_hand.values()} == {"AWS::Route53::RecordSet"}
    assert whole["RecordOfDomain"]["Properties"]["Name"] == "forecast.example.com"
    mapped = whole["DomainOfApi"]["Properties"]
    assert (mapped["ApiId"], mapped["DomainName"], mapped["Stage"]) == (
        "<Api>",
        "<Domain>",
        "<ApiApiGatewayDefaultStage>",
    )


def test_a_base_path_is_the_mappings_and_the_functions() -> None:
    own = {"DomainName": "forecast.example.com", "CertificateArn": CERTIFICATE}
    plain, below = stack(**own), stack(**own, BasePath="fx/v1")
    assert "ApiMappingKey" not in plain["DomainOfApi"]["Properties"]
    assert below["DomainOfApi"]["Properties"]["ApiMappingKey"] == "fx/v1"
    variables = [each["ApiFunction"]["Properties"]["Environment"]["Variables"] for each in (plain, below)]
    assert [Settings.from_env(each).base_path for each in variables] == ["", "/fx/v1"]


def test_names_of_aws_follow_the_partition() -> None:
    """ec2's principal has another suffix in China; those of the other services are the same everywhere."""
    for path in (ROOT / "template.yaml", *(ROOT / "infra").glob("*.yaml")):
        lines = [line for line in path.read_text().splitlines() if "amazonaws.com" in line]
        described = re.compile(r"^\s*(Description|ConstraintDescription|AllowedPattern): ")
        named = [re.findall(r"([a-z0-9.-]+)\.amazonaws\.com", line) for line in lines if not described.match(line)]
        universal = {"apigateway", "cloudwatch", "ecs-tasks", "events", "lambda", "s3", "scheduler"}
        assert {name for names in named for name in names} <= universal, path.name


def test_only_the_refresh_joins_the_subnets() -> None:
    resources = stack(**DEPLOYMENTS["everything"])
    joined = {name for name in FUNCTIONS if "VpcConfig" in resources[name]["Properties"]}
    assert joined == {"RefreshFunction"}
    assert "VpcConfig" not in stack()["RefreshFunction"]["Properties"]


def test_tracing_and_mail_are_off_by_default() -> None:
    quiet, loud = stack(), stack(**DEPLOYMENTS["everything"])
    assert quiet["ApiFunction"]["Properties"]["TracingConfig"] == {"Mode": "PassThrough"}
    assert loud["ApiFunction"]["Properties"]["TracingConfig"] == {"Mode": "Active"}
    assert not of_type(quiet, "AWS::SNS::Subscription")
    (mail,) = of_type(loud, "AWS::SNS::Subscription").values()
    assert mail["Endpoint"] == "me@example.com"


def test_alarms_go_to_a_topic_that_is_given() -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:pager"
    for given, receiver in (({}, "<Alarms>"), ({"AlarmTopicArn": topic}, topic)):
        for alarm in of_type(stack(**given), "AWS::CloudWatch::Alarm").values():
            assert alarm["AlarmActions"] == alarm["OKActions"] == [receiver]


def test_the_buckets_own_key_is_a_parameter() -> None:
    """With S3's bucket key, so that not every object asks KMS; roles may use it as far as they read and write."""
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
    usual, own = stack(), stack(BucketKeyArn=key)
    encryptions = [
        each["Bucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"] for each in (usual, own)
    ]
    assert encryptions == [
        [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}],
        [
            {
                "BucketKeyEnabled": True,
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
            }
        ],
    ]
    assert not [each for each in statements(usual) if "kms" in json.dumps(each)]
    used = {
        role: [each["Action"] for each in statements(own[role]) if each.get("Resource") == key]
        for role in ("ApiRole", "RefreshRole", "IngestRole")
    }
    both = [["kms:Decrypt", "kms:GenerateDataKey"]]
    assert used == {"ApiRole": ["kms:Decrypt"], "RefreshRole": both, "IngestRole": both}


def test_logs_are_kept_for_as_long_as_the_parameter_says() -> None:
    resources = stack(LogRetentionDays="365")
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert {str(group["RetentionInDays"]) for group in groups.values()} == {"365"}
    used = {resources[name]["Properties"]["LoggingConfig"]["LogGroup"].strip("<>") for name in FUNCTIONS}
    stage = resources["ApiApiGatewayDefaultStage"]["Properties"]
    used.add(stage["AccessLogSettings"]["DestinationArn"].split(".")[0].strip("<"))
    used.add(resources["ReleaseCheck"]["Properties"]["LoggingConfig"]["LogGroup"].strip("<>"))
    assert used == groups.keys()
    shown = json.loads(re.sub(r"\$context\.[A-Za-z.]+", "x", stage["AccessLogSettings"]["Format"]))
    assert {"request_id", "status", "path", "iam", "jwt"} <= shown.keys()
    assert shown["stack"] == "eurusd-forecast-dev"
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": "20", "ThrottlingBurstLimit": "40"}


def test_the_image_is_for_the_processor_that_it_is_built_for() -> None:
    for name in FUNCTIONS:
        properties = stack()[name]["Properties"]
        assert properties["PackageType"] == "Image"
        assert properties["Architectures"] == ["x86_64"]
        assert stack(Architecture="arm64")[name]["Properties"]["Architectures"] == ["arm64"]


def test_memory_of_the_api_and_of_the_jobs_is_set_apart() -> None:
    found = stack(Memory="256", JobMemory="2048")
    assert [str(found[name]["Properties"]["MemorySize"]) for name in FUNCTIONS] == [
        "256" if name == "ApiFunction" else "2048" for name in FUNCTIONS
    ]


def test_the_api_can_start_from_a_snapshot_and_refuses_what_has_expired() -> None:
    usual, asked = stack(), stack(SnapStart="PublishedVersions", RefuseExpired="false")
    assert usual["ApiFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "None"}
    assert asked["ApiFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert usual["ApiFunction"]["Properties"]["Environment"]["Variables"]["REFUSE_EXPIRED"] == "true"
    assert asked["ApiFunction"]["Properties"]["Environment"]["Variables"]["REFUSE_EXPIRED"] == "false"
    assert all("SnapStart" not in usual[name]["Properties"] for name in FUNCTIONS if name != "ApiFunction")
