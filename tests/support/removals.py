"""Finds what protects the service in its own code: checks, limits and hardening options, each with a way to remove it.

A removal replaces a part of one file:

- check: the condition of an `if` that ends in `raise`, or one operand of its `or`, becomes False; a call of a function
  that only checks becomes None.
- limit: a number of a constant, of a default or of a timeout becomes a thousand times as much.
- option: a keyword argument, an attribute or a header that a library is given is left out.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

from tests.support.project import tracked

FACTOR = 1000
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LIMIT = re.compile(r"[A-Z][A-Z0-9_]*")
ANY = re.compile(r"\w+")
HEADER = re.compile(r"[A-Za-z]+(-[A-Za-z]+)+")
CHECK = re.compile(r"_?(check|verify|require|refuse)(_\w+)?|setrlimit|chdir|abort|terminate|kill|add_\w+_config_entry")
FLAG = re.compile(r"-[A-Za-z]")
# Calls whose options are no protection: of the command line, of dates, of tables, of text and of names.
NEITHER = re.compile(r"argparse|add_argument|zip|dataclass|field|isoformat|Thread|element|np\.|closed|list_of|text\b")
# Generated or static text, and what a page looks like: no foreign input gets there but through what is checked.
STATIC = re.compile(r"web/(openapi|page/(?!render))")


@dataclass(frozen=True)
class Removal:
    """`file`'s bytes from `start` to `end` become `without`; `lines` run where it matters."""

    file: str
    kind: str
    text: str
    start: int
    end: int
    without: str
    lines: tuple[tuple[str, int], ...]
    raises: tuple[tuple[str, int], ...] = ()  # those of its lines, or of what they call, that raise an error

    @property
    def name(self) -> str:
        return f"{self.file}: {self.text}"

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.without.encode() + source[self.end :]


def removals(root: Path) -> list[Removal]:
    """Every removal in `lambda_fn`, with a name of its own: a second one of the same text is numbered."""
    paths = [path for path in tracked(root) if path.suffix == ".py" and path.relative_to(root).parts[0] == "lambda_fn"]
    modules = {str(path.relative_to(root)): Module(path.relative_to(root), path.read_bytes()) for path in paths}
    uses = _Uses(list(modules.values()))
    repeated: Counter[str] = Counter()
    result = []
    for name, module in modules.items():
        if STATIC.search(name):
            continue
        for removal in module.removals():
            repeated[removal.name] += 1
            number = repeated[removal.name]
            text = f"{removal.text} ({number})" if number > 1 else removal.text
            lines = uses.run(removal.lines)
            result.append(replace(removal, text=text, lines=lines, raises=uses.raises(lines)))
    return result


class Module:
    """One file: its syntax tree, and where the bytes of each node are."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.file, self.source, self.tree = str(path), source, ast.parse(source)
        self._begins = [0]
        for line in source.splitlines(keepends=True):
            self._begins.append(self._begins[-1] + len(line))
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        self._libraries = {
            (alias.asname or alias.name).partition(".")[0]
            for node in imports
            if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lambda_fn"))
            for alias in node.names
        }

    def removals(self) -> Iterator[Removal]:
        for statement in self.tree.body:
            yield from self._constants(statement, LIMIT)
        for node in ast.walk(self.tree):
            if is_check(node):
                yield from self._checks(node)
            elif isinstance(node, ast.ClassDef):
                for statement in node.body:
                    yield from self._constants(statement, ANY)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if CHECK.fullmatch(called(node.value).rpartition(".")[2]):
                    yield self._removal("check", node, "None", {(self.file, node.lineno)})
            elif isinstance(node, ast.Assign) and self._is_option(node):
                yield self._removal("option", node, "None", {(self.file, node.lineno)})
            elif isinstance(node, ast.Dict):
                yield from self._headers(node)
            if isinstance(node, ast.Call) and not NEITHER.search(called(node)):
                yield from self._keywords(node)
            if isinstance(node, ast.Tuple):
                for item in node.elts:
                    if isinstance(item, ast.Constant) and isinstance(item.value, str) and FLAG.fullmatch(item.value):
                        yield self._removal("option", item, '"-q"', {(self.file, item.lineno)})

    def within(self, function: str) -> Iterator[ast.AST]:
        """Yield the nodes of a function or class, such as `Class.method`; for an empty name those outside of any.

        Raises ValueError where there is no such function.
        """
        body = self.tree.body
        for name in function.split(".") if function else ():
            body = [part for node in body if isinstance(node, DEFINITIONS) and node.name == name for part in node.body]
            if not body:
                raise ValueError(f"{self.file}: no function {function}")
        for statement in body:
            if function or not isinstance(statement, DEFINITIONS):
                yield from ast.walk(statement)

    def _checks(self, node: ast.If) -> Iterator[Removal]:
        lines = {(self.file, node.body[-1].lineno)}
        yield self._removal("check", node.test, "False", lines)
        if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
            for operand in node.test.values:
                yield self._removal("check", operand, "False", lines)

    def _constants(self, node: ast.stmt, names: re.Pattern[str]) -> Iterator[Removal]:
        """The numbers of a constant of a module, or of a default of a class."""
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        every = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for i, value in enumerate(values):
            name = every[min(i, len(every) - 1)]
            if isinstance(name, ast.Name) and names.fullmatch(name.id) and _number(value):
                text, without = f"{name.id} = {self._text(value)}", f"({self._text(value)}) * {FACTOR}"
                yield self._removal("limit", value, without, {(self.file, node.lineno)}, text)

    def _keywords(self, call: ast.Call) -> Iterator[Removal]:
        library = called(call).partition(".")[0] in self._libraries
        for keyword in call.keywords:
            every = called(call) == "subprocess.Popen"
            if keyword.arg in (None, "axis") or not (isinstance(keyword.value, ast.Constant) or every):
                continue
            lines = {(self.file, call.lineno), (self.file, keyword.value.lineno)}
            text = f"{called(call)}({self._text(keyword)})"
            if _number(keyword.value):
                without = f"({self._text(keyword.value)}) * {FACTOR}"
                yield self._removal("limit", keyword.value, without, lines, text)
            elif library:
                start, end = self.place(keyword)
                yield Removal(self.file, "option", text, start, self.after_comma(end), "", tuple(sorted(lines)))

    def _headers(self, node: ast.Dict) -> Iterator[Removal]:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and HEADER.fullmatch(key.value):
                text = f"{self._text(key)}: {self._text(value)}"
                lines = {(self.file, key.lineno), (self.file, node.lineno)}
                yield self._removal("option", key, '"X-Removed"', lines, text)

    def _is_option(self, node: ast.Assign) -> bool:
        target = node.targets[0]
        return (
            isinstance(target, ast.Attribute)
            and isinstance(target.value, ast.Name)
            and target.value.id != "self"
            and isinstance(node.value, ast.Constant)
        )

    def _removal(self, kind: str, node: ast.AST, without: str, lines: set[tuple[str, int]], text: str = "") -> Removal:
        start, end = self.place(node)
        return Removal(self.file, kind, _line(text or self._text(node)), start, end, without, tuple(sorted(lines)))

    def _text(self, node: ast.AST) -> str:
        start, end = self.place(node)
        return self.source[start:end].decode()

    def after_comma(self, end: int) -> int:
        """Return where a comma that follows `end` ends, or `end`."""
        comma = re.compile(rb"\s*,?").match(self.source, end)
        assert comma
        return comma.end()

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Return where the bytes of a node start and end."""
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._begins[node.lineno - 1] + node.col_offset,
            self._begins[node.end_lineno - 1] + node.end_col_offset,
        )


