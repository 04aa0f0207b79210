"""The MLflow stack: private, with what outlives its machine, and a server that the other stacks find by its name."""

import json
import re
from typing import Any

from infra import mlflow_server
from lambda_fn.registry.secrets_manager import Login
from lambda_fn.settings import Settings
from tests.support.infra import user_data
from tests.support.infra.access import allowed
from tests.support.infra.aws_tools import outputs_of, resources_of, template

BUCKET = "arn:aws:s3:::eurusd-mlflow-bucket-1a2b3c"
RUN, TOOL, HEALTH = "/etc/mlflow/run", "/usr/local/bin/mlflow-server", "/usr/local/bin/mlflow-health"


def script() -> str:
    return user_data.scripts("mlflow.yaml")["MachineTemplate"]


def files() -> dict[str, str]:
    """What the script writes, by path."""
    return user_data.written(script())


def stack(**parameters: str) -> dict[str, Any]:
    return resources_of("mlflow.yaml", **{**user_data.MLFLOW, **parameters})


def properties(name: str, **parameters: str) -> Any:
    return stack(**parameters)[name]["Properties"]


def policy() -> list[dict[str, Any]]:
    return [found for each in properties("Role")["Policies"] for found in each["PolicyDocument"]["Statement"]]


def test_nobody_comes_in_unless_told() -> None:
    assert "SecurityGroupIngress" not in properties("SecurityGroup")
    (rule,) = properties("SecurityGroup", ClientCidr="10.0.0.0/16")["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (mlflow_server.PORT, mlflow_server.PORT, "10.0.0.0/16")
    assert "22" not in re.findall(r"\d+", json.dumps(properties("SecurityGroup")["SecurityGroupEgress"]))
    data = properties("MachineTemplate")["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    assert data["NetworkInterfaces"] == [{"DeviceIndex": 0, "NetworkInterfaceId": user_data.MLFLOW["Interface"]}]
    assert properties("Interface")["GroupSet"] == ["<SecurityGroup>"]
    assert "KeyName" not in data
    assert any(arn.endswith("/AmazonSSMManagedInstanceCore") for arn in properties("Role")["ManagedPolicyArns"])


def test_the_device_is_the_volumes() -> None:
    """As Amazon EBS names it on Nitro machines: the volume's id without its hyphen."""
    assert "device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c3d\n" in script()
    assert "What=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c3d\n" in script()
    assert "attach-volume --region eu-central-1 --volume-id vol-0a1b2c3d " in script()


def test_what_must_not_be_lost_outlives_machine_and_stack() -> None:
    resources = stack()
    assert resources["Volume"]["Properties"]["Encrypted"] is True
    assert (resources["Volume"]["DeletionPolicy"], resources["Volume"]["UpdateReplacePolicy"]) == ("Snapshot",) * 2
    assert (resources["Bucket"]["DeletionPolicy"], resources["Bucket"]["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )
    assert resources["Bucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = [
        each for each in resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"] if "Prefix" in each
    ]
    assert rule["Prefix"] == "backups/"  # artifacts do not expire
    assert "WantedBy=multi-user.target" in files()["/etc/systemd/system/srv-mlflow.mount"]
    assert script().count("mkfs") == script().count('blkid "$device" || mkfs.xfs "$device"') + 1  # and the comment


def test_there_is_one_machine_at_a_time_in_the_volumes_zone() -> None:
    group = properties("Machines")
    assert (group["MaxSize"], group["DesiredCapacity"]) == ("1", "1")
    assert group["AvailabilityZones"] == [user_data.MLFLOW["AvailabilityZone"]]
    assert properties("Interface")["SubnetId"] == user_data.MLFLOW["SubnetId"]
    assert stack()["Machines"]["UpdatePolicy"]["AutoScalingRollingUpdate"]["MinInstancesInService"] == 0
    assert properties("Volume")["AvailabilityZone"] == user_data.MLFLOW["AvailabilityZone"]


def test_its_role_reaches_its_own_things_only() -> None:
    found = policy()
    for action, key, may in (
        ("s3:PutObject", "artifacts/1/model.onnx", True),
        ("s3:DeleteObject", "artifacts/1/model.onnx", True),
        ("s3:PutObject", "backups/x.tar.gz", True),
        ("s3:DeleteObject", "backups/x.tar.gz", False),
        ("s3:PutObject", "x", False),
    ):
        assert allowed(found, action, f"{BUCKET}/{key}") is may, (action, key)
    assert not allowed(found, "s3:GetObject", "arn:aws:s3:::eurusd-forecast-123456789012/models/best_model_info.json")
    everywhere = {str(each["Action"]) for each in found if each["Resource"] == "*"}
    assert everywhere == {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}
    (attach,) = [each for each in found if each["Action"] == "ec2:AttachVolume" and "Condition" in each]
    assert attach["Condition"] == {"StringEquals": {"aws:ResourceTag/Name": "eurusd-mlflow"}}
    (tag,) = properties("Machines")["Tags"]
    assert (tag["Key"], tag["Value"], tag["PropagateAtLaunch"]) == ("Name", "eurusd-mlflow", True)


def test_the_bucket_speaks_tls_only() -> None:
    (statement,) = properties("BucketPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Deny", [BUCKET, f"{BUCKET}/*"])
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_server_gets_the_command_that_it_takes() -> None:
    (words,) = re.findall(r"-m infra\.mlflow_server (serve .*?)\n\Z", files()[RUN], re.DOTALL)
    arguments = words.replace("\\\n", " ").replace('"', "").replace("$address", "10.0.1.10").split()
    asked = mlflow_server._parser().parse_args(arguments)
    environ = dict(line.split("=", 1) for line in files()["/etc/mlflow/environment"].splitlines())
    command = mlflow_server.server_command(asked.data, Settings.from_env(environ), asked.hosts.split(","), asked.port)
    assert "--artifacts-destination=s3://eurusd-mlflow-bucket-1a2b3c/artifacts" in command
    assert "--backend-store-uri=sqlite:////data/mlflow.db" in command
    (hosts,) = [word for word in command if word.startswith("--allowed-hosts=")]
    assert {"eurusd-mlflow.internal:5000", "10.0.1.10:5000"} < set(hosts.partition("=")[2].split(","))
    for action in ("backup", "restore", "upgrade"):
        assert mlflow_server._parser().parse_args([action]).data == asked.data
        assert re.search(rf"\b{action}\b.*\)$", files()[TOOL], re.MULTILINE)


def test_its_containers_are_as_shut_off_as_the_fallbacks() -> None:
    fallback = user_data.written(user_data.scripts("fallback.yaml")["MachineTemplate"])["/etc/eurusd-forecast/run"]
    (options,) = re.findall(r"(--user 1000:1000 .*?) \\", fallback)
    assert options in files()[RUN]
    assert options in files()[TOOL]


def test_no_secret_is_in_the_user_data() -> None:
    """It is read at each start, by its name, into memory."""
    assert "get-secret-value --region eu-central-1 --secret-id arn:aws:secretsmanager:" in files()[RUN]
    assert "> /run/mlflow/administrator" in files()[RUN]
    assert "PASSWORD=" not in script().replace("MLFLOW_AUTH_ADMIN_{name.upper()}=", "")


def test_the_secret_has_the_keys_that_the_other_stacks_read() -> None:
    generated = properties("Secret")["GenerateSecretString"]
    secret = {**json.loads(generated["SecretStringTemplate"]), generated["GenerateStringKey"]: "x"}
    assert generated["PasswordLength"] >= mlflow_server.SHORTEST_PASSWORD
    assert set(secret) == set(Login._fields)
    assert all(f":{key}::" in template("training.yaml") for key in secret)


def test_alarms_watch_what_the_scripts_send() -> None:
    sent = set()
    for text in (files()[TOOL], files()[HEALTH]):
        pattern = r"--namespace (\S+) \\\n\s+--metric-name (\S+) --value \S+ --dimensions (\w+)=(\S+)"
        sent |= set(re.findall(pattern, text))
    alarms = [each["Properties"] for each in stack().values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    watched = {
        (each["Namespace"], each["MetricName"], pair["Name"], pair["Value"])
        for each in alarms
        for pair in each["Dimensions"]
    }
    assert sent == watched
    assert {each["TreatMissingData"] for each in alarms} == {"breaching"}  # a machine that is gone sends nothing
    (condition,) = [each["Condition"] for each in policy() if each["Action"] == "cloudwatch:PutMetricData"]
    assert {namespace for namespace, *_ in watched} == {condition["StringEquals"]["cloudwatch:namespace"]}


def test_training_finds_it_by_its_name() -> None:
    uri = outputs_of("mlflow.yaml", **user_data.MLFLOW)["TrackingUri"]
    assert uri == "http://eurusd-mlflow.internal:5000"
    assert re.fullmatch(json.loads(template("training.yaml"))["Parameters"]["MlflowTrackingUri"]["AllowedPattern"], uri)
    assert properties("Zone")["Name"] == "eurusd-mlflow.internal"


def test_the_name_belongs_to_the_stack_and_goes_with_it() -> None:
    """A record that the machine wrote would keep CloudFormation from deleting or renaming the zone."""
    record = properties("Record")
    assert (record["Name"], record["Type"]) == ("eurusd-mlflow.internal", "A")
    assert record["ResourceRecords"] == ["10.0.1.10"] and record["HostedZoneId"] == user_data.MLFLOW["Zone"]
    assert properties("Record", HostName="mlflow.example.internal")["Name"] == "mlflow.example.internal"
    assert "route53" not in script() and not any("route53" in json.dumps(each) for each in policy())


def test_a_larger_volume_is_used_without_a_new_machine() -> None:
    """The size is not in the launch template; the file system is grown every minute."""
    small, large = (stack(VolumeSize=size) for size in ("10", "20"))
    assert small["MachineTemplate"] == large["MachineTemplate"] and small["Volume"] != large["Volume"]
    assert "\nxfs_growfs /srv/mlflow > /dev/null\n" in files()[HEALTH]
