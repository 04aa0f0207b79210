"""The runbook's commands, run in a shell as by somebody who follows it.

The commands of `infra` run against moto's server, with the variables that the runbook sets and credentials. Other
programs only record what they get.

`python -m tests.support.infra.runbook [HEADING]` prints the transcript: each section with what its programs were given.
"""

import functools
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from infra.preflight import companion_stack
from infra.redrive import FUNCTIONS
from tests.support.infra import aws_account, user_data
from tests.support.infra.aws_account import REGION, Account
from tests.support.infra.aws_tools import ROOT, template

RUNBOOK = (ROOT / "infra/README.md").read_text()
RECORDED = ("aws", "docker", "curl", "make", "sam", "sudo", "python")
# One write a call: both ends of a pipe record at once. Our own commands of infra run, also `make deploy`, with the
# variables of the runbook; the outputs of a stack are read once a region.
STUB = r"""#!/bin/bash
words="$(printf '%s\037' "${0##*/}" "$@")"
printf '%s\036' "$words" >> "$CALLS"
run() { (cd "$ROOT" && PYTHONPATH="$ROOT" exec "$PYTHON" "$@"); }
case "${0##*/} $*" in
  "python -c "*) exec "$PYTHON" "$@" ;;
  "python -m infra.outputs "*)
    saved="$ANSWERS/$3-$AWS_REGION"
    [ -e "$saved" ] || run "$@" > "$saved" || { rm "$saved"; exit 1; }
    cat "$saved" ;;
  "python -m infra."*) run "${@//\/home\/ec2-user/$HOME}" ;;
  "make deploy"*)
    for word in "$@"; do
      case "$word" in STAGE=*) stage="${word#*=}" ;; ARGS=*) arguments="${word#*=}" ;; esac
    done
    run -c "$DEPLOY" --config-env "${stage-default}" ${arguments-} ;;
  "docker version"*) echo linux/amd64 ;;
  *"{{.Os}}"*) echo linux/amd64 sha256:1 ;;
  "docker image inspect"*) echo '["sha256:1"]' ;;
  *get-secret-value*) echo '{"username": "admin", "password": "a-password"}' ;;
  *Code.ImageUri*) echo 123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-forecast:1 ;;
  *"--output text"*) echo a-value ;;
esac
"""
# With a recorded digest of the base image, which this repository has none of yet.
DEPLOY = """
import os, pathlib, sys
from infra import base, deploy
base.PINNED = pathlib.Path(os.environ["HOME"], "base_image.txt")
sys.exit(deploy.main(sys.argv[1:]))
"""
DIGEST = f"public.ecr.aws/lambda/python@sha256:{'ab' * 32}"
STACKS = {
    "eurusd-forecast": "template.yaml",
    "eurusd-training": "training.yaml",
    "eurusd-mlflow": "mlflow.yaml",
    "eurusd-fallback": "fallback.yaml",
}
KNOWN: dict[str, Any] = {
    "StoreBucket": "eurusd-forecast-123456789012",
    "RepositoryUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-training",
    "TrackingUri": "http://eurusd-mlflow.internal:5000",
    "BucketName": "eurusd-mlflow-bucket-1a2b3c",
    "SecretArn": user_data.MLFLOW["Secret"],
    "MlflowStack": "eurusd-mlflow",
    "ServiceStack": "eurusd-forecast",
    "FallbackStack": "eurusd-fallback",
    "AlarmTopic": {"Ref": "Any"},
    "ApiFunctionName": "eurusd-forecast-ApiFunction",
    "ChampionPublicKeys": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    **{f"{name}FailuresUrl": {"Ref": f"{name}Failures"} for name in FUNCTIONS},
}
KEPT = {"AlarmEmail": "me@example.com", "ChampionPublicKeys": KNOWN["ChampionPublicKeys"]}  # parameters of the service
MOVED = {"StoreBucket": "eurusd-forecast-eu-west-1-123456789012"}  # outputs of the service in the region moved to


class Section(NamedTuple):
    """A heading, and the lines of the console blocks below it, without what they print."""

    heading: str
    script: str


def sections() -> list[Section]:
    """Those that have commands; the first is that of a new shell."""
    found = []
    for part in re.split(r"^(?=#+ )", RUNBOOK, flags=re.MULTILINE):
        heading = part.partition("\n")[0].lstrip("# ")
        script = "".join(_script(block) for block in re.findall(r"```console\n(.*?)```", part, flags=re.DOTALL))
        if script:
            found.append(Section(heading, script))
    return found


