"""How to have the same by a program."""

from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.markup import Markup, element

LINKS = (
    ("/api/predict?format=csv", "Forecast as CSV"),
    ("/api/predict?format=json", "Forecast as JSON"),
    ("/api/history?format=csv", "Record as CSV"),
    ("/api/track-record", "Record as JSON"),
    ("/api/champion", "Model card"),
    ("/docs", "API reference"),
    ("/openapi.json", "OpenAPI"),
)


def section(facts: Facts) -> Markup:
    links = [element("li", element("a", words, href=_address(facts, path))) for path, words in LINKS]
    asked = (
        ("curl '", "/api/predict?horizon=1", "'"),
        ("curl '", f"/api/probability?below={facts.official.last_close:.2f}&horizon=5", "'"),
        ("pandas.read_csv('", "/api/predict?format=csv", "')"),
    )
    lines = [f"{before}https://HOST{_address(facts, path)}{after}" for before, path, after in asked]
    return element(
        "section",
        element("h2", "Use it", id="use-title"),
        element("ul", links, class_="links"),
        element("pre", element("code", "\n".join(lines)), tabindex="0", aria_labelledby="use-title"),
        id="use",
        aria_labelledby="use-title",
    )


def _address(facts: Facts, path: str) -> str:
    return facts.address(path) if path.startswith("/api/") else path
