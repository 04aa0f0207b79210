"""The runbook's commands, run in a shell as by somebody who follows it; the programs only record what they get.

`python -m tests.support.infra.runbook [HEADING]` prints the transcript: each section with what its programs were given.
"""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from infra import outputs
from tests.support.infra import user_data
from tests.support.infra.aws_tools import ROOT, template

RUNBOOK = (ROOT / "infra/README.md").read_text()
RECORDED = ("aws", "docker", "curl", "make", "sam", "sudo", "python")
# One write a call: both ends of a pipe record at once.
STUB = """#!/bin/sh
words="$(printf '%s\\037' "${0##*/}" "$@")"
printf '%s\\036' "$words" >> "$CALLS"
case "${0##*/} $*" in
  "python -c "*) exec "$PYTHON" "$@" ;;
  "python -m infra.outputs "*) cat "$ANSWERS/$3" ;;
  *get-secret-value*) echo '{"username": "admin", "password": "a-password"}' ;;
  *Code.ImageUri*) echo 123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-forecast:1 ;;
  *"--output text"*) echo a-value ;;
esac
"""
STACKS = {
    "eurusd-forecast": "template.yaml",
    "eurusd-training": "training.yaml",
    "eurusd-mlflow": "mlflow.yaml",
    "eurusd-fallback": "fallback.yaml",
}
KNOWN = {
    "StoreBucket": "eurusd-forecast-123456789012",
    "RepositoryUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-training",
    "TrackingUri": "http://eurusd-mlflow.internal:5000",
    "BucketName": "eurusd-mlflow-bucket-1a2b3c",
    "SecretArn": user_data.MLFLOW["Secret"],
    "MlflowStack": "eurusd-mlflow",
    "ServiceStack": "eurusd-forecast",
}


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
    return {each.heading: _run(preamble.script + each.script) for each in (Section("", ""), *others, *told)}


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


def _run(script: str) -> list[list[str]]:
    with tempfile.TemporaryDirectory(prefix="runbook-") as name:
        folder = Path(name)
        for stub in RECORDED:
            (folder / stub).write_text(STUB)
            (folder / stub).chmod(0o755)
        for stack, file in STACKS.items():
            lines = outputs.format_exports("eu-central-1", stack, _outputs(file))
            (folder / f"{stack}.sh").write_text("\n".join(lines) + "\n")
            (folder / f"{stack}.sh").rename(folder / stack)
        environ = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": name, "CALLS": str(folder / "calls")}
        environ |= {"ANSWERS": name, "PYTHON": shutil.which("python3") or "", "LANG": os.environ.get("LANG", "C")}
        done = subprocess.run(
            ["bash", "-euc", f"set -o pipefail\n{script}"], cwd=folder, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{done.stderr}\n{script}"
        recorded = (folder / "calls").read_text().split("\036")
    return [call.split("\037")[:-1] for call in recorded if call]


def _outputs(file: str) -> dict[str, str]:
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
