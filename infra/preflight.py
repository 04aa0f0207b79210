"""Checks before a deployment of the service's stack: what would fail after minutes is reported at once."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.base import PLATFORMS, NotPinned, pinned
from infra.parameters import REQUIRED

PRODUCTION = "production"  # requires a pinned base image, and somebody who receives the alarms
FUNCTIONS = ("ApiFunction", "RefreshFunction", "IngestFunction")  # each has an image repository of the SAM CLI
MANAGED_STACK = "aws-sam-cli-managed-default"  # of the SAM CLI: its bucket for templates
UNRESERVED = 100  # environments that Lambda leaves to the functions without a reservation
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RUNBOOK = "infra/README.md#failed-first-deployment"


class Finding(NamedTuple):
    """A sentence about the deployment. A fatal one stops it."""

    text: str
    fatal: bool = True


class Stack(NamedTuple):
    """A stack as CloudFormation describes it; the status of one that does not exist is ""."""

    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def exists(self) -> bool:
        return self.status not in ("", "REVIEW_IN_PROGRESS")


class Plan(NamedTuple):
    """A deployment.

    Attributes:
        stage: The table of samconfig.toml.
        name: The name of the stack.
        account: The account's number.
        session: AWS session.
        stack: The stack as it is.
        parameters: All parameters as they will be: given, kept by the stack, or the template's default.
    """

    stage: str
    name: str
    account: str
    session: boto3.Session
    stack: Stack
    parameters: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """Return the name of the store's bucket after the deployment."""
        return self.parameters["BucketName"] or f"{self.name}-{self.account}"


def describe_stack(name: str, session: boto3.Session) -> Stack:
    """Return the stack. Raises BotoCoreError and ClientError."""
    try:
        [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return Stack("", {}, {})
        raise
    parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])}
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", [])}
    return Stack(stack["StackStatus"], parameters, outputs)


def check_machine(stage: str, architecture: str) -> Iterator[Finding]:
    """Check what is needed to build: the recorded digest of the base image, and a container engine."""
    if stage == PRODUCTION:
        try:
            pinned()
        except NotPinned as error:
            yield Finding(str(error))
    try:
        command = ["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        yield Finding("docker: command not found; install Docker")
        return
    if done.returncode:
        yield Finding(f"docker: {_last_line(done.stderr)}; start Docker")
    elif (platform := PLATFORMS[architecture]) != (engine := done.stdout.strip()):
        if _emulates(platform):
            yield Finding(f"docker: emulates {platform} on {engine}; the build takes longer", fatal=False)
        else:
            fix = "build on such a machine, or install emulation (github.com/tonistiigi/binfmt)"
            yield Finding(f"Architecture: the container engine is {engine} and does not build for {platform}; {fix}")


def check_required(overrides: Mapping[str, str], plan: Plan) -> Iterator[Finding]:
    """Check that parameters that samconfig.toml marks as required are given, now or earlier."""
    for name in [name for name, value in overrides.items() if value == REQUIRED and not plan.parameters[name]]:
        fix = "give it (infra/README.md#signed-champions describes the keys)"
        yield Finding(f"{name}: required in {plan.stage}, and {plan.name} was never given it; {fix}")


def check_account(plan: Plan) -> Iterator[Finding]:
    """Check the account: stacks, bucket, repositories, concurrency and the receiver of alarms."""
    checks: tuple[Callable[[Plan], Iterator[Finding]], ...] = (
        _check_stacks,
        _check_bucket,
        _check_repositories,
        _check_concurrency,
        _check_alarms,
    )
    for check in checks:
        try:
            yield from check(plan)
        except (BotoCoreError, ClientError) as error:  # a permission that only this check needs
            yield Finding(f"{check.__name__.removeprefix('_check_')}: not checked: {error}", fatal=False)


def companion_stack(name: str) -> str:
    """Return the name of the stack in which the SAM CLI keeps the image repositories of a stack."""
    return f"{name[:104]}-{_md5(name)}-CompanionStack"


def repositories(name: str) -> list[str]:
    """Return the names of these repositories."""
    folder = re.sub(r"[^a-z0-9]", "", name.lower()) + _md5(name)
    return [f"{folder}/{function.lower()}{_md5(function)}repo" for function in FUNCTIONS]


def _check_stacks(plan: Plan) -> Iterator[Finding]:
    names = (companion_stack(plan.name), MANAGED_STACK)
    for name, status in {
        plan.name: plan.stack.status,
        **{n: describe_stack(n, plan.session).status for n in names},
    }.items():
        region = plan.session.region_name
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            fix = f"delete it and deploy again: aws cloudformation delete-stack --stack-name {name} --region {region}"
            yield Finding(f"{name}: {status}, so it cannot be updated; {fix} ({_RUNBOOK})")
        elif status == "UPDATE_ROLLBACK_FAILED":
            fix = f"aws cloudformation continue-update-rollback --stack-name {name} --region {region}"
            yield Finding(f"{name}: {status}; repair what its events name, then {fix}")
        elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            yield Finding(f"{name}: {status}; wait until that has ended")


def _check_bucket(plan: Plan) -> Iterator[Finding]:
    name, creates = plan.bucket, plan.parameters["CreateBucket"] == "true"
    if not _BUCKET.fullmatch(name):
        yield Finding(f"BucketName: {name} is not the name of a bucket; give BucketName in small letters")
        return
    exists = _bucket_exists(name, plan.session)
    if plan.stack.exists and (old := plan.stack.outputs.get("StoreBucket", name)) != name:
        if _bucket_exists(old, plan.session):
            fix = f"give BucketName={old}, or another --stack-name or region for another deployment"
            yield Finding(f"BucketName: {plan.name} keeps its data in {old} and would go on with {name}; {fix}")
            return
    created = plan.stack.exists and plan.stack.parameters.get("CreateBucket", "true") == "true"
    if creates and exists and not (created and plan.stack.outputs.get("StoreBucket") == name):
        fix = f"to use it, give CreateBucket=false BucketName={name} ({_RUNBOOK}); otherwise give another BucketName"
        yield Finding(f"BucketName: {name} exists already, in this account or another; {fix}")
    if not creates and not exists:
        yield Finding(f"BucketName: there is no bucket {name}; correct the name, or leave out CreateBucket=false")


def _bucket_exists(name: str, session: boto3.Session) -> bool:
    try:
        session.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] != "404")  # 403: somebody else's; 301: in another region
    return True


