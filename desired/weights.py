"""The prioritizer `weightedpath`: a path's weight is that of the first expression that matches one of its names.

In: a path, and `hbtl|devname|serial|wwn EXPRESSION WEIGHT [EXPRESSION WEIGHT ...]`. Out: a number, None for a negative
one. Pure.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise

from desired.regex import BadExpression, Pattern, compile_expression
from observers.snapshot import Path

_DEFAULT = 0

_UNKNOWN = "[undef]"


def _port_names(path: Path) -> str:
    """The world wide names of both ends: host node, host port, target node, target port."""
    names = (path.host_node_name, path.host_port_name, path.target_node_name, path.target_port_name)
    return ":".join(name or _UNKNOWN for name in names)


_NAMES: Mapping[str, Callable[[Path], str]] = {
    "hbtl": lambda path: str(path.address or ""),
    "devname": lambda path: path.name,
    "serial": lambda path: path.serial,
    "wwn": _port_names,
}
"""What the expressions are matched with."""


def weight(path: Path, arguments: str) -> int | None:
    """The weight; 0 where nothing matches, or the arguments are not of the form above."""
    kind, *words = arguments.split() or ("",)
    if kind not in _NAMES:
        return _DEFAULT
    name = _NAMES[kind](path)
    rules = list(pairwise(words))[::2]
    found = next((_number(text) for expression, text in rules if _matches(expression, name)), _DEFAULT)
    return found if found >= 0 else None


_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


def _number(text: str) -> int:
    """The number that the text begins with, as C's atoi reads it."""
    found = _NUMBER.match(text)
    return int(found[0]) if found else _DEFAULT


def _matches(expression: str, name: str) -> bool:
    pattern = _compiled(expression)
    return pattern is not None and pattern.matches(name)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Pattern | None:
    try:
        return compile_expression(expression)
    except BadExpression:
        return None
