"""The reference of the API for people: the OpenAPI document as one page, without a request to anybody."""

import json
from collections.abc import Sequence
from typing import Any

from lambda_fn.web.page import shell
from lambda_fn.web.page.markup import Child, Markup, element
from lambda_fn.web.response import Text

Object = dict[str, Any]
MOST_OF_AN_EXAMPLE = 1_200  # characters; the whole one is in the document


def page(document: Object) -> Text:
    """Every operation by tag, with what it takes and gives."""
    tags = [(tag["name"], tag["description"]) for tag in document["tags"]]
    sections = [
        element(
            "section",
            element("h2", name.capitalize(), id=name),
            element("p", words, class_="soft"),
            [_operation(document, *found) for found in _operations(document, name)],
            aria_labelledby=name,
        )
        for name, words in tags
    ]
    about = element(
        "section",
        element("h1", document["info"]["title"]),
        element("p", document["info"]["description"]),
        element("p", "For programs: ", element("a", "openapi.json", href="/openapi.json"), "."),
        _callers(document["components"]["securitySchemes"]),
    )
    links = tuple((name, name.capitalize()) for name, _ in tags)
    return shell.text_of("API", [shell.header("Forecast", links), element("main", about, sections)])


def _operations(document: Object, tag: str) -> list[tuple[str, str, Object]]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag in operation["tags"]
    ]


def _callers(schemes: Object) -> Markup | None:
    rows = [(name, scheme["description"]) for name, scheme in schemes.items()]
    return _table("Who may call, where a deployment asks", ("by", "how"), rows)


def _operation(document: Object, method: str, path: str, operation: Object) -> Markup:
    parameters = [_resolved(document, found) for found in operation.get("parameters", ())]
    answers = {status: _resolved(document, found) for status, found in operation["responses"].items()}
    return element(
        "article",
        element("h3", element("code", f"{method} {path}"), " ", operation["summary"]),
        element("p", _words(operation["description"])),
        _table(
            "Parameters",
            ("name", "meaning", "such as"),
            [(found["name"], _words(found["description"]), _example(found)) for found in parameters],
        ),
        _body(operation.get("requestBody")),
        _table(
            "Answers",
            ("status", "when"),
            [(status, _words(found["description"])) for status, found in sorted(answers.items())],
        ),
    )


def _body(body: Object | None) -> Markup | None:
    if body is None:
        return None
    examples = body["content"]["application/json"].get("examples", {}).values()
    return element("div", [_shown(found["summary"], found["value"]) for found in examples])


def _shown(words: str, value: object) -> Markup:
    text = json.dumps(value)
    cut = text if len(text) <= MOST_OF_AN_EXAMPLE else text[:MOST_OF_AN_EXAMPLE] + " ..."
    return element("details", element("summary", words), element("pre", element("code", cut), tabindex="0"))


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[Child, ...]]) -> Markup | None:
    if not rows:
        return None
    titles = element("tr", [element("th", name, scope="col") for name in head])
    lines = [
        element("tr", element("th", element("code", first), scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in rows
    ]
    caption = element("caption", title)
    return element("table", caption, element("thead", titles), element("tbody", lines), class_="reference")


def _words(text: str) -> list[Child]:
    """What is between backquotes is code."""
    return [element("code", part) if i % 2 else part for i, part in enumerate(text.split("`"))]


def _example(parameter: Object) -> Markup:
    found = parameter["example"]
    return element("code", found if isinstance(found, str) else json.dumps(found))


def _resolved(document: Object, found: Object) -> Object:
    """What a $ref of the document names."""
    if "$ref" not in found:
        return found
    for name in found["$ref"].removeprefix("#/").split("/"):
        document = document[name]
    return document
