"""Sign-in on the page of a deployment whose gateway requires tokens: Chromium, a real OpenID provider, the template."""

import base64
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lambda_fn.api import App
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.browser.conftest import today
from tests.support import jwt_gateway, openid_provider, page_store
from tests.support.infra.aws_tools import stack
from tests.support.jwt_gateway import JwtGateway
from tests.support.openid_provider import CLIENT, Provider

BUTTON, OUT = "#sign-in", "#sign-out"


class Deployment(NamedTuple):
    """A gateway, its provider, and the address for people."""

    gateway: JwtGateway
    provider: Provider
    url: str


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed-in")
    for pair in ("EURUSD", "GBPUSD"):
        page_store.fill(folder, page_store.business_day_ago(0, today()), scored=20, pair=pair)
    return folder


@pytest.fixture
def deploy(store: Path) -> Iterator[Callable[..., Deployment]]:
    """Start what the template deploys with these parameters."""
    with ExitStack() as running:

        def deploy(**parameters: str) -> Deployment:
            provider = running.enter_context(openid_provider.running())
            given = {
                "ApiAuth": "JWT",
                "JwtIssuer": provider.address,
                "JwtAudience": f"machine,{CLIENT}",
                "SignInClientId": CLIENT,
                "SignInAuthorizationEndpoint": f"{provider.address}/authorize",
                "SignInTokenEndpoint": f"{provider.address}/token",
                "SignOutUrl": f"{provider.address}/logout",
                "Pairs": "EURUSD,GBPUSD",
                **parameters,
            }
            resources = stack(**given)
            variables = resources["ApiFunction"]["Properties"]["Environment"]["Variables"]
            settings = Settings.from_env({**variables, "USE_S3": "false", "STORE_DIR": str(store)})
            gateway = running.enter_context(jwt_gateway.running(resources, App(open_store(settings), settings)))
            url = f"{gateway.address}/sign-in"
            provider.redirect_uris.add(url)
            return Deployment(gateway, provider, url)

        yield deploy


@pytest.fixture
def browse(chromium: Browser) -> Iterator[Callable[[], Page]]:
    """Open a tab of a new visitor; fails when a page reported an error that is not the gateway's refusal."""
    expect.set_options(timeout=60_000)  # of a loaded machine
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def browse() -> Page:
        contexts.append(chromium.new_context(locale="en-US"))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        return page

    yield browse
    for context in contexts:
        context.close()
    assert [words for words in wrong if "status of 401" not in words and "status of 400" not in words] == []


def sign_in(page: Page) -> None:
    page.locator(BUTTON).click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(OUT)).to_be_visible()


def test_a_person_signs_in_and_sees_page_and_csv(deploy: Callable[..., Deployment], browse: Callable[[], Page]) -> None:
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    expect(page.locator("h1")).to_have_text("Sign in")
    assert Axe().run(page).response["violations"] == []
    sign_in(page)
    expect(page).to_have_title("EUR/USD forecast")
    # the page's own script works, with the token
    page.locator("#price").fill("1.0950")
    expect(page.locator("#likely-big")).to_have_text(re.compile("%$"))
    # a form and links lead to the other views, and each has an address that stays good
    page.locator("#pair").select_option("GBPUSD")
    page.locator(".choice button").click()
    expect(page).to_have_title("GBP/USD forecast")
    page.reload()
    expect(page).to_have_title("GBP/USD forecast")
    page.go_back()
    expect(page).to_have_title("EUR/USD forecast")
    page.get_by_role("link", name="Forecast as CSV").click()
    expect(page.locator("pre")).to_contain_text("date,horizon,mean")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save").click()
    assert saved.value.path().read_text().startswith("date,horizon,mean")
    assert saved.value.suggested_filename.endswith(".csv")
    page.go_back()
    page.get_by_role("link", name="API reference").click()
    expect(page).to_have_title(re.compile("API"))
    page.go_back()
    page.get_by_role("link", name="All pairs").click()
    expect(page.locator("h1")).to_have_text("All pairs")


