"""`make structure`: the size and the shape of the code, counted in its files and in traces of requests and jobs.

The words of `tests/bare_words.txt` are participles and pronouns, which do not say what a thing is. A private function
has one caller when its module refers to it once. Counts of functions are those of Python 3.11: later versions inline
comprehensions.
"""

import ast
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.project import ROOT
from tests.support.traces import Trace, record_traces

PACKAGES = ("lambda_fn", "training")
BARE_WORDS = frozenset((ROOT / "tests/bare_words.txt").read_text().split())
TITLES = {
    "get": "GET /api/predict, cold",
    "post": "POST /api/predict, cold",
    "page": "GET / as text/html, after a GET",
    "activation": "S3 event to refresh, activation",
    "idle refresh": "hourly refresh, nothing new",
    "ingest": "ingest of the ECB's whole history",
}


@dataclass(frozen=True)
class Shape:
    """A package: the lines of each module, every bound name, and the private functions with one caller."""

    lines: dict[str, int]
    names: list[str]
    one_caller: list[str]

    @classmethod
    def of(cls, package: str) -> "Shape":
        sources = {path: path.read_text() for path in sorted((ROOT / package).rglob("*.py"))}
        trees = [ast.parse(source) for source in sources.values()]
        return cls(
            {str(path.relative_to(ROOT)): len(source.splitlines()) for path, source in sources.items()},
            [name for tree in trees for name in bound_names(tree)],
            [name for tree in trees for name in functions_with_one_caller(tree)],
        )

    @property
    def largest(self) -> int:
        """The lines of the largest module."""
        return max(self.lines.values())

    @property
    def median_lines(self) -> float:
        """The median of all modules but `__init__.py`."""
        return median(lines for module, lines in self.lines.items() if not module.endswith("/__init__.py"))

    @property
    def bare_share(self) -> float:
        """The share of the names that are bare participles or pronouns."""
        return sum(map(is_bare, self.names)) / len(self.names)


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Yield each name where it is bound: assigned, a target of a loop, a parameter, function, class or attribute."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if name not in ("self", "cls"):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self")):
                yield name


def is_bare(name: str) -> bool:
    """Return whether a name is nothing but one of BARE_WORDS."""
    return name.strip("_").lower() in BARE_WORDS


def functions_with_one_caller(tree: ast.AST) -> Iterator[str]:
    """Yield the private functions and methods that a module calls, or passes as an argument, in one place."""
    references = Counter(_references(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and references[node.name] == 1:
            if node.name.startswith("_") and not node.name.startswith("__"):
                yield node.name


def _references(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                yield name


def static_rows(shapes: Sequence[Shape]) -> Iterator[tuple[str, ...]]:
    """Yield the rows that need no run, with a column for each package and one for both."""
    yield "", *PACKAGES, "both"
    yield "modules", *_with_sum(len(shape.lines) for shape in shapes)
    yield "median lines of a module", *(f"{shape.median_lines:g}" for shape in shapes), ""
    yield "lines of the largest module", *(f"{shape.largest}" for shape in shapes), ""
    yield "lines of Python", *_with_sum(sum(shape.lines.values()) for shape in shapes)
    yield "bound names", *_with_sum(len(shape.names) for shape in shapes)
    yield "bare participles and pronouns", *(f"{shape.bare_share:.1%}" for shape in shapes), ""
    yield "private functions with one caller", *_with_sum(len(shape.one_caller) for shape in shapes)


def trace_rows(traces: Mapping[str, Trace]) -> Iterator[tuple[str, ...]]:
    """Yield what each request and job enters, with the sandbox's child where it starts one."""
    yield "enters", "files", "functions", "calls", "with child: files", "functions"
    for name, title in TITLES.items():
        trace = traces[name]
        with_child = trace.size(with_child=True) if trace.child_functions else ("", "")
        yield title, *map(str, trace.size()), f"{trace.calls:,}", *map(str, with_child)


def store_rows(traces: Mapping[str, Trace]) -> Iterator[tuple[str, ...]]:
    """Yield the calls of the store in the two kinds of refresh."""
    for name in ("idle refresh", "activation"):
        methods = Counter(method for method, _ in traces[name].store_calls)
        kinds = ", ".join(f"{method} {number}" for method, number in methods.most_common())
        yield f"store calls: {TITLES[name]}", f"{methods.total()}", kinds
    reads = [key for method, key in traces["activation"].store_calls if method == "read"]
    yield "reads of active.json in an activation", f"{sum(key.endswith('active.json') for key in reads)}", ""


def aligned(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows of equal length as text, with the first column to the left and the others to the right."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)


def _with_sum(counts: Iterable[int]) -> list[str]:
    values = list(counts)
    return [f"{value:,}" for value in (*values, sum(values))]


def main() -> int:
    sys.stdout.write(f"{aligned(static_rows([Shape.of(package) for package in PACKAGES]))}\n\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        traces = record_traces(Path(folder))
    sys.stdout.write(f"{aligned(trace_rows(traces))}\n\n{aligned(store_rows(traces))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
