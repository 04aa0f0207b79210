"""The documentation site: `make docs` builds it with Sphinx from the Markdown files of the repository.

The two pages of the reference end with what the code says: `--help` of each command, and the OpenAPI document.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sphinx.application import Sphinx

from lambda_fn import __version__
from lambda_fn.web.page.reference import Document
from training.__main__ import PROGRAM, command_line

project = "EUR/USD forecast service"
version = release = __version__
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "infra/*.md", "training/*.md"]
exclude_patterns = [".*", "site", "models", "mlruns", "prices", "record", "runs", "serving", "tests"]
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # links name headings as on GitHub
suppress_warnings = ["misc.highlighting_failure"]  # a block without colours, for example in Mermaid or Power Query
html_theme = "furo"
html_title = f"{project} {version}"
html_show_copyright = html_show_sphinx = False
html_copy_source = False

ROOT = Path(__file__).parents[1]
HELP_COLUMNS = "100"


def command_reference() -> Iterator[str]:
    """Yield a section with the help of each command."""
    for name in ("", *command_line.commands):
        arguments = [*filter(None, [name]), "--help"]
        shown = CliRunner().invoke(command_line, arguments, PROGRAM, env={"COLUMNS": HELP_COLUMNS})
        if shown.exit_code:
            raise RuntimeError(f"{PROGRAM} {' '.join(arguments)}: exit code {shown.exit_code}; run it to see why")
        yield f"## {PROGRAM} {name}".strip()
        yield f"```text\n{shown.output.strip()}\n```"


def api_reference() -> Iterator[str]:
    """Yield a section for each operation: description, parameters, members of the answer, example and errors."""
    document = Document(json.loads((ROOT / "lambda_fn/web/openapi.json").read_text()))
    common = document.common_errors()
    yield "## Errors of several routes"
    yield table(("status", "meaning"), common)
    for path, methods in document.content["paths"].items():
        for method, operation in methods.items():
            yield f"## {method.upper()} {path}"
            yield f"{operation['summary']}. {operation.get('description', '')}".replace("..", ".").strip()
            parameters = [document.resolve(part) for part in operation.get("parameters", ())]
            if parameters:
                rows = ((f"`{one['name']}`", one["in"], one.get("description", "")) for one in parameters)
                yield table(("parameter", "in", "meaning"), rows)
            if "requestBody" in operation:
                yield from body_reference(document, document.resolve(operation["requestBody"]), "body")
            yield from body_reference(document, document.resolve(operation["responses"]["200"]), "answer")
            errors = [
                (status, str(document.resolve(answer)["description"]))
                for status, answer in operation["responses"].items()
                if status != "200"
            ]
            if own := [error for error in errors if error not in common]:
                yield table(("error", "meaning"), own)


def body_reference(document: Document, part: Mapping[str, Any], title: str) -> Iterator[str]:
    """Yield the members of a JSON body and an example of it, or the media types of another one."""
    content = part.get("content", {})
    media = content.get("application/json")
    if media is None or "schema" not in media:
        if content:
            yield f"{title.capitalize()}: {', '.join(f'`{name}`' for name in content)}."
        return
    members = [(f"`{name}`", kind, meaning) for name, kind, meaning in document.members(media["schema"])]
    if members:
        yield table((f"member of the {title}", "type", "meaning"), members)
    example = media.get("example") or document.sample(media["schema"])
    yield f"```json\n{json.dumps(example, indent=2)}\n```"


def table(titles: tuple[str, ...], rows: Any) -> str:
    """Return a table in Markdown."""
    lines = [titles, ("---",) * len(titles), *rows]
    cells = (" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


REFERENCES = {"docs/commands": command_reference, "docs/http": api_reference}


def setup(app: Sphinx) -> None:
    """Complete the pages of the reference as they are read."""

    def complete(_: Sphinx, page: str, source: list[str]) -> None:
        if page in REFERENCES:
            source[0] = "\n\n".join((source[0], *REFERENCES[page]()))

    app.connect("source-read", complete)
