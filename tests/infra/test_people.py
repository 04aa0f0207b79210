"""Access for people, as docs/operate.md describes it: a server on their machine, a spreadsheet, or a public API."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import pytest

from infra.parameters import find_faults, template_parameters
from lambda_fn import api, refresh
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.local import FolderStore
from tests.support import foreign
from tests.support.api_gateway import HttpRequest, LambdaContext, to_answer, to_event
from tests.support.infra.aws_tools import ROOT, stack
from tests.support.infra.deployments import DEPLOYMENTS

SECTION = (ROOT / "docs/operate.md").read_text().partition("### Access for people\n")[2].partition("\n**Refresh")[0]
RUNBOOK = (ROOT / "infra/README.md").read_text()

TOKEN, SIGN_IN, PUBLIC = range(3)  # the deployments of the section


def deployment(number: int) -> dict[str, str]:
    """The parameters of a deployment of the section."""
    words = re.findall(r'^\$ make deploy ARGS="(.*)"$', SECTION, re.MULTILINE)[number]
    variables = dict(re.findall(r"(\w+)=(https://\S+)", SECTION.partition("export ")[2].partition("\n")[0]))
    return dict(word.split("=", 1) for word in Template(words).substitute(variables).split())


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """GET a path of the API's function, as API Gateway sends it after it has verified a token."""
    monkeypatch.setenv("STORE_DIR", str(tmp_path))
    monkeypatch.setenv("USE_S3", "false")
    monkeypatch.setattr(api, "_function", None)
    foreign.publish_to(FolderStore(tmp_path))
    assert refresh.handler({}, LambdaContext(aws_request_id="1"))["outcome"] == "activated"

    def get(path: str, query: str, **headers: str) -> Any:
        request = HttpRequest("GET", path, query, tuple(headers.items()))
        return to_answer(api.handler(to_event(request, datetime.now(UTC), "1"), LambdaContext(aws_request_id="1")))

    yield get


def test_a_token_is_verified_before_the_function_is_invoked() -> None:
    """Of every path but those of preflights: also of the page and the CSV."""
    given = deployment(TOKEN)
    body = stack(**given)["Api"]["Properties"]["Body"]
    assert list(body["paths"]) == ["/$default"]
    assert body["paths"]["/$default"]["x-amazon-apigateway-any-method"]["security"] == [{"JWT": []}]
    authorizer = body["components"]["securitySchemes"]["JWT"]["x-amazon-apigateway-authorizer"]
    assert authorizer["identitySource"] == "$request.header.Authorization"
    assert authorizer["jwtConfiguration"] == {"issuer": given["JwtIssuer"], "audience": [given["JwtAudience"]]}


