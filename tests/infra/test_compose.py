"""The compose file without Docker: who starts when, who can be reached, how shut off each is, and its variables."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from dotenv import dotenv_values

from infra import mlflow_server
from lambda_fn.registry import webhook
from lambda_fn.settings import VARIABLES, Settings
from tests.support.e2e import compose
from tests.support.infra.aws_tools import ROOT, yaml_as_json
from tests.support.readme import commands

LOCAL = {name: value or "" for name, value in dotenv_values(ROOT / "infra/local.env").items()}
STARTED_BY = {
    "fallback": {"api"},
    "local": {"api", "mlflow", "refresh", "s3"},
    "mlflow": {"mlflow"},
    "s3": {"s3"},
    "training": {"training"},
}
NAMES = sorted(set[str]().union(*STARTED_BY.values()))


@pytest.fixture(scope="module")
def data() -> Any:
    return yaml_as_json(ROOT / "infra/docker-compose.yml")


@pytest.fixture(scope="module")
def services(data: Any) -> dict[str, Any]:
    services: dict[str, Any] = data["services"]
    return services


def test_each_profile_starts_what_it_says_and_nothing_starts_without_one(services: dict[str, Any]) -> None:
    """The fallback's bucket has its own refresh, and a job is run by its name."""
    started: dict[str, set[str]] = {}
    for name, service in services.items():
        assert service["profiles"], name
        for profile in service["profiles"]:
            started.setdefault(profile, set()).add(name)
    assert started == STARTED_BY


def test_nobody_depends_on_a_service_of_another_profile(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if {"depends_on", "links"} & service.keys()] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_shut_off(name: str, services: dict[str, Any]) -> None:
    service = services[name]
    assert (service["read_only"], service["tmpfs"], service["user"]) == (True, "/tmp", "1000:1000")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert not {"privileged", "cap_add", "network_mode", "devices", "pid"} & service.keys()


def test_only_the_fallback_and_mlflow_are_published_and_on_this_machine_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "api": ["127.0.0.1:${PORT:-8080}:8080"],
        "mlflow": [f"127.0.0.1:${{MLFLOW_PORT:-5000}}:{mlflow_server.PORT}"],
    }


def test_what_is_kept_is_in_volumes_and_the_images_make_their_folders(data: Any, services: dict[str, Any]) -> None:
    named = {name: service["volumes"] for name, service in services.items() if name != "api" and "volumes" in service}
    assert named == {"s3": ["s3:/data"], "mlflow": ["mlflow:/data"]}
    assert data["volumes"].keys() == {"s3", "mlflow"}
    for name in named:
        assert "install -d -o 1000 -g 1000 /data" in (ROOT / services[name]["build"]["dockerfile"]).read_text()


def test_every_image_is_built_of_a_file_that_exists_or_by_a_service_of_the_same_profile(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        if build := service.get("build"):
            assert (ROOT / "infra" / build["context"] / build["dockerfile"]).is_file(), name
            continue
        for profile in service["profiles"]:
            others = (services[other] for other in STARTED_BY[profile])
            assert any("build" in other and other["image"] == service["image"] for other in others), name


def test_the_variables_of_the_stand_in_are_known(services: dict[str, Any]) -> None:
    known = {variable.name for variable in VARIABLES} | {*mlflow_server.ADMIN, mlflow_server.KEY_SECRET}
    known |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    assert LOCAL.keys() <= known
    assert all(LOCAL.values())
    settings = Settings.from_env(LOCAL)
    assert settings.use_s3
    for address in (settings.s3_endpoint, settings.mlflow_tracking_uri):
        assert urlsplit(address or "").hostname in services


def test_the_stand_ins_own_services_take_no_others(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service["env_file"] == "local.env"} == {
        "mlflow",
        "refresh",
        "s3",
    }


def test_the_mlflow_server_starts_with_them_and_its_clients_may_call_it(services: dict[str, Any]) -> None:
    service, address = services["mlflow"], urlsplit(LOCAL["MLFLOW_TRACKING_URI"])
    environ = {**LOCAL, **service["environment"]}
    settings = Settings.from_env(environ)
    assert settings.s3_bucket != LOCAL["S3_BUCKET"]
    served = mlflow_server.server_environ(settings, environ)
    assert [served[name] for name in mlflow_server.ADMIN] == [
        LOCAL["MLFLOW_TRACKING_USERNAME"],
        LOCAL["MLFLOW_TRACKING_PASSWORD"],
    ]
    assert service["entrypoint"][1:4] == ["-m", "infra.mlflow_server", "serve"]
    hosts = service["entrypoint"][service["entrypoint"].index("--hosts") + 1].split(",")
    words = mlflow_server.server_command(Path("/data"), settings, hosts, mlflow_server.PORT)
    (allowed,) = (word for word in words if word.startswith("--allowed-hosts="))
    assert address.netloc in allowed.removeprefix("--allowed-hosts=").split(",")
    assert f"127.0.0.1:{mlflow_server.PORT}/health" in service["healthcheck"]["test"][3]


def test_its_mlflow_may_deliver_to_its_server(services: dict[str, Any]) -> None:
    """The server has a secret that it accepts, MLflow a key that it derives, and http within the network is allowed."""
    environ = {**LOCAL, **services["mlflow"]["environment"]}
    served = mlflow_server.server_environ(Settings.from_env(environ), environ)
    assert served[mlflow_server.ENCRYPTION_KEY] == mlflow_server.encryption_key(LOCAL)
    assert served["MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"] == "true"
    assert "http" in served["MLFLOW_WEBHOOK_ALLOWED_SCHEMES"].split(",")
    assert webhook.parse_secrets(Settings.from_env(LOCAL).mlflow_hook_secret or "")
    assert services["api"]["env_file"].startswith("${ENV_FILE:-")


def test_the_readme_uses_it_as_it_is(services: dict[str, Any]) -> None:
    told = [command for command in commands() if command.startswith("docker compose")]
    assert told
    for command in told:
        assert "docker compose -f infra/docker-compose.yml " in command
        assert set(re.findall(r"--profile (\S+)", command)) <= STARTED_BY.keys()
        assert "--profile" in command or re.search(rf" (?:run --rm|exec) (?:{'|'.join(services)})\b", command), command


def test_what_runs_it_without_compose_says_every_key_to_docker() -> None:
    """And refuses one that it does not know, as it would leave it out."""
    found = compose.services({"PORT": "9000", "ENV_FILE": "local.env"})
    for name, service in found.items():
        words = compose.words(name, service, "project")
        assert {"--read-only=true", "--cap-drop=ALL", "--user=1000:1000", service["image"]} <= set(words)
    api = compose.words("api", found["api"], "project")
    assert "--publish=127.0.0.1:9000:8080" in api
    assert '"$(env -u OMP_NUM_THREADS nproc)"' in api[-1]
    assert "--volume=project_s3:/data" in compose.words("s3", found["s3"], "project")
    with pytest.raises(ValueError, match="s3: cpus: unknown key"):
        compose.words("s3", {**found["s3"], "cpus": 1}, "project")
