"""User data and the scripts that it writes: shellcheck finds nothing. `make e2e` runs them in a container."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.infra import user_data

SHELLCHECK = Path(sys.executable).parent / "shellcheck"
LARGEST = 16_384  # bytes: docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html


@pytest.mark.parametrize("name", user_data.STACKS)
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    assert user_data.scripts(name)
    for machine, script in user_data.scripts(name).items():
        assert script.startswith("#!/bin/bash\n")
        assert "\nset -euo pipefail\n" in script
        scripts = {"user-data": script, **user_data.written(script)}
        for path, text in scripts.items():
            if text.startswith("#!"):
                assert "\nset -euo pipefail\n" in text, path
                file = tmp_path / f"{machine}-{path.rpartition('/')[2]}"
                file.write_text(text)
                done = subprocess.run([SHELLCHECK, file], capture_output=True, text=True)
                assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", user_data.STACKS)
def test_ec2_takes_it(name: str) -> None:
    for script in user_data.scripts(name).values():
        assert len(script.encode()) < LARGEST


@pytest.mark.parametrize("name", user_data.STACKS)
def test_every_file_that_is_written_is_one_that_tests_see(name: str) -> None:
    for script in user_data.scripts(name).values():
        assert script.count("<<") == len(user_data.written(script))


@pytest.mark.parametrize("name", user_data.STACKS)
def test_what_starts_is_what_was_written(name: str) -> None:
    """Every unit that is enabled is there, and every command of ours that a unit runs is there and executable."""
    for script in user_data.scripts(name).values():
        files = user_data.written(script)
        units = {path.rpartition("/")[2]: text for path, text in files.items() if "/systemd/" in path}
        enabled = [line.split() for line in script.splitlines() if line.startswith("systemctl enable")]
        named = {word for words in enabled for word in words[2:] if "." in word}
        assert named <= units.keys()
        executable = set(" ".join(re.findall(r"^chmod 0755 (.*)$", script, re.MULTILINE)).split())
        for text in units.values():
            commands = [line.split("=")[1].split()[0] for line in text.splitlines() if line.startswith("ExecStart=")]
            assert set(commands) <= executable & files.keys()
        timers = {unit.removesuffix(".timer") for unit in units if unit.endswith(".timer")}
        assert all(f"{timer}.service" in units for timer in timers)