def first_commands() -> dict[str, str]:
    """Of the table of alarms, by alarm."""
    return dict(re.findall(r"^\| \w+ \| `(\w+)` \|.*\| `([^`|]+)` \| \[", RUNBOOK, flags=re.MULTILINE))


@functools.cache
def calls() -> dict[str, list[list[str]]]:
    """What each section's programs were given, as words, when it was run in a new shell after the runbook's first lines
    alone; an unset variable or a failing command ends it."""
    preamble, *others = sections()
    told = [Section(f"alarm {name}", command) for name, command in first_commands().items()]
    recorded = {}
    with tempfile.TemporaryDirectory(prefix="runbook-") as name, aws_account.server() as address:
        account = deployed(address, Path(name))
        for each in (Section("", ""), *others, *told):
            if each.heading == "Lost bucket":
                account.client("s3").delete_bucket(Bucket=KNOWN["StoreBucket"])
            recorded[each.heading] = _run(account, preamble.script + each.script)
            if each.heading == "Lost bucket":
                account.create_bucket(str(KNOWN["StoreBucket"]))
    return recorded


def deployed(address: str, folder: Path) -> Account:
    """An account in which all stacks exist, as far as moto has their resources, and a machine with an old registry."""
    account = aws_account.empty_account(address, folder)
    for stub in RECORDED:
        (folder / stub).write_text(STUB)
        (folder / stub).chmod(0o755)
    queues = {f"{name}Failures": {"Type": "AWS::SQS::Queue"} for name in FUNCTIONS}
    for region, changed in ((REGION, {}), ("eu-west-1", MOVED)):
        for stack, file in STACKS.items():
            resources = queues if file == "template.yaml" else {}
            outputs = {**_outputs(file), **(changed if resources else {})}
            account.create_stack(stack, outputs, resources, KEPT if resources and not changed else {}, region)
        account.create_stack(companion_stack("eurusd-forecast"), {}, region=region)
    account.create_function(str(KNOWN["ApiFunctionName"]), versions=13, live=13)
    for bucket in ("StoreBucket", "BucketName"):
        account.create_bucket(str(KNOWN[bucket]))
    (folder / "base_image.txt").write_text(DIGEST)
    (folder / "mlflow").mkdir()
    with closing(sqlite3.connect(folder / "mlflow/mlflow.db")) as registry, registry:
        registry.execute("CREATE TABLE alembic_version (version_num)")
        registry.execute("INSERT INTO alembic_version VALUES ('1')")
    return account


def transcript(heading: str = "") -> str:
    """Of the whole runbook in its order, the first lines once and then each section without them, or of one section."""
    first = calls()[""]
    told = {name or "In a new shell": given[len(first) if name else 0 :] for name, given in calls().items()}
    shown = {name: given for name, given in told.items() if not heading or name == heading}
    lines = {name: "".join(f"{shlex.join(words)}\n" for words in given) for name, given in shown.items()}
    return "\n".join(f"# {name}\n{text}" for name, text in lines.items())


def _script(block: str) -> str:
    joined = re.sub(r"\\\n\s*", "", block)
    return "".join(f"{line[2:]}\n" for line in joined.splitlines() if line.startswith("$ "))


def _run(account: Account, script: str) -> list[list[str]]:
    folder = account.folder
    (folder / "calls").unlink(missing_ok=True)
    environ = {name: value for name, value in account.environ.items() if name != "PATH"}
    environ |= {"PATH": f"{folder}:/usr/bin:/bin", "ANSWERS": str(folder), "LANG": os.environ.get("LANG", "C")}
    environ |= {"PYTHON": sys.executable, "ROOT": str(ROOT), "DEPLOY": DEPLOY}
    done = subprocess.run(
        ["bash", "-euc", f"set -o pipefail\n{script}"], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stderr}\n{script}"
    recorded = (folder / "calls").read_text().split("\036")
    return [call.split("\037")[:-1] for call in recorded if call]


def _outputs(file: str) -> dict[str, object]:
    if file == "template.yaml":
        names = re.findall(r"^  (\w+):$", (ROOT / file).read_text().partition("\nOutputs:\n")[2], re.MULTILINE)
    else:
        names = list(json.loads(template(file))["Outputs"])
    return {name: KNOWN.get(name, f"a-{name}") for name in names}


def main(arguments: Sequence[str]) -> int:
    """Prints the transcript; 2 where no section has this heading."""
    text = transcript(*arguments[:1])
    sys.stdout.write(text)
    return 0 if text else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
