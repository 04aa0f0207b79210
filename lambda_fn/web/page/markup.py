"""HTML and SVG as text that cannot be broken by what is in it: every child is escaped unless it is markup itself."""

import html
from collections.abc import Iterable
from typing import TypeAlias

VOID = frozenset({"br", "input", "link", "meta"})
Child: TypeAlias = "str | Iterable[Child] | None"


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element with its children.

    Args:
        name: of the element.
        children: text, which is escaped, markup, or several of them; None is left out.
        attributes: `class_` is class and `data_x` is data-x; True stands without a value, None and False are left out.
    """
    start = f"<{name}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    return Markup(start if name in VOID else f"{start}{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """The children one after the other, escaped as `element` does."""
    match children:
        case None:
            return Markup()
        case Markup():
            return children
        case str():
            return Markup(html.escape(children, quote=False))
    return Markup("".join(map(joined, children)))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {shown}"
    text = f"{value:g}" if isinstance(value, float) else html.escape(str(value))
    return f' {shown}="{text}"'
