"""The API reference as a page: schemas, examples and errors come from the OpenAPI document."""

import html
import json
import re

import pytest

from lambda_fn.web.openapi import document
from lambda_fn.web.page.reference import Document
from lambda_fn.web.page.render import api_reference
from tests.serving.web.page.test_parts import Parsed

REFERENCE = Document(document())
PAGE = api_reference(document()).text
ANSWERS = {
    f"{method.upper()} {path}": operation["responses"]["200"]["content"]["application/json"]
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
    if "application/json" in operation["responses"]["200"]["content"]
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_its_schema_and_an_example(name: str) -> None:
    texts = {part: Parsed(part).text.strip() for part in PAGE.split("<article>")[1:]}
    [article] = [part for part, text in texts.items() if text.startswith(f"{name} ")]
    schema = REFERENCE.resolve(ANSWERS[name]["schema"])
    assert "<summary>Answer: application/json</summary>" in article
    for member in schema.get("properties", {}):
        assert f"<code>{member}</code>" in article
    shown = re.findall(r"<pre tabindex=.0.><code>(.*?)</code></pre>", article, re.DOTALL)[-1]
    example = json.loads(html.unescape(shown))
    assert set(example) >= set(schema.get("required", ())), "each required member is in the example"


def test_a_file_has_its_media_type() -> None:
    [article] = [part for part in PAGE.split("<article>")[1:] if "forecast.<wbr>svg" in part]
    assert '<p class="note">Answer: image/svg+xml</p>' in article and "application/json" not in article


def test_a_common_error_is_listed_once() -> None:
    errors = REFERENCE.common_errors()
    assert {status for status, _ in errors} >= {"400", "401", "403", "429", "503"}
    text = Parsed(PAGE).text
    for _, meaning in errors:
        assert text.count(meaning.replace("`", "")) == 1


def test_every_get_can_be_tried_with_its_parameters() -> None:
    for path, methods in document()["paths"].items():
        forms = re.findall(rf'<form class="try only-js" action="{re.escape(path)}".*?</form>', PAGE, re.DOTALL)
        assert len(forms) == ("get" in methods)
        for part in methods["get"].get("parameters", ()) if forms else ():
            assert f'name="{REFERENCE.resolve(part)["name"]}"' in forms[0]
