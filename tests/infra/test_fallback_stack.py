"""The fallback on EC2: shut to everybody unless told, with the rights of the API's function."""

import json
import re
from typing import Any

from lambda_fn.settings import Settings
from tests.support.infra import user_data
from tests.support.infra.access import ACTIVE, KEYS, READS, allowed
from tests.support.infra.aws_tools import ROOT, outputs_of, resources_of, yaml_as_json

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
    assert everywhere == ["ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"]


def test_the_machine_is_private_and_its_container_reaches_its_role() -> None:
    data = stack()["MachineTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    assert data["NetworkInterfaces"] == [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-0a1b2c3d"}]
    interface = stack()["Interface"]["Properties"]
    assert (interface["SubnetId"], interface["GroupSet"]) == ("subnet-1", ["<SecurityGroup>"])


def test_a_new_image_or_setting_reaches_a_new_machine_at_the_same_address() -> None:
    """The launch template has them, each of its versions replaces the machine, and the interface stays."""
    group = stack()["Machines"]
    assert (group["Properties"]["MinSize"], group["Properties"]["MaxSize"]) == ("0", "1")
    assert group["Properties"]["AvailabilityZones"] == ["eu-central-1a"]
    assert "VPCZoneIdentifier" not in group["Properties"]
    assert group["Properties"]["LaunchTemplate"]["Version"] == "<MachineTemplate.LatestVersionNumber>"
    update = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert (update["MinInstancesInService"], update["WaitOnResourceSignals"]) == (0, True)
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == 1
    former, later = (json.dumps(stack(Image=f"{user_data.FALLBACK['Image']}{tag}")["MachineTemplate"]) for tag in "01")
    assert former != later
    assert outputs_of("fallback.yaml", **user_data.FALLBACK)["Address"] == "http://10.0.1.20:8080"


def test_the_machine_reports_what_the_alarm_watches_and_may_do_what_it_runs() -> None:
    script = user_data.scripts("fallback.yaml")["MachineTemplate"]
    (alarm,) = [each["Properties"] for each in stack().values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert alarm["TreatMissingData"] == "breaching"
    sent = re.findall(r"--namespace (\S+) \\\n\s+--metric-name (\S+) --value \S+ --dimensions Stack=(\S+) ", script)
    assert sent == [(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"][0]["Value"])]
    policies = stack()["Role"]["Properties"]["Policies"]
    found = [statement for each in policies for statement in each["PolicyDocument"]["Statement"]]
    stack_arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/eurusd-fallback/1"
    group_arn = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:1:autoScalingGroupName/any"
    assert allowed(found, "cloudformation:SignalResource", stack_arn)
    assert not allowed(found, "cloudformation:SignalResource", stack_arn.replace("fallback", "mlflow"))
    assert allowed(found, "autoscaling:SetInstanceHealth", group_arn)
    assert "--logical-resource-id Machines " in script


def test_the_environment_is_one_that_the_server_takes() -> None:
    files = user_data.written(user_data.scripts("fallback.yaml")["MachineTemplate"])
    lines = files["/etc/eurusd-forecast/environment"].splitlines()
    settings = Settings.from_env(dict(line.split("=", 1) for line in lines))
    assert settings.use_s3
    assert settings.s3_bucket == user_data.FALLBACK["Bucket"]
    assert settings.aws_region == "eu-central-1"


def test_the_container_is_as_shut_off_as_the_one_of_compose() -> None:
    api = yaml_as_json(ROOT / "infra/docker-compose.yml")["services"]["api"]
    run = user_data.written(user_data.scripts("fallback.yaml")["MachineTemplate"])["/etc/eurusd-forecast/run"]
    for option in (f"--user {api['user']}", "--read-only", "--tmpfs /tmp", "--cap-drop ALL"):
        assert option in run
    assert f"--security-opt {api['security_opt'][0]}" in run
    assert api["entrypoint"][2].replace("$$", "$") in run