def _check_repositories(plan: Plan) -> Iterator[Finding]:
    if describe_stack(companion_stack(plan.name), plan.session).exists:
        return
    client = plan.session.client("ecr")
    for name in repositories(plan.name):
        try:
            client.describe_repositories(repositoryNames=[name])
        except client.exceptions.RepositoryNotFoundException:
            continue
        fix = f"aws ecr delete-repository --force --repository-name {name} --region {plan.session.region_name}"
        yield Finding(f"{name}: this image repository of a deleted stack is in the way; {fix}")


def _check_concurrency(plan: Plan) -> Iterator[Finding]:
    limit = plan.session.client("lambda").get_account_settings()["AccountLimit"]
    total, reservation = limit["ConcurrentExecutions"], int(plan.stack.parameters.get("ReservedConcurrency") or 0)
    free = limit["UnreservedConcurrentExecutions"] + reservation - UNRESERVED
    reserved = int(plan.parameters["ReservedConcurrency"] or 0)
    provisioned = int(plan.parameters["ProvisionedConcurrency"] or 0)
    raise_it = "request more with aws service-quotas request-service-quota-increase (infra/README.md#throttling)"
    if reserved > max(free, 0):
        yield Finding(f"ReservedConcurrency: {reserved}, but {max(free, 0)} of {total} can be reserved; {raise_it}")
    if provisioned > (reserved or max(free, 0)):
        yield Finding(f"ProvisionedConcurrency: {provisioned} is more than {reserved or max(free, 0)}; {raise_it}")
    if total < UNRESERVED:
        text = f"the account allows {total} concurrent executions, beyond which the API answers 503"
        yield Finding(f"concurrency: {text}; {raise_it}", fatal=False)


def _check_alarms(plan: Plan) -> Iterator[Finding]:
    email, topic = plan.parameters["AlarmEmail"], plan.parameters["AlarmTopicArn"]
    if plan.stage == PRODUCTION and not email and not topic:
        yield Finding(
            "AlarmEmail: production needs a receiver of alarms; give AlarmEmail=<address> or AlarmTopicArn=<ARN>"
        )
    client = plan.session.client("sns")
    if topic:
        if topic.split(":")[3] != plan.session.region_name:
            yield Finding(f"AlarmTopicArn: {topic} is not in {plan.session.region_name}; name a topic of this region")
            return
        try:
            client.get_topic_attributes(TopicArn=topic)
        except client.exceptions.NotFoundException:
            yield Finding(f"AlarmTopicArn: there is no topic {topic}; correct the ARN")
    if email and (stack_topic := plan.stack.outputs.get("AlarmTopic")):
        pages: Any = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack_topic)
        arns = [
            entry["SubscriptionArn"] for page in pages for entry in page["Subscriptions"] if entry["Endpoint"] == email
        ]
        if "PendingConfirmation" in arns:
            yield Finding(
                f"AlarmEmail: {email} has not confirmed the subscription; follow the link in AWS's mail", False
            )


def _emulates(platform: str) -> bool:
    """Return whether the builder of the engine has the platform, its own or by emulation."""
    done = subprocess.run(["docker", "buildx", "inspect"], capture_output=True, text=True)
    platforms = re.findall(r"^Platforms: +(.*)$", done.stdout, re.MULTILINE)
    return platform in {name.strip(" *") for line in platforms for name in line.split(",")}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "it does not answer"
