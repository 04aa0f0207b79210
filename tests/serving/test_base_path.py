"""Below a custom domain's path the API is the same, its links too; a 404 names the path that arrived."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Router
from tests.support import foreign
from tests.support.api_gateway import HttpRequest, to_event
from tests.support.callers import CALLERS, answer_of
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    api = local_api(tmp_path_factory.mktemp("store"))
    api.promote(foreign.champion_bytes(), 1)
    return api


def below(served: LocalApi, base_path: str) -> App:
    """The same API with this setting."""
    base = Settings.from_env({"BASE_PATH": base_path}).base_path
    return App(served.store, served.settings._replace(base_path=base), served.clock)


def asked(app: App, path: str, caller: str = "", method: str = "GET", query: str = "") -> tuple[int, Any, Any]:
    request = to_event(HttpRequest(method, path, query, [("host", "localhost")]), datetime.now(UTC), "request-id")
    return answer_of(handle_event(app, CALLERS[caller](request) if caller else request))


@pytest.mark.parametrize("caller", ["", *CALLERS])
@pytest.mark.parametrize("base_path", ["fx", "/fx", "/fx/", "fx/v1", "api", "v2", "prod"])
def test_every_caller_is_served_below_the_base_path_and_without_it(
    served: LocalApi, base_path: str, caller: str
) -> None:
    app = below(served, base_path)
    for path in ("/api/predict", "/health", "/openapi.json", "/v2/health/live"):
        assert asked(app, f"/{base_path.strip('/')}{path}", caller)[0] == 200, path
        assert asked(app, path, caller)[0] == 200, path
    assert asked(app, f"/{base_path.strip('/')}", caller)[0] == 200


def test_without_the_setting_a_404_names_the_path_that_arrived_and_the_cure(served: LocalApi) -> None:
    status, _, body = asked(served.app, "/fx/api/predict")
    assert (status, body["code"]) == (404, "not_found")
    assert "/fx/api/predict" in body["detail"] and "BASE_PATH" in body["cure"] and '"/fx"' in body["cure"]


@pytest.mark.parametrize("path", ["/nowhere", "/API/Predict", "/api%2Fpredict", "/fx/nowhere", "/" + "x" * 5000])
@pytest.mark.parametrize("caller", ["", *CALLERS])
def test_a_404_names_the_path_and_the_routes(served: LocalApi, path: str, caller: str) -> None:
    status, _, body = asked(below(served, "fx"), path, caller)
    named = f"/prod{path}" if caller == "a stage" else path
    assert status == 404 and named[:90] in body["detail"] and len(body["detail"]) < 150
    assert "GET /api/predict" in body["cure"]


def test_other_methods_are_told_below_the_base_path(served: LocalApi) -> None:
    status, headers, _ = asked(below(served, "fx"), "/fx/api/champion", method="DELETE")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert asked(below(served, "fx"), "/fx/api/champion", method="OPTIONS")[0] == 204


@pytest.mark.parametrize("path", ["//api/predict", "/api//predict", "/api/predict//", "///api///predict///"])
@pytest.mark.parametrize("caller", ["", *CALLERS])
def test_several_slashes_count_as_one(served: LocalApi, path: str, caller: str) -> None:
    assert asked(served.app, path, caller)[0] == 200
    assert asked(below(served, "fx"), f"/fx/{path}", caller)[0] == 200


@pytest.mark.parametrize("path", ["/prod/prod/api/predict", "/prod/api/predict", "/prod//prod//api/predict"])
def test_a_base_path_may_be_named_as_the_stage(served: LocalApi, path: str) -> None:
    found = event("GET", path)
    found["requestContext"]["stage"] = "prod"
    assert handle_event(below(served, "prod"), found)["statusCode"] == 200


def test_the_links_of_pages_stay_below_the_base_path(served: LocalApi) -> None:
    app, plain = below(served, "fx/v1"), below(served, "")
    for path in ("/", "/docs", "/api/pairs"):
        pages = [handle_event(each, event("GET", path, {"format": "html"}))["body"] for each in (plain, app)]
        before, after = (re.findall(r'(?:href|action)="(/[^"]*)"', page) for page in pages)
        assert before and after == [f"/fx/v1{link}" for link in before]
        assert pages[0].count("https://HOST/") == pages[1].count("https://HOST/fx/v1/")
        assert pages[1].replace("/fx/v1/", "/") == pages[0]
    assert asked(app, "/fx/v1/openapi.json")[2]["servers"] == [{"url": "/fx/v1"}]
    assert asked(plain, "/openapi.json")[2]["servers"] == [{"url": "/"}]


def test_the_page_of_an_error_leads_back_below_the_base_path(tmp_path_factory: pytest.TempPathFactory) -> None:
    app = below(local_api(tmp_path_factory.mktemp("empty")), "fx")
    answer = handle_event(app, event("GET", "/fx", {"format": "html"}))
    links = re.findall(r'href="(/[^"]*)"', answer["body"])
    assert answer["statusCode"] == 503 and links and set(links) == {"/fx/"}


PATHS = sorted({route.path for route in ROUTES})
SEGMENTS = st.text(st.sampled_from("abcAPIv2-_.~$!*'()+"), min_size=1, max_size=6).filter(
    lambda text: text not in (".", "..")
)


@given(st.lists(SEGMENTS, min_size=1, max_size=3), st.sampled_from(PATHS), st.integers(1, 3))
def test_any_base_path_leads_to_the_route(segments: list[str], path: str, slashes: int) -> None:
    base = Settings.from_env({"BASE_PATH": "/".join(segments)}).base_path
    router = Router(ROUTES)
    assert router.route_path(f"{base}{path}".replace("/", "/" * slashes), base) == path
    assert router.route_path(path, base) == path
