"""Training on AWS Batch: what the stack makes, who may do what, and that `submit` names what it names."""

import json
import re
from email import message_from_string
from typing import Any

import pytest
from moto.events.models import EventPattern

from lambda_fn.store import keys
from lambda_fn.store.command_line import TEMPORARY_FAILURE
from tests.support.commands import parsed
from tests.support.infra.access import allowed
from tests.support.infra.aws_tools import resources_of, template
from training.runs.aws_batch import MAX_CHILDREN

STACK = "eurusd-training"
BUCKET = "eurusd-forecast-123456789012"
GIVEN = {
    "AWS::StackName": STACK,
    "Bucket": BUCKET,
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1",
    "MlflowTrackingUri": "http://10.0.1.10:5000",
}
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf"
RUN, POINTER = "runs/EURUSD-1/plan.json", "models/best_model_info.json"
ACTIVE, PRICES = keys.active_key("EURUSD"), keys.price_key("EURUSD", "ecb")
KEYS = (RUN, POINTER, keys.history_key(1), keys.champion_key("0" * 64), ACTIVE, PRICES, "x")
MODELS = {POINTER, keys.history_key(1), keys.champion_key("0" * 64)}
JOBS = {"TaskJob": "task", "SelectJob": "select", "SubmitJob": "submit"}


def stack(**parameters: str) -> dict[str, Any]:
    return resources_of("training.yaml", **{**GIVEN, **parameters})


def policy(role: str, **parameters: str) -> list[dict[str, Any]]:
    policies = stack(**parameters)[role]["Properties"]["Policies"]
    return [found for each in policies for found in each["PolicyDocument"]["Statement"]]


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("TaskRole", {RUN}, {RUN}),
        ("SelectRole", {RUN, ACTIVE, PRICES} | MODELS, {RUN} | MODELS),
        ("SubmitRole", {RUN, PRICES}, {RUN}),
        ("ExecutionRole", set(), set()),
        ("ScheduleRole", set(), set()),
    ],
)
def test_reads_and_writes(role: str, reads: set[str], writes: set[str]) -> None:
    """Training has no write on what is served."""
    found = policy(role)
    arn = f"arn:aws:s3:::{BUCKET}"
    assert {key for key in KEYS if allowed(found, "s3:GetObject", f"{arn}/{key}")} == reads
    assert {key for key in KEYS if allowed(found, "s3:PutObject", f"{arn}/{key}")} == writes
    assert not any(allowed(found, "s3:DeleteObject", f"{arn}/{key}") for key in KEYS)
    assert not allowed(found, "s3:GetObject", f"arn:aws:s3:::another/{RUN}")


def test_only_the_planner_and_the_schedule_submit() -> None:
    definition = f"arn:aws:batch:eu-central-1:123456789012:job-definition/{STACK}"
    submitted = {
        role: {name for name in JOBS.values() if allowed(policy(role), "batch:SubmitJob", f"{definition}-{name}:1")}
        for role in ("TaskRole", "SelectRole", "SubmitRole", "ScheduleRole", "ExecutionRole")
    }
    expected = {"TaskRole": set(), "SelectRole": set(), "ExecutionRole": set(), "ScheduleRole": {"submit"}}
    assert submitted == {**expected, "SubmitRole": {"task", "select"}}


def test_jobs_are_named_as_submit_names_them() -> None:
    resources = stack()
    assert resources["Queue"]["Properties"]["JobQueueName"] == STACK
    names = {resources[job]["Properties"]["JobDefinitionName"]: word for job, word in JOBS.items()}
    assert names == {f"{STACK}-task": "task", f"{STACK}-select": "select", f"{STACK}-submit": "submit"}


