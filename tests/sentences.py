"""The sentences of the product: `python -m tests.sentences` renews `tests/sentences.txt`, `--asserted` finds copies.

The snapshot holds every string of WORDS words or more in the code, except docstrings, and in the templates and the
script of the page, so that a change of wording is reviewed in one place. Tests assert codes, fields, exit codes,
numbers and names. `test_wording.py` fails for a test that repeats WORDS words of a sentence in a row.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.project import ROOT

SNAPSHOT = ROOT / "tests" / "sentences.txt"
PRODUCT = ("lambda_fn", "training", "infra")
WORDS = 4
EXEMPT = ("tests/survivors.py", "tests/support/examples.py")  # they explain the code
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]+")
_INLINE = re.compile(r"</?(?:strong|span|code|small|output|b|a)\b[^>]*>")
_STRING = re.compile(r"\"([^\"]*)\"|'([^']*)'|`([^`]*)`")
_LABEL = re.compile(r'aria-label="([^"{]*)"')
_BETWEEN_WORDS = re.compile(r"\{\}|\.\*|\.\+|[^A-Za-z' \-]")


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string in a module, with {} for what an f-string puts in; no docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        statement.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }

    def visit(node: ast.AST) -> Iterator[tuple[int, str]]:
        if node in docstrings:
            return
        text = _text(node)
        if text is not None:
            yield getattr(node, "lineno", 0), text
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return visit(tree)


def template_strings(text: str) -> Iterator[str]:
    """Yield the texts of a template: those between its tags and blocks, with {} for an expression, and its strings."""
    text = re.sub(r"{#.*?#}", "", text, flags=re.DOTALL)
    for code in re.findall(r"{[{%].*?[%}]}", text, flags=re.DOTALL):
        yield from ("".join(groups) for groups in _STRING.findall(code))
    yield from _LABEL.findall(text)
    text = re.sub(r"{%.*?%}", "\0", re.sub(r"{{.*?}}", "{}", text, flags=re.DOTALL), flags=re.DOTALL)
    yield from re.split(r"\0|<[^>]*>", _INLINE.sub("", text))


def sentences() -> list[str]:
    """Return the sentences of the product, sorted, each once and on one line."""
    folders = [ROOT / folder for folder in PRODUCT]
    texts = {text for folder in folders for path in folder.rglob("*.py") for _, text in strings(path)}
    for folder in folders:
        texts.update(text for path in folder.rglob("*.html") for text in template_strings(path.read_text()))
    for script in (ROOT / "lambda_fn/web/page").glob("*.js"):
        texts.update("".join(groups) for groups in _STRING.findall(script.read_text()))
    return sorted({" ".join(text.split()) for text in texts if len(_WORD.findall(text)) >= WORDS})


def asserted() -> list[str]:
    """Return `file:line: text` for each string of a test that repeats WORDS words of a sentence."""
    known = {phrase for sentence in sentences() for phrase in _phrases(sentence)}
    return [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if str(path.relative_to(ROOT)) not in EXEMPT
        for line, text in strings(path)
        if not known.isdisjoint(_phrases(text.replace("\\", "")))
    ]


def _text(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = _text(left), _text(right)
            return None if texts[0] is None or texts[1] is None else texts[0] + texts[1]
    return None


def _phrases(text: str) -> Iterator[tuple[str, ...]]:
    for part in _BETWEEN_WORDS.split(text):
        words = part.lower().split()
        yield from (tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


if __name__ == "__main__":
    if "--asserted" in sys.argv:
        sys.stdout.write("".join(f"{line}\n" for line in asserted()))
    else:
        SNAPSHOT.write_text("\n".join(sentences()) + "\n")
