"""User data run twice in a container, where `dnf`, `systemctl`, `docker` and `aws` only record: the same final state.
And what it installs, run there. It was not run on EC2.
"""

import shlex
from collections.abc import Iterator

import pytest

from tests.support.e2e.machine import Machine, machine
from tests.support.infra import user_data

ONCE = ("aws ec2 attach-volume ", "mkfs.xfs ")  # of a volume that is new to its machine
TOOL, HEALTH = "/usr/local/bin/mlflow-server", "/usr/local/bin/mlflow-health"


@pytest.mark.parametrize("name", user_data.STACKS)
def test_twice_is_as_good_as_once(name: str) -> None:
    for script in user_data.scripts(name).values():
        with machine(script) as found:
            before = found.shell("find /etc -type f")
            first, calls = found.boot()
            for path in user_data.written(script):
                assert path not in before
                assert f"{path} " in first
            assert any(call.startswith("dnf install") for call in calls)
            assert any(call.startswith("systemctl enable") for call in calls)
            second, again = found.boot()
            assert second == first
            assert again == [call for call in calls if not call.startswith(ONCE)]


@pytest.fixture(scope="module")
def mlflow_machine() -> Iterator[Machine]:
    with machine(user_data.scripts("mlflow.yaml")["MachineTemplate"]) as found:
        _, calls = found.boot()
        assert [call.split()[0] for call in calls if call.startswith(ONCE)] == ["aws", "mkfs.xfs"]
        yield found


def test_the_server_starts_with_its_name_and_its_secret(mlflow_machine: Machine) -> None:
    calls = mlflow_machine.run("/etc/mlflow/run")
    *secret, webhook_key = mlflow_machine.shell("cat /run/mlflow/administrator").splitlines()
    assert secret == ["MLFLOW_AUTH_ADMIN_USERNAME=admin", "MLFLOW_AUTH_ADMIN_PASSWORD=from=the secret"]
    assert webhook_key.startswith("MLFLOW_WEBHOOK_KEY_SECRET=") and "from=the secret" in webhook_key
    assert mlflow_machine.shell("stat -c %a /run/mlflow").strip() == "700"
    assert calls[-1].startswith("docker run --name mlflow ")
    assert calls[-1].endswith("serve --hosts eurusd-mlflow.internal,10.0.1.10")


def test_a_server_without_its_secret_does_not_start(mlflow_machine: Machine) -> None:
    assert not any("docker run" in call for call in mlflow_machine.run("/etc/mlflow/run", fails=("aws",), code=1))


def test_a_backup_is_counted_when_there_is_one(mlflow_machine: Machine) -> None:
    calls = mlflow_machine.run(f"{TOOL} backup")
    assert [" ".join(call.split()[:2]) for call in calls] == ["docker run", "aws cloudwatch"]
    assert "--metric-name Backups --value 1" in calls[1]
    calls = mlflow_machine.run(f"{TOOL} backup", fails=("docker",), code=1)
    assert [call.split()[0] for call in calls] == ["docker"]


@pytest.mark.parametrize("command", ["restore --name 20261124T021500Z", "upgrade"])
@pytest.mark.parametrize("fails", [(), ("docker",)])
def test_the_server_rests_meanwhile_and_starts_again(
    command: str, fails: tuple[str, ...], mlflow_machine: Machine
) -> None:
    calls = mlflow_machine.run(f"{TOOL} {command}", fails=fails, code=len(fails))
    stop, run, start = calls
    assert (stop, start) == ("systemctl stop mlflow.service", "systemctl start mlflow.service")
    words = shlex.split(run)
    assert words[words.index("infra.mlflow_server") + 1 :] == command.split()


@pytest.mark.parametrize(("fails", "used", "value"), [((), 89, 1), ((), 90, 0), (("curl",), 41, 0)])
def test_health_is_an_answer_and_room_on_the_volume(
    fails: tuple[str, ...], used: int, value: int, mlflow_machine: Machine
) -> None:
    mlflow_machine.shell(f"echo 'Use%\n {used}%' > /recorded/df")
    calls = mlflow_machine.run(HEALTH, fails=fails)
    assert f"--metric-name Healthy --value {value} " in calls[-1]
