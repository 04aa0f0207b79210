"""The fallback on EC2: shut to everybody unless told, with the rights of the API's function."""

from typing import Any

from lambda_fn.settings import Settings
from tests.support.infra import user_data
from tests.support.infra.access import ACTIVE, KEYS, READS, allowed
from tests.support.infra.aws_tools import ROOT, resources_of, yaml_as_json

BUCKET = f"arn:aws:s3:::{user_data.FALLBACK['Bucket']}"


def stack(**parameters: str) -> dict[str, Any]:
    return resources_of("fallback.yaml", **{**user_data.FALLBACK, **parameters})


def test_nobody_comes_in_unless_told() -> None:
    assert "SecurityGroupIngress" not in stack()["SecurityGroup"]["Properties"]
    (rule,) = stack(ClientCidr="10.0.0.0/16")["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (8080, 8080, "10.0.0.0/16")


def test_its_role_reads_what_the_apis_function_reads() -> None:
    policies = stack()["Role"]["Properties"]["Policies"]
    found = [statement for each in policies for statement in each["PolicyDocument"]["Statement"]]
    assert {key for key in KEYS if allowed(found, "s3:GetObject", f"{BUCKET}/{key}")} == READS["ApiRole"]
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not allowed(found, action, f"{BUCKET}/{ACTIVE}")
    assert allowed(found, "s3:ListBucket", BUCKET)
    everywhere = [each["Action"] for each in found if each["Resource"] == "*"]
    assert everywhere == ["ecr:GetAuthorizationToken"]


def test_the_machine_is_private_and_its_container_reaches_its_role() -> None:
    resources = stack()
    (interface,) = resources["Machine"]["Properties"]["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    options = resources["MachineTemplate"]["Properties"]["LaunchTemplateData"]["MetadataOptions"]
    assert options == {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}


def test_the_environment_is_one_that_the_server_takes() -> None:
    files = user_data.written(user_data.scripts("fallback.yaml")["Machine"])
    lines = files["/etc/eurusd-forecast/environment"].splitlines()
    settings = Settings.from_env(dict(line.split("=", 1) for line in lines))
    assert settings.use_s3
    assert settings.s3_bucket == user_data.FALLBACK["Bucket"]
    assert settings.aws_region == "eu-central-1"


def test_the_container_is_as_shut_off_as_the_one_of_compose() -> None:
    api = yaml_as_json(ROOT / "infra/docker-compose.yml")["services"]["api"]
    run = user_data.written(user_data.scripts("fallback.yaml")["Machine"])["/etc/eurusd-forecast/run"]
    for option in (f"--user {api['user']}", "--read-only", "--tmpfs /tmp", "--cap-drop ALL"):
        assert option in run
    assert f"--security-opt {api['security_opt'][0]}" in run
    assert api["entrypoint"][2].replace("$$", "$") in run
