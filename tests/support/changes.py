"""One change in a function, described by the kind of place in the syntax tree, so that no line has to be quoted.

A kind is a class of `ast`, whose node is replaced, or one of these:

- check: the condition of an `if` that ends in `raise`; condition: that of any `if`; operand: one of its `and` or `or`.
- callee, argument: the function and the first argument of a call. keyword: its value, or the whole where it is removed.
- value: what is assigned to a name or an attribute. handler: the class of an `except`. entry: a key of a dict and its
  value. lock: a `with`, whose body then runs without it.
- text: a part of a file that is not Python.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.removals import DEFINITIONS, Module, called, is_check


class Change(NamedTuple):
    """The place of a kind that has all `words` becomes `without`; `number` says which of several.

    Words are names, attributes and strings; those of a call begin with the name of its function. In `without`, `@` is
    what was there. The default is False for a condition, `pass` for a statement, None for an expression; operands of
    `and` become True, and keywords and entries are left out.
    """

    kind: str
    words: str = ""
    without: str = ""
    number: int = 0


class _Place(NamedTuple):
    start: int
    end: int
    default: str
    described: tuple[ast.AST, ...]


def apply_change(text: str, function: str, change: Change) -> str:
    """Return the text of a file with a change in a function, such as `Class.method`; empty means outside of any.

    Raises ValueError where the place is missing or not the only one, and where the change needs an unknown name.
    """
    if change.kind == "text":
        if text.count(change.words) != 1:
            raise ValueError(f"{change.words!r} is there {text.count(change.words)} times")
        return text.replace(change.words, change.without)
    module = Module(Path(), text.encode())
    place = _only(sorted(_places(module, function, change), key=lambda place: place[:2]), function, change)
    before = module.source[place.start : place.end].decode()
    indent = len(module.source[: place.start].rpartition(b"\n")[2])
    after = (change.without or place.default).replace("\n", f"\n{' ' * indent}").replace("@", before)
    new = (module.source[: place.start] + after.encode() + module.source[place.end :]).decode()
    unknown = _unknown(Module(Path(), new.encode()), function) - _unknown(module, function)
    if unknown:
        raise ValueError(f"{function}: {change}: unknown {', '.join(sorted(unknown))}")
    return new


def _only(places: list[_Place], function: str, change: Change) -> _Place:
    if (len(places) != 1 and not change.number) or len(places) < change.number:
        raise ValueError(f"{function}: {change} is there {len(places)} times")
    return places[max(change.number, 1) - 1]


def _places(module: Module, function: str, change: Change) -> Iterator[_Place]:
    words = set(change.words.split())
    for node in module.within(function):
        if change.kind in ("Call", "callee", "argument") and not _calls(node, change.words.partition(" ")[0]):
            continue
        for place in _of_kind(module, change, node):
            if words <= {word for part in place.described for word in _words(part)}:
                yield place


def _of_kind(module: Module, change: Change, node: ast.AST) -> Iterator[_Place]:
    """Yield the places of the kind that a node is or has, whatever their words are."""

    def part(replaced: ast.AST, default: str, *described: ast.AST) -> _Place:
        return _Place(*module.place(replaced), default, described or (replaced,))

    match change.kind, node:
        case "check", ast.If() if is_check(node):
            yield part(node.test, "False", node.test, node.body[-1])
        case "condition", ast.If():
            yield part(node.test, "False")
        case "operand", ast.If(test=ast.BoolOp(op=operator, values=operands)):
            yield from (part(operand, str(isinstance(operator, ast.And))) for operand in operands)
        case "callee", ast.Call():
            yield part(node.func, "None", node)
        case "argument", ast.Call(args=[first, *_]):
            yield part(first, "None", node)
        case "keyword", ast.keyword(arg=str(name)):
            start, end = module.place(node.value if change.without else node)
            yield _Place(start, end if change.without else module.after_comma(end), "", (ast.Name(name),))
        case "value", ast.Assign(targets=[target], value=value):
            yield part(value, "None", target)
        case "handler", ast.ExceptHandler(type=ast.expr() as error):
            yield part(error, "None")
        case "entry", ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    end = module.after_comma(module.place(value)[1])
                    yield _Place(module.place(key)[0], end, "", (key,))
        case "lock", ast.With(items=[item]):
            yield _Place(module.place(node)[0], module.place(item.context_expr)[1], "if True", (item.context_expr,))
        case kind, ast.stmt() | ast.expr() if kind == type(node).__name__:
            yield part(node, "pass" if isinstance(node, ast.stmt) else "None")


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and called(node).rpartition(".")[2] == name


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str(word)):
                yield word


def _unknown(module: Module, function: str) -> set[str]:
    """Return the names that a function reads, and neither it nor its module nor Python defines."""
    definitions = [node for node in module.tree.body if isinstance(node, DEFINITIONS)]
    nodes: list[ast.AST] = [*definitions, *module.within("")]
    for definition in definitions:
        if definition.name == function.partition(".")[0]:
            nodes += ast.walk(definition)
    known = set(vars(builtins))
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                known.add(name)
            case ast.alias(name=name, asname=asname):
                known.add((asname or name).partition(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                known.add(name)
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - known
