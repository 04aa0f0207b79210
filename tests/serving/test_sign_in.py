"""The sign-in page and its settings: public addresses only, checked, and no data."""

import json
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.s3 import open_store
from tests.support.events import event
from tests.support.local_api import SIGN_IN

INJECTED = (";", ",", " ", "'", '"', "<", "\n", "\u00e9")


def get(
    folder: Path, environ: dict[str, str], path: str = "/sign-in", accept: str = "*/*", **query: str
) -> dict[str, Any]:
    settings = Settings.from_env({"STORE_DIR": str(folder), **environ})
    request = event("GET", path, query)
    request["headers"]["accept"] = accept
    return handle_event(App(open_store(settings), settings), request)


def test_without_settings_there_is_no_sign_in(tmp_path: Path) -> None:
    for accept in ("application/json", "text/html"):
        assert get(tmp_path, {}, accept=accept)["statusCode"] == 404
    assert json.loads(get(tmp_path, {})["body"])["code"] == "no_sign_in"


def test_it_names_the_client_and_shows_nothing_of_the_store(tmp_path: Path) -> None:
    """From an empty folder, as nothing is read."""
    answer = get(tmp_path, SIGN_IN)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {
        "issuer": SIGN_IN["SIGN_IN_ISSUER"],
        "client_id": SIGN_IN["SIGN_IN_CLIENT_ID"],
        "authorization_endpoint": SIGN_IN["SIGN_IN_AUTHORIZATION_ENDPOINT"],
        "token_endpoint": SIGN_IN["SIGN_IN_TOKEN_ENDPOINT"],
        "scope": "openid",
    }
    page = get(tmp_path, SIGN_IN, accept="text/html")
    assert page["statusCode"] == 200 and page["headers"]["Cache-Control"] == "no-store"
    policy = page["headers"]["Content-Security-Policy"].split("; ")
    assert "connect-src 'self' https://login.example:8443/token" in policy
    (scripts,) = [part for part in policy if part.startswith("script-src ")]
    assert scripts.count("'sha256-") == 2 and "unsafe" not in scripts
    assert list(tmp_path.iterdir()) == []


def test_the_other_pages_connect_to_themselves_only(tmp_path: Path) -> None:
    page = get(tmp_path, SIGN_IN, "/docs", accept="text/html")
    policy = page["headers"]["Content-Security-Policy"].split("; ")
    assert "connect-src 'self'" in policy
    assert [part.count("'sha256-") for part in policy if part.startswith("script-src ")] == [1]


def test_a_provider_may_add_what_it_likes_to_its_answer(tmp_path: Path) -> None:
    query = {"code": "a", "state": "b", "session_state": "c", "pair": "none", "hd": "x", "view": "/"}
    answers = [get(tmp_path, SIGN_IN, accept=accept, **query) for accept in ("text/html", "application/json")]
    assert [answer["statusCode"] for answer in answers] == [200, 400]


@pytest.mark.parametrize("name", SIGN_IN)
def test_each_setting_is_checked(name: str) -> None:
    """A character that ends a rule of a policy, or an attribute, is in none of them."""
    values = [f"{SIGN_IN[name]}{text}x" for text in INJECTED]
    values += [] if name == "SIGN_OUT_URL" else [""]
    values += [] if name == "SIGN_IN_CLIENT_ID" else ["http://login.example/", "javascript:alert(1)", "//x", "https://"]
    for value in values:
        with pytest.raises(SettingsError) as error:
            Settings.from_env({**SIGN_IN, name: value})
        assert str(error.value).startswith(f"{name}: "), value


def test_the_providers_own_session_is_optional() -> None:
    client = Settings.from_env({**SIGN_IN, "SIGN_OUT_URL": ""}).sign_in
    assert client and client.sign_out_url is None


def test_a_provider_of_this_machine_needs_no_certificate() -> None:
    local = {name: "http://127.0.0.1:9000/x" for name in SIGN_IN if name != "SIGN_IN_CLIENT_ID"}
    assert Settings.from_env({**SIGN_IN, **local}).sign_in