def test_the_query_of_a_spreadsheet_is_answered_with_a_table(call: Any) -> None:
    (query,) = re.findall(r"```powerquery\n(.*?)```", SECTION, re.DOTALL)
    (path,) = re.findall(r'RelativePath = "([^"]+)"', query)
    (asked,) = re.findall(r"Query = \[([^\]]*)\]", query)
    pairs = re.findall(r'(\w+) = "([^"]+)"', asked)
    assert re.search(r'Headers = \[Authorization = "Bearer " & Token\]', query)
    answer = call(f"/{path}", "&".join(map("=".join, pairs)), Authorization="Bearer a.b.c")
    assert answer.status == 200 and dict(answer.headers)["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert len(rows) == int(dict(pairs)["horizon"]) and {"date", "mean", "as_of"} <= rows[0].keys()


def test_what_everybody_may_do_costs_no_more_than_the_throttle_lets_through() -> None:
    given = deployment(PUBLIC)
    resources = stack(**given)
    settings = resources["ApiApiGatewayDefaultStage"]["Properties"]["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == given["ThrottleRate"]
    (price,) = re.findall(r"a million requests (\d+\.\d\d)", RUNBOOK)
    millions = round(int(given["ThrottleRate"]) * 730 * 3600 / 1e6, 1)
    assert f"{millions} million requests" in SECTION
    (said,) = re.findall(r"about\s+(\d+\.\d\d) US dollars", SECTION)
    assert float(said) == pytest.approx(millions * float(price), abs=0.1)


def test_who_may_sign_in_reaches_one_page_without_a_token() -> None:
    """And the function gets the provider's addresses, of the client whose tokens the gateway accepts."""
    given = deployment(SIGN_IN)
    resources = stack(**given)
    paths = resources["Api"]["Properties"]["Body"]["paths"]
    assert {path: list(methods) for path, methods in paths.items()} == {
        "/sign-in": ["get"],
        "/$default": ["x-amazon-apigateway-any-method"],
    }
    assert paths["/sign-in"]["get"]["security"] == []
    assert paths["/$default"]["x-amazon-apigateway-any-method"]["security"] == [{"JWT": []}]
    throttle = resources["ApiApiGatewayDefaultStage"]["Properties"]["RouteSettings"]["GET /sign-in"]
    assert 0 < throttle["ThrottlingRateLimit"] <= 20
    client = Settings.from_env(resources["ApiFunction"]["Properties"]["Environment"]["Variables"]).sign_in
    assert client and client.issuer == given["JwtIssuer"] and client.client_id in given["JwtAudience"].split(",")
    assert client.token_endpoint.startswith("https://") and client.authorization_endpoint.startswith("https://")
    assert Settings.from_env(stack()["ApiFunction"]["Properties"]["Environment"]["Variables"]).sign_in is None


@pytest.mark.parametrize(
    ("parameter", "variable"),
    [
        ("SignInClientId", "SIGN_IN_CLIENT_ID"),
        ("SignInAuthorizationEndpoint", "SIGN_IN_AUTHORIZATION_ENDPOINT"),
        ("SignInTokenEndpoint", "SIGN_IN_TOKEN_ENDPOINT"),
        ("SignOutUrl", "SIGN_OUT_URL"),
    ],
)
def test_the_template_takes_what_the_function_takes(parameter: str, variable: str) -> None:
    """Otherwise a deployment would begin whose function cannot start."""
    parameters = template_parameters((ROOT / "template.yaml").read_text())
    variables = stack(**DEPLOYMENTS["sign-in"])["ApiFunction"]["Properties"]["Environment"]["Variables"]
    texts = [
        "https://a.example:8443/b?c=d&e=%2F",
        "https://a.example",
        "a b",
        "https://a.example/;",
        "https://a.example/'",
    ]
    for text in (
        *texts,
        "https://",
        "https://a.example?x=<",
        "x" * 300,
        "https://a.example/,b",
        "https://a.example/#c",
    ):
        takes = not find_faults({parameter: text}, parameters)
        try:
            Settings.from_env({**variables, variable: text})
        except SettingsError:
            assert not takes, text
        else:
            assert takes, text


def test_only_a_get_is_public_where_that_is_said() -> None:
    """Everything else needs a signed request, also what is no route."""
    paths = stack(**deployment(PUBLIC))["Api"]["Properties"]["Body"]["paths"]
    security = {
        (path, method): operation["security"]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert security == {
        ("/", "get"): [],
        ("/{proxy+}", "get"): [],
        ("/$default", "x-amazon-apigateway-any-method"): [{"IAM": []}],
    }
    for auth, scheme in (("JWT", "JWT"), ("AWS_IAM", "IAM")):
        given = {**deployment(TOKEN), "ApiAuth": auth, "ReadOnly": "true", "CorsOrigin": "https://example.com"}
        paths = stack(**given)["Api"]["Properties"]["Body"]["paths"]
        assert paths["/"]["get"]["security"] == paths["/{proxy+}"]["get"]["security"] == [{scheme: []}]
        assert paths["/$default"]["x-amazon-apigateway-any-method"]["security"] == [{"IAM": []}]


def test_a_public_caller_can_change_nothing() -> None:
    """The role of the function reads, and no more."""
    actions = [
        action
        for policy in stack(**deployment(PUBLIC))["ApiRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    assert set(actions) == {"s3:GetObject", "s3:ListBucket", "logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_page_is_served_by_a_server_of_their_own(call: Any) -> None:
    """With the same code and store: the command of the section is that of every server."""
    assert "python -m lambda_fn.server --port 8080" in SECTION
    answer = call("/", "", Accept="text/html")
    assert (
        answer.status == 200 and b"<!doctype html>" in answer.body and json.dumps("EUR")[1:-1].encode() in answer.body
    )