@pytest.mark.parametrize("job", JOBS)
def test_the_command_of_each_job_is_one_of_training(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")  # as AWS Batch sets it
    container = stack()[job]["Properties"]["ContainerProperties"]
    command = ["EURUSD-1" if word == "Ref::run" else word for word in container["Command"]]
    assert parsed(command).command.name == JOBS[job]


@pytest.mark.parametrize("job", JOBS)
def test_jobs_are_shut_off(job: str) -> None:
    container = stack()[job]["Properties"]["ContainerProperties"]
    assert (container["User"], container["ReadonlyRootFilesystem"]) == ("1000:1000", True)
    assert "Privileged" not in container
    assert [each["ContainerPath"] for each in container["LinuxParameters"]["Tmpfs"]] == ["/tmp"]
    assert container["JobRoleArn"] == f"<{job.removesuffix('Job')}Role.Arn>"
    assert {"Type": "VCPU", "Value": "1"} in container["ResourceRequirements"]
    assert stack()[job]["Properties"]["Timeout"]["AttemptDurationSeconds"] > 0


def test_a_machine_that_is_taken_away_is_tried_again_and_a_named_error_is_not() -> None:
    for job in ("TaskJob", "SelectJob"):
        strategy = stack()[job]["Properties"]["RetryStrategy"]
        assert strategy["Attempts"] > 1
        first, second, last = strategy["EvaluateOnExit"]
        assert first == {"OnStatusReason": "Host EC2*", "Action": "RETRY"}
        assert second == {"OnExitCode": "2", "Action": "EXIT"}
        assert last == {"OnReason": "*", "Action": "RETRY"}  # such as a store that does not answer: TEMPORARY_FAILURE
        assert str(TEMPORARY_FAILURE) != second["OnExitCode"]
    assert stack()["SubmitJob"]["Properties"]["RetryStrategy"] == {"Attempts": 1}


def test_only_the_selection_knows_mlflow_and_its_secret() -> None:
    resources = stack(MlflowSecretArn=SECRET)
    for job in JOBS:
        container = resources[job]["Properties"]["ContainerProperties"]
        names = {each["Name"] for each in container["Environment"]}
        assert {"USE_S3", "S3_BUCKET", "AWS_REGION"} <= names
        assert ("MLFLOW_TRACKING_URI" in names) == (job == "SelectJob")
        assert ("Secrets" in container) == (job == "SelectJob")
    assert "Secrets" not in stack()["SelectJob"]["Properties"]["ContainerProperties"]
    reads = [
        allowed(policy("ExecutionRole", MlflowSecretArn=arn), "secretsmanager:GetSecretValue", SECRET)
        for arn in (SECRET, "")
    ]
    assert reads == [True, False]


def test_spot_is_a_choice() -> None:
    types = {spot: stack(Spot=spot)["Machines"]["Properties"]["ComputeResources"]["Type"] for spot in ("true", "false")}
    assert types == {"true": "SPOT", "false": "EC2"}
    assert stack()["Machines"]["Properties"]["ComputeResources"]["MinvCpus"] == 0


def test_it_trains_by_itself_only_when_told() -> None:
    assert stack()["Schedule"]["Properties"]["State"] == "DISABLED"
    assert stack(ScheduleState="ENABLED")["Schedule"]["Properties"]["State"] == "ENABLED"


def test_nothing_comes_in_and_the_machines_keep_their_rights() -> None:
    resources = stack()
    assert "SecurityGroupIngress" not in resources["MachineSecurityGroup"]["Properties"]
    data = resources["MachineTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(each["Ebs"]["Encrypted"] for each in data["BlockDeviceMappings"])


def test_a_failed_job_is_told() -> None:
    resources = stack(AlarmEmail="me@example.com")
    assert resources["JobFailed"]["Properties"]["Targets"][0]["Arn"] == "<Failures>"
    assert resources["FailuresByEmail"]["Properties"]["Endpoint"] == "me@example.com"
    assert "FailuresByEmail" not in stack()


@pytest.mark.parametrize(
    ("detail", "is_told"),
    [
        ({"arrayProperties": {"index": 7}, "statusReason": "Essential container in task exited"}, False),
        (
            {"arrayProperties": {"size": 20, "statusSummary": {"FAILED": 3}}, "statusReason": "Array Child Job failed"},
            True,
        ),
        ({"arrayProperties": {}, "statusReason": "Dependent Job failed"}, False),
        ({"arrayProperties": {}, "statusReason": "Essential container in task exited"}, True),
        ({"statusReason": "Essential container in task exited"}, True),
        ({}, True),
        ({"status": "SUCCEEDED"}, False),
        ({"jobQueue": "another"}, False),
    ],
)
def test_a_failed_array_is_one_mail(detail: dict[str, Any], is_told: bool) -> None:
    """Not one for each child, and none for the selection, which fails with the array."""
    pattern = json.dumps(stack()["JobFailed"]["Properties"]["EventPattern"])
    job = {"jobQueue": "<Queue>", "status": "FAILED", **detail}
    event = {"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": job}
    assert EventPattern.load(pattern).matches_event(event) == is_told


def test_jobs_do_not_reach_the_role_of_the_machine() -> None:
    """Containers have the host's network: their user is kept from the address of the metadata."""
    resources = stack()
    data = resources["MachineTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    (part,) = [each for each in message_from_string(data).walk() if not each.is_multipart()]
    script = str(part.get_payload())
    assert part.get_content_type() == "text/x-shellscript" and script.startswith("#!/bin/bash\n")
    (rule,) = [line for line in script.splitlines() if line.startswith("iptables")]
    users = {resources[job]["Properties"]["ContainerProperties"]["User"].split(":")[0] for job in JOBS}
    assert [f"--uid-owner {user} " in rule for user in users] == [True]
    assert "--insert OUTPUT --destination 169.254.169.254 " in rule and rule.endswith(" --jump REJECT")


def test_the_repository_has_a_name_in_small_letters() -> None:
    parameter = json.loads(template("training.yaml"))["Parameters"]["RepositoryName"]
    assert stack()["Repository"]["Properties"]["RepositoryName"] == STACK
    assert stack(RepositoryName="team/training")["Repository"]["Properties"]["RepositoryName"] == "team/training"
    assert re.fullmatch(parameter["AllowedPattern"], "team/training")
    assert not re.fullmatch(parameter["AllowedPattern"], "EurUsd-Training")


def test_roles_may_use_the_buckets_own_key() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
    roles = ("TaskRole", "SelectRole", "SubmitRole", "ExecutionRole", "ScheduleRole")
    used = {role for role in roles if allowed(policy(role, BucketKeyArn=key), "kms:GenerateDataKey", key)}
    assert used == {"TaskRole", "SelectRole", "SubmitRole"}
    assert not any(allowed(policy(role), "kms:Decrypt", key) for role in roles)


def test_an_array_may_be_as_large_as_batch_takes() -> None:
    assert MAX_CHILDREN == 10_000


def test_images_go_when_their_tag_has_moved_on_and_ten_newer_ones_are_there() -> None:
    """A tagged one may be a job's or the MLflow server's, however old it is."""
    repository = stack()["Repository"]
    [rule] = json.loads(repository["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"] == {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 10}
    assert repository["DeletionPolicy"] == "RetainExceptOnCreate"