class _Uses:
    """The lines on which names are read, and the names that a line of an import gives a meaning."""

    def __init__(self, modules: list[Module]) -> None:
        self._read: dict[str, set[tuple[str, int]]] = {}
        self._meant: dict[tuple[str, int], set[str]] = {}
        self._calls: dict[tuple[str, int], set[str]] = {}
        self._raises: dict[str | tuple[str, int], set[tuple[str, int]]] = {}  # of a function, and of an `if`'s line
        for module in modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef | ast.If):
                    raised = {(module.file, one.lineno) for one in ast.walk(node) if isinstance(one, ast.Raise)}
                    place = node.name if isinstance(node, ast.FunctionDef) else (module.file, node.lineno)
                    self._raises.setdefault(place, set()).update(raised)
                if isinstance(node, ast.Call):
                    name = called(node).rpartition(".")[2]
                    self._calls.setdefault((module.file, node.lineno), set()).add(name)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    self._read.setdefault(node.id, set()).add((module.file, node.lineno))
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    self._read.setdefault(node.attr, set()).add((module.file, node.lineno))
            for statement in module.tree.body:
                self._bind(module, statement)

    def run(self, lines: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        """The lines themselves, or for those that run at import the lines that read what they define."""
        result, waiting, names = set[tuple[str, int]](), set(lines), set[str]()
        while waiting:
            line = waiting.pop()
            if line not in self._meant:
                result.add(line)
            for name in self._meant.get(line, set()) - names:
                names.add(name)
                waiting |= self._read.get(name, set())
        return tuple(sorted(result))

    def raises(self, lines: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        """The lines that raise where one of `lines` is an `if` or a call of a function that only checks."""
        places: set[str | tuple[str, int]] = set(lines)
        places |= {name for line in lines for name in self._calls.get(line, ()) if CHECK.fullmatch(name)}
        return tuple(sorted(set().union(*(self._raises.get(place, set()) for place in places))))

    def _bind(self, module: Module, node: ast.stmt) -> None:
        names: set[str] = set()
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.Assign | ast.AnnAssign):
            names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names, end = {node.name}, node.body[0].lineno - 1
        elif isinstance(node, ast.ClassDef):
            names, end = {node.name}, node.lineno
            for statement in node.body:
                self._bind(module, statement)
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    self._meant.setdefault((module.file, statement.lineno), set()).add(node.name)
        for number in range(node.lineno, end + 1):
            self._meant.setdefault((module.file, number), set()).update(names)


def is_check(node: ast.AST) -> TypeGuard[ast.If]:
    """Return whether a node is an `if` that ends in `raise`."""
    return isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise)


def called(call: ast.Call) -> str:
    """Return what a call calls, as it is written."""
    return ast.unparse(call.func)


def _line(text: str) -> str:
    return " ".join(text.split())


def _number(node: ast.expr) -> bool:
    """Whether it is a number other than 0, written as one or as an operation of numbers."""
    if isinstance(node, ast.BinOp):
        return _number(node.left) and _number(node.right)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and bool(node.value)