def test_no_token_is_where_others_could_read_it(deploy: Callable[..., Deployment], browse: Callable[[], Page]) -> None:
    """Neither in an address nor in a log; and the code does not stay in the history."""
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    sign_in(page)
    page.locator("#pair").select_option("GBPUSD")
    page.locator(".choice button").click()
    expect(page).to_have_title("GBP/USD forecast")
    (token,) = deployed.provider.issued
    addresses = [*deployed.gateway.paths, *deployed.provider.requests, page.url]
    assert not [each for each in (*addresses, *deployed.gateway.log) if token[-40:] in each]
    assert not [line for line in deployed.gateway.log if "code=" in line or "state=" in line]
    assert "code=" not in page.url
    stored = page.evaluate("[JSON.stringify(localStorage), document.cookie, JSON.stringify(sessionStorage)]")
    assert stored[:2] == ["{}", ""] and "verifier" not in stored[2] and token in stored[2]
    page.go_back()
    page.go_back()
    assert "code=" not in page.url
    assert {json.loads(line)["jwt"] for line in deployed.gateway.log} == {"-", "ada"}


def test_without_a_token_only_the_sign_in_page_is_reached(
    deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    deployed, page = deploy(), browse()
    for path in ("/", "/?pair=GBPUSD", "/api/predict", "/sign-in/", "/sign-in/../api/predict", "/docs"):
        answer = page.request.get(f"{deployed.gateway.address}{path}", headers={"Accept": "text/html"})
        assert answer.status == 401, path
    answer = page.request.get(deployed.url, headers={"Accept": "text/html"})
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == f"'self' {deployed.provider.address}/token"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer" and "1.0" not in answer.text().partition("<main")[2][:900]


def test_a_spreadsheet_reads_the_csv_with_a_bearer_header(deploy: Callable[..., Deployment]) -> None:
    """With the token of a client of its own, which has a client id instead of an audience, as Cognito's."""
    deployed = deploy()
    machine = {"aud": None, "client_id": "machine"}
    now = int(time.time())
    tokens = {
        deployed.provider.token(**machine): 200,
        deployed.provider.token(): 200,
        deployed.provider.token(aud=None, client_id="another"): 401,
        deployed.provider.token(**machine, exp=now - 1): 401,
        deployed.provider.token(**machine, nbf=now + 600): 401,
        deployed.provider.token(**machine, iss="https://another.example"): 401,
        deployed.provider.token(**machine)[:-8] + "AAAAAAAA": 401,
        "": 401,
    }
    for token, status in tokens.items():
        connection = http.client.HTTPConnection("127.0.0.1", deployed.gateway.server_port)
        connection.request("GET", "/api/predict?format=csv&horizon=3", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        assert answer.status == status, token
        assert (b"date,horizon,mean" in answer.read()) == (status == 200)
        connection.close()


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"iss": "https://another.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"], "azp": "another"},
    ],
    ids=str,
)
def test_a_token_of_another_sign_in_is_refused(
    claims: dict[str, object], deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    deployed, page = deploy(), browse()
    deployed.provider.overrides = claims
    page.goto(deployed.url)
    page.locator(BUTTON).click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#sign-in-status")).to_contain_text("failed")
    assert "token" not in page.evaluate("JSON.stringify(sessionStorage)")


def test_a_code_that_somebody_else_sent_is_not_redeemed(
    deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    """A link with an attacker's code would sign the victim in as the attacker (login CSRF)."""
    deployed, page = deploy(), browse()
    for query in ("code=a&state=b", "code=a", "error=x&error_description=Call+555", "state=&code=a"):
        page.goto(f"{deployed.url}?{query}")
        expect(page.locator(BUTTON)).to_be_visible()
        assert "555" not in page.locator("main").inner_text()
    page.goto(deployed.url)
    page.locator(BUTTON).click()
    state = parse_qs(urlsplit(page.url).query)["state"][0]
    page.goto(f"{deployed.url}?code=a&state={state}x")
    expect(page.locator(BUTTON)).to_be_visible()
    assert not [asked for asked in deployed.provider.requests if asked.startswith("POST /token")]
    assert "verifier" not in page.evaluate("JSON.stringify(sessionStorage)"), "an attempt is good for one answer"
    page.goto(f"{deployed.url}?code=a&state={state}&iss=https://another.example")
    expect(page.locator(BUTTON)).to_be_visible()
    assert not [asked for asked in deployed.provider.requests if asked.startswith("POST /token")]


def test_the_code_is_bound_to_the_verifier_of_the_tab(
    deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    page.locator(BUTTON).click()
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["redirect_uri"] == [deployed.url]
    assert asked["scope"] == ["openid"] and asked["response_type"] == ["code"]
    for name in ("state", "nonce", "code_challenge"):
        (text,) = asked[name]
        assert len(base64.urlsafe_b64decode(f"{text}=")) == 32, name
    assert not asked.keys() & {"code_verifier", "client_secret"}


def test_who_cancels_may_try_again(deploy: Callable[..., Deployment], browse: Callable[[], Page]) -> None:
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    page.locator(BUTTON).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#sign-in-status")).to_contain_text("access_denied")
    sign_in(page)


def test_after_its_expiry_the_view_comes_back_with_a_new_token(
    deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    deployed, page = deploy(), browse()
    deployed.provider.overrides = {"exp": int(time.time()) + 3600}
    page.goto(f"{deployed.url}?view=%2F%3Fpair%3DGBPUSD")
    sign_in(page)
    expect(page).to_have_title("GBP/USD forecast")
    expired = deployed.provider.token(exp=int(time.time()) - 1)
    page.evaluate("token => Object.keys(sessionStorage).forEach((key) => sessionStorage.setItem(key, token))", expired)
    page.locator("#price").fill("1.2")
    expect(page.locator("#sign-in-status")).to_contain_text("expired")
    sign_in(page)
    expect(page).to_have_title("GBP/USD forecast")


def test_signing_out_forgets_the_token_here_and_at_the_provider(
    deploy: Callable[..., Deployment], browse: Callable[[], Page]
) -> None:
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    sign_in(page)
    page.locator(OUT).click()
    page.wait_for_url(f"{deployed.provider.address}/logout")
    page.go_back()
    expect(page.locator(BUTTON)).to_be_visible()
    assert page.evaluate("JSON.stringify(sessionStorage)") == "{}"


def test_a_view_never_leads_to_another_origin(deploy: Callable[..., Deployment], browse: Callable[[], Page]) -> None:
    deployed, page = deploy(), browse()
    page.goto(deployed.url)
    sign_in(page)
    seen = len(deployed.provider.requests)
    for view in (
        f"{deployed.provider.address}/steal",
        "//127.0.0.1:1/",
        "javascript:alert(1)",
        "/sign-in",
        "/sign-in/",
    ):
        page.goto(f"{deployed.url}?view={view}")
        expect(page).to_have_title("EUR/USD forecast")
    assert not [asked for asked in deployed.provider.requests[seen:] if "steal" in asked]


def test_below_a_base_path(deploy: Callable[..., Deployment], browse: Callable[[], Page]) -> None:
    deployed, page = deploy(BasePath="fx"), browse()
    assert urlsplit(deployed.url).path == "/fx/sign-in"
    page.goto(deployed.url)
    sign_in(page)
    page.locator("#pair").select_option("GBPUSD")
    page.locator(".choice button").click()
    expect(page).to_have_title("GBP/USD forecast")
    page.locator("#price").fill("1.2")
    expect(page.locator("#likely-big")).to_have_text(re.compile("%$"))
