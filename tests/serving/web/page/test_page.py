"""The page, as a browser gets it from the handler: its states, its values, and what it never holds."""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import __version__
from lambda_fn.api import App, handle_event
from lambda_fn.prices.price_file import serialise
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.keys import forecast_key, price_key, record_key
from lambda_fn.web.page.render import render
from lambda_fn.web.page.view_model import ForecastPage, Pair, forecast_page
from lambda_fn.web.state import State
from tests.serving.web.page.test_parts import Parsed
from tests.support import foreign, page_store
from tests.support.events import event
from tests.support.local_api import START, LocalApi, local_api

MOST_BYTES = 120_000  # of the whole page, compressed
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def ask(api: LocalApi, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    request = event("GET", "/", query)
    request["headers"] |= {"accept": BROWSER, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return handle_event(api.app, request)


def readable_text(answer: dict[str, Any]) -> str:
    """The text of a page, without its style and script."""
    markup = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", answer["body"], flags=re.DOTALL)
    return text_of(markup)


def test_a_touch_is_answered_without_a_script(api: LocalApi) -> None:
    page = ask(api, {"side": "touch", "price": "1.09", "horizon": "3"})["body"]
    expected = api.get("/api/probability", touch="1.09", horizon="3").json["probability"]
    assert '<option value="touch" selected>' in page and f">{expected:.1%}<" in page
    assert re.search(r'<p id="likely-touch">[^<]*daily close', page)
    assert re.search(r'<p id="likely-touch" hidden>', ask(api, {"side": "below", "price": "1.09"})["body"])


def element(answer: dict[str, Any], start: str, tag: str) -> str:
    """The markup from `start`, an opening tag, to the next `tag` that closes."""
    inner: str = answer["body"].partition(start)[2].partition(f"</{tag}>")[0]
    assert inner, start
    return f"{start}{inner}"


def section(answer: dict[str, Any], name: str) -> str:
    return element(answer, f'<section id="{name}"', "section")


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", Parsed(markup).text).strip()


def view(api: LocalApi) -> ForecastPage:
    """The data of the page."""
    return forecast_page(State(api.store, api.settings, api.clock, False, {}).pair({}, {}), {})


def notices(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The class of each notice and its text, which begins with a word for the class."""
    paragraphs = re.findall(r'<p class="notice (\w+)"[^>]*>(.*?)</p>', answer["body"], re.DOTALL)
    return [(state, text_of(markup)) for state, markup in paragraphs]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a live record of 80 days."""
    folder = tmp_path_factory.mktemp("page")
    page_store.fill(folder, START.date(), scored=80)
    return folder


@pytest.fixture
def api(full: Path) -> LocalApi:
    return local_api(full)


def test_browsers_get_html_and_others_json(api: LocalApi) -> None:
    page = ask(api)
    assert (page["statusCode"], page["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page["body"].startswith("<!doctype html>")
    assert "GET /api/probability" in api.get("/").json["routes"]
    assert json.loads(ask(api, {"format": "json"})["body"])["routes"]
    assert ask(api, {"format": "html"}, accept="*/*")["body"] == page["body"]


def test_its_values_are_the_apis(api: LocalApi) -> None:
    text = readable_text(ask(api))
    first, *_, last = api.get("/api/predict", horizon="21", level="80").json["forecast"]
    for day in (first, last):
        bounds = day["intervals"]["80"]
        assert f"{bounds['lower']:.4f} to {bounds['upper']:.4f}" in text
    heading = text_of(element(ask(api), "<h1", "h1"))
    assert heading.startswith(
        f"EUR/USD on Mon 2 Nov 2026, in US dollars per euro {first['intervals']['80']['lower']:.4f} "
    )
    row = api.get("/api/track-record").json["summary"]["horizons"][0]
    covered = round(row["coverage"]["80"]["value"] * row["n"])
    assert re.search(rf"\b80% [\w ]+ {covered} of {row['n']} days\.", text)
    assert re.search(r"\b80% [\w ]+ 3,440 of 4,310 days\. [\w ]+ 3,396 to 3,499 ", text)
    assert re.search(r"\b1\.22% lower [\w ]+ GARCH\(1,1\)-t", text)


def test_the_head_and_the_glossary_explain_what_is_shown(api: LocalApi) -> None:
    """Unit, latest rate, times of fixing and update; technical details are folded; each term is explained once."""
    page = ask(api)
    head = text_of(element(page, '<section class="hero"', "section"))
    for text in ("in US dollars per euro", "Latest rate", "14:15 in Frankfurt", "rate of Mon 2 Nov 2026"):
        assert text in head
    details = element({"body": section(page, "champion")}, "<details>", "details")
    assert "Model file (SHA-256)" in details and "Features" in details
    assert "Value at risk (95 %)" in text_of(section(page, "book"))
    terms = re.findall(r"<dt>([^<]*)</dt>", section(page, "glossary"))
    assert {"Quantile", "Calibrated", "Generation", "Value at risk (95 %)"} <= set(terms) and len(terms) == len(
        {*terms}
    )
    assert f"Version {__version__}." in text_of(element(page, "<footer>", "footer"))
    iso_dates = re.findall(r"\b\d{4}-\d\d-\d\d\b", readable_text(page))
    assert iso_dates == [], "the page writes every date in one form"


def test_every_family_of_the_run_is_compared(api: LocalApi) -> None:
    """The champion, its challengers without a badge, and the benchmarks, by loss."""
    markup = section(ask(api), "champion").replace("<wbr>", "")
    rows = re.findall(r'<th scope="row">([a-z_]+)(?:<small>(\w+)</small>)?</th>', markup)
    badges = {"page": "champion", **dict.fromkeys(("garch", "ewma", "constant"), "benchmark")}
    assert rows == [(family, badges.get(family, "")) for family in page_store.FAMILIES]


def test_the_yen_has_two_decimals(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    prices = serialise(foreign.price_rows(60), {"close": foreign.closes(60, 157.25).tolist()})
    api.promote(foreign.champion_bytes(), 1, prices=prices)
    head = text_of(element(ask(api), '<section class="hero"', "section"))
    rates = re.findall(r"\b1[56]\d\.\d+", head)
    assert len(rates) > 4 and all(re.fullmatch(r"\d+\.\d\d", rate) for rate in rates)


def test_the_backtest_shows_the_coverage_by_kind_of_scheduled_news(api: LocalApi) -> None:
    [events] = re.findall(
        r"<table class=\"events\">(?:(?!<table>).)*Scheduled news.*?</table>", ask(api)["body"], flags=re.DOTALL
    )
    rows = [text_of(row) for row in re.findall(r"<tr>.*?</tr>", events, flags=re.DOTALL)[1:]]
    record = text_of(section(ask(api), "record"))
    assert "; t 5.8). Examined with hindsight: a made-up reason." in record
    assert rows == ["US consumer prices19971.9%65.2% to 77.7%", "No scheduled news3,62180.4%79.1% to 81.7%"]
    assert api.get("/api/track-record", kind="backtest").json["summary"]["events"][0]["event"] == "CPI"


def test_the_table_of_the_chart_holds_every_close_and_every_day(api: LocalApi) -> None:
    page = ask(api)["body"]
    table = page.partition('id="fan-values"')[2].partition("</table>")[0]
    days = api.get("/api/predict", horizon="21").json["forecast"]
    assert table.count("<tr") == 1 + 120 + len(days)
    for day in days:
        [row] = re.findall(rf"<tr[^>]*><th[^>]*><time datetime=\"{day['date']}\".*?</tr>", table)
        for coverage in ("50", "80", "95"):
            low, high = day["intervals"][coverage].values()
            assert f"{low:.4f} to {high:.4f}" in Parsed(row).text


def test_the_last_sixty_forecasts_are_dots_on_their_intervals(api: LocalApi) -> None:
    page = ask(api)["body"]
    days = api.get("/api/history", days="60").json["days"]
    dots = re.findall(r'<circle cx="[^"]*" cy="([^"]*)%" r="4" class="(dot[a-z ]*)">', page)
    assert len(dots) == len(days) == 60
    for (height, name), day in zip(dots, days, strict=True):
        assert float(height) == pytest.approx(100 * (1 - day["pit"]), abs=0.01)
        assert ("out" in name) is not day["inside_80"]


def test_the_form_is_answered_without_a_script_as_by_the_api(api: LocalApi) -> None:
    for side, price, horizon in (("below", "1.0950", "5"), ("above", "1.1100", "21"), ("below", "0.5000", "1")):
        query = {"side": side, "price": price, "horizon": horizon}
        page = ask(api, query)
        text = readable_text(page)
        probability = api.get("/api/probability", **{side: price, "horizon": horizon}).json
        output = text_of(element(page, '<output id="likely-big"', "output"))
        bound = {"at_most": "less than ", "at_least": "more than ", None: ""}[probability["bound"]]
        assert output == f"{bound}{probability['probability']:.1%}"
        assert f"in {horizon} business days" in text or horizon == "1"
    assert "1.0950" in ask(api, {"price": "1,095"})["body"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"price": "x"}, 'below="x" '),
        ({"price": ""}, 'below="" '),
        ({"price": "1.1", "horizon": "99"}, " 1 to 21"),
        ({"horizon": "0"}, "1 to 21"),
    ],
)
def test_a_bad_question_of_the_form_is_told_in_the_page(api: LocalApi, query: dict[str, str], message: str) -> None:
    answer = ask(api, query)
    assert answer["statusCode"] == 200
    problem = element(answer, '<p class="problem" id="likely-problem" role="alert">', "p")
    assert message.strip() in text_of(problem), "it is beside the field"
    assert 'aria-describedby="likely-problem" aria-invalid="true"' in answer["body"]
    assert text_of(element(answer, '<output id="likely-big"', "output")) == "\N{EN DASH}"
    assert '<p id="likely-tails" hidden>' in answer["body"]


@pytest.mark.parametrize(
    ("days", "state", "message"),
    [
        (0, "fresh", r"Fresh .*\b30 Oct 2026, 0 business days [^;]*\."),
        (5, "late", r"Outdated .*\b30 Oct 2026, 3 business days .*\. .*\bwider than usual, .*"),
        (
            45,
            "expired",
            r"Expired No current forecast: .*\b30 Oct 2026, 31 business days .*\. .*\bfor decisions\.",
        ),
    ],
)
def test_the_state_is_shown_in_words(api: LocalApi, days: int, state: str, message: str) -> None:
    api.clock.ahead(days * 86_400)
    page = ask(api)
    assert page["statusCode"] == 200
    [(name, text)] = notices(page)
    assert name == state and re.fullmatch(message, text)
    heading = text_of(element(page, "<h1", "h1"))
    assert ("No current forecast" in heading) == (state == "expired")


def test_a_store_that_is_down_is_told_and_the_last_known_is_shown(tmp_path: Path) -> None:
    page_store.fill(tmp_path / "store", START.date())
    api = local_api(tmp_path / "store")
    before = ask(api)
    (tmp_path / "store").rename(tmp_path / "gone")
    api.clock.ahead(61)
    page = ask(api)
    assert (page["statusCode"], page["headers"]["Cache-Control"]) == (200, "no-store")
    down = dict(notices(page))["down"]
    assert re.match(r"Storage unavailable .*\bforecasts and records .*\b30 Oct 2026 17:00 UTC; ", down)
    (tmp_path / "gone").rename(tmp_path / "store")
    api.clock.ahead(61)
    assert ask(api)["body"] == before["body"]


def test_a_forecast_that_was_withheld_says_why(tmp_path: Path) -> None:
    page_store.fill(tmp_path, START.date())
    api = local_api(tmp_path)
    api.store.delete(price_key("EURUSD", "ecb"))
    assert api.refresh().forecast.outcome == "refused"
    withheld = dict(notices(ask(api)))["late"]
    assert re.match(r"Not updated .*: .*\bprices/EURUSD-ecb\.csv\b.* last forecast\.$", withheld)


def test_without_a_forecast_it_is_503_and_says_what_to_do(tmp_path: Path) -> None:
    page = ask(local_api(tmp_path))
    assert (page["statusCode"], page["headers"]["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert int(page["headers"]["Retry-After"]) >= 1
    assert "No forecast" in readable_text(page)
    assert re.search(r"<code>eurusd run --pairs [A-Z]{6}</code>", page["body"])
    assert "Content-Security-Policy" in page["headers"]


def test_where_expired_ones_are_refused_the_page_says_that(api: LocalApi) -> None:
    api.clock.ahead(45 * 86_400)
    strict = replace(api, app=App(api.store, api.settings._replace(refuse_expired=True), api.clock))
    page = ask(strict)
    assert page["statusCode"] == 503
    message = strict.get("/api/predict").error["message"]
    assert message.replace("2026-10-30", "30 Oct 2026") in readable_text(page)
    assert "python -m" not in page["body"]


def test_without_a_record_the_forecast_stands(tmp_path: Path) -> None:
    page_store.fill(tmp_path, START.date())
    api = local_api(tmp_path)
    record = text_of(section(ask(api), "record"))
    assert re.search(r"\b30 Oct 2026 .*; .*\b2 Nov 2026\b", record)
    api.store.delete(record_key())
    page = ask(replace(api, app=App(api.store, api.settings, api.clock)))
    assert page["statusCode"] == 200
    record = section(page, "record")
    assert "cannot be read" in text_of(record) and "<table" not in record


def test_a_champion_of_few_levels_and_days_and_without_scores_is_shown(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(levels=(0.025, 0.5, 0.975), horizon=1), 1, scores=())
    page = ask(api)
    assert page["statusCode"] == 200
    for name in ("champion", "record"):
        assert "<table" not in section(page, name)
    assert view(api).scores == [] and view(api).backtest is None


def test_a_champions_words_are_text_and_nothing_else(tmp_path: Path) -> None:
    """Records with markup in names are refused. The reason why there is no newer forecast may have any text."""
    hostile = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(), 1)
    official = Official.parse(api.store.read(forecast_key()).data, "EURUSD")._replace(failure_reason=hostile)
    foreign.put(api.store, forecast_key(), official.to_json())
    page = ask(api)
    assert page["statusCode"] == 200
    assert page["body"].count("<script") == 1
    assert "<img" not in page["body"]
    assert hostile in Parsed(page["body"]).text
    names = {name: hostile for name in ("name", "family", "version", "sha256")}
    champion = official.champion | names | {"features": [hostile]}
    data = view(api)._replace(pair=Pair(hostile), official=official._replace(champion=champion))
    text = render("forecast.html", page=data).text
    assert text.count("<script") == 1 and "<img" not in text
    assert Parsed(text).text.count(hostile) == 6  # one in the reason, the digest is cut


@pytest.mark.parametrize("path", ["/", "/docs", "/api/pairs"])
@pytest.mark.parametrize("active", [True, False])
def test_every_page_tells_the_browser_what_it_must_not_do(path: str, active: bool, tmp_path: Path) -> None:
    api = local_api(tmp_path)
    if active:
        api.promote(foreign.champion_bytes(), 1)
    request = event("GET", path)
    request["headers"]["accept"] = BROWSER
    page = handle_event(api.app, request)
    assert page["headers"]["Content-Type"].startswith("text/html")
    assert page["headers"]["X-Content-Type-Options"] == "nosniff"
    assert page["headers"]["Referrer-Policy"] == "no-referrer"
    policy = page["headers"]["Content-Security-Policy"].split("; ")
    rules = {
        "img-src data:",
        "default-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    }
    assert rules <= set(policy)


def test_it_is_one_file_under_a_strict_policy(api: LocalApi) -> None:
    page = ask(api)
    policy = dict(part.split(" ", 1) for part in page["headers"]["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", page["body"], flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy[rule] == f"'sha256-{digest}'"
    for tag, attributes in Parsed(page["body"]).tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "/", "data:image/svg+xml,")), (tag, attributes)
    assert "url(" not in page["body"]
    assert "@import" not in page["body"]


def test_the_script_may_ask_this_service_alone(api: LocalApi) -> None:
    policy = dict(part.split(" ", 1) for part in ask(api)["headers"]["Content-Security-Policy"].split("; "))
    assert policy["connect-src"] == "'self'"


def test_it_is_light(api: LocalApi) -> None:
    page = ask(api, accept_encoding="gzip")
    data = base64.b64decode(page["body"])
    assert page["headers"]["Content-Encoding"] == "gzip"
    assert len(data) < MOST_BYTES
    assert gzip.decompress(data).startswith(b"<!doctype html>")


def test_a_browser_that_has_it_is_not_sent_it_again(api: LocalApi) -> None:
    first = ask(api)
    tag = first["headers"]["ETag"]
    assert first["headers"]["Cache-Control"] == "max-age=60"
    assert ask(api, if_none_match=tag)["statusCode"] == 304
    api.clock.ahead(61)
    assert ask(api, if_none_match=tag)["statusCode"] == 304
    api.clock.ahead(timedelta(days=4).total_seconds())
    assert ask(api, if_none_match=tag)["statusCode"] == 200
    assert ask(api, {"price": "1.2"})["headers"]["ETag"] != tag


def test_every_part_of_a_chart_is_within_it(api: LocalApi) -> None:
    page = ask(api)["body"]
    for numbers in re.findall(r' d="([^"]*)"', page):
        assert all(-0.01 <= float(number) <= 100.01 for number in re.findall(r"-?[0-9.]+", numbers))
    places = [float(text) for text in re.findall(r'data-[xy]="([^"]*)"', page)]
    assert places
    assert all(0 <= place <= 100 for place in places)
