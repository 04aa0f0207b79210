"""`make docs` builds a site: every page, the reference from the code, a search index, and no broken link."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.project import ROOT, copy_tracked
from tests.support.readme import DOCUMENTS
from training.__main__ import command_line

INDEX = DOCUMENTS["index.md"]
VENV = Path(sys.prefix)


def make_docs(clone: Path) -> "subprocess.CompletedProcess[str]":
    command = ["make", "docs", f"VENV={VENV}", "-o", f"{VENV}/dev"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    copy_tracked(folder)
    done = make_docs(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(clone: Path) -> dict[Path, "Page"]:
    return {path: Page(path.read_text()) for path in (clone / "site").rglob("*.html")}


class Page(HTMLParser):
    """The links of a page, and the places in it that a link may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.text = text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            if name in ("href", "src") and value:
                self.links.append(value)


def test_the_index_lists_every_page() -> None:
    listed = set(
        re.findall(r"^([a-z/.A-Z-]+)$", "".join(re.findall(r":::{toctree}(.*?)^:::", INDEX, re.DOTALL | re.M)), re.M)
    )
    assert listed >= {name.removesuffix(".md") for name in DOCUMENTS} - {"index"}
    assert all((ROOT / "docs" / f"{name}.md").is_file() for name in listed)


def test_the_glossary_has_every_term_of_the_page() -> None:
    template = (ROOT / "lambda_fn/web/page/templates/glossary.html").read_text()
    terms = {term.lower().split()[0].strip(",%") for term in re.findall(r'^  \("([^"]+)"', template, re.MULTILINE)}
    glossary = re.findall(r"^(.+)\n: ", DOCUMENTS["glossary.md"], re.MULTILINE)
    assert len(terms) > 5
    assert {term for term in terms if not any(term in title.lower() for title in glossary)} == set()
    assert glossary == sorted(glossary, key=str.lower)


@pytest.mark.long
def test_every_internal_link_and_anchor_leads_somewhere(clone: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > len(DOCUMENTS)
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            places = pages[file].places if file in pages else {unquote(target.fragment)}
            if not file.is_file() or (target.fragment and unquote(target.fragment) not in places):
                broken.append((path.name, link))
    assert broken == []


@pytest.mark.long
def test_the_reference_has_every_command_and_every_route(clone: Path) -> None:
    commands = (clone / "site/docs/commands.html").read_text()
    for name, command in command_line.commands.items():
        assert f'id="eurusd-{name}"' in commands
        assert all(f"{option}" in commands for param in command.params for option in param.opts[:1] if option[0] == "-")
    routes = (clone / "site/docs/http.html").read_text()
    paths = json.loads((ROOT / "lambda_fn/web/openapi.json").read_text())["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert f"<h2>{method.upper()} {path}<" in routes
            assert operation["operationId"]
    assert "forecast[].quantiles" in routes


@pytest.mark.long
def test_the_search_index_has_words_of_the_pages_and_of_the_reference(clone: Path) -> None:
    words = (clone / "site/searchindex.js").read_text()
    assert all(word in words for word in ("docs/tutorial", "docs/glossary", "docs/http", "pinbal", "track_record"))


@pytest.mark.long
def test_a_broken_link_or_anchor_fails(clone: Path) -> None:
    page = clone / "docs/speed.md"
    text = page.read_text()
    page.write_text(f"{text}\n[a](nowhere.md), [b](api.md#nowhere)\n")
    done = make_docs(clone)
    page.write_text(text)
    assert done.returncode != 0
    assert done.stderr.count("nowhere") >= 2
