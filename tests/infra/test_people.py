"""Access for people, as docs/operate.md describes it: a server on their machine, a spreadsheet, or a public API."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import api, refresh
from lambda_fn.store.local import FolderStore
from tests.support import foreign
from tests.support.api_gateway import HttpRequest, LambdaContext, to_answer, to_event
from tests.support.infra.aws_tools import ROOT, stack

SECTION = (ROOT / "docs/operate.md").read_text().partition("### Access for people\n")[2].partition("\n**Refresh")[0]
RUNBOOK = (ROOT / "infra/README.md").read_text()


def deployment(number: int) -> dict[str, str]:
    """The parameters of a deployment of the section."""
    words = re.findall(r'^\$ make deploy ARGS="(.*)"$', SECTION, re.MULTILINE)[number]
    return dict(word.split("=", 1) for word in words.split())


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
    given = deployment(0)
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
    given = deployment(1)
    resources = stack(**given)
    route = resources["Api"]["Properties"]["Body"]["paths"]["/$default"]["x-amazon-apigateway-any-method"]
    assert route["security"] == []
    settings = resources["ApiApiGatewayDefaultStage"]["Properties"]["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == given["ThrottleRate"]
    (price,) = re.findall(r"a million requests (\d+\.\d\d)", RUNBOOK)
    millions = round(int(given["ThrottleRate"]) * 730 * 3600 / 1e6, 1)
    assert f"{millions} million requests" in SECTION
    (said,) = re.findall(r"about\s+(\d+\.\d\d) US dollars", SECTION)
    assert float(said) == pytest.approx(millions * float(price), abs=0.1)


def test_a_public_caller_can_change_nothing() -> None:
    """The role of the function reads, and no more."""
    actions = [
        action
        for policy in stack(**deployment(1))["ApiRole"]["Properties"]["Policies"]
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
