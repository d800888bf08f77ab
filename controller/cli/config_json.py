"""The merged configuration as a value, for `mpathctl show config --json`.

In: the text that `show config` prints. Out: an object of sections; each has its keywords with their values as the text
has them, and its own sections. What may stand more than once is a list, even if it stands there once. Pure.
"""

from collections.abc import Iterator

from desired.conf.lexer import tokenize
from desired.options import GRAMMAR, Section

Tree = dict[str, object]


def config_tree(text: str) -> Tree:
    """The sections of a configuration as it is printed."""
    return _section(iter(text.split("\n")), Section.ROOT)


def _section(lines: Iterator[str], section: Section) -> Tree:
    """What the lines have up to the end of a section."""
    grammar, found = GRAMMAR[section], dict[str, list[object]]()
    for line in lines:
        words = [token.text for token in tokenize(line) if not token.quote]
        if words == ["}"]:
            break
        if words:
            opens = grammar[words[0]].opens
            value = "".join(words[1:2]) if opens is None else _section(lines, opens)
            found.setdefault(words[0], []).append(value)
    return {keyword: values if grammar[keyword].multi else values[-1] for keyword, values in found.items()}
